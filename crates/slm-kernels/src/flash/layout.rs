//! Sizes of blocks and tiles, chosen from the properties of a device.

use cubecl::ir::{DeviceProperties, ElemType, FloatKind, features::MmaConfig};

use super::{Shape, Tiles};

/// Edge of the matrices that one tensor-core instruction multiplies.
pub(super) const EDGE: usize = 16;
/// Units of a plane on devices with tensor cores.
pub(super) const PLANE: usize = 32;
/// Longest loop over values in registers that is unrolled; the indices of registers must be constants.
pub(super) const UNROLLED: usize = 16;
/// Bytes that the statistics of rows and the alignment of buffers may add to the tiles.
const SLACK: usize = 4096;

/// Compile-time constants of a kernel.
///
/// A cube owns a block of `resident` rows of a head and walks tiles of `streamed` rows. In the forward pass and for the
/// gradient of queries the block consists of queries and the tiles of keys; for the gradients of keys and values it is
/// the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// Rows of the block.
    pub(super) resident: usize,
    /// Rows of a tile.
    pub(super) streamed: usize,
    /// Units of a cube.
    pub(super) units: usize,
    /// Values per vector of loads and stores.
    pub(super) vector: usize,
    /// Whether matrix products use tensor cores.
    pub(super) tensor_cores: bool,
    /// Planes that share 16 rows of the block with tensor cores: each computes a part of the columns.
    pub(super) halves: usize,
    pub(super) dim: usize,
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
}

impl Layout {
    /// Vectors per head.
    pub(super) const fn vectors(&self) -> usize {
        self.dim / self.vector
    }

    /// Vectors from row to row of a tile in shared memory. One vector (16 bytes) of padding, so that neighbouring rows
    /// begin in different banks.
    pub(super) const fn tile_stride(&self) -> usize {
        self.vectors() + 1
    }

    /// Values from row to row of scores. 4 more than a tile has columns, which keeps rows aligned to 16 bytes.
    pub(super) const fn score_stride(&self) -> usize {
        self.streamed + 4
    }

    /// Values from row to row of weights. 8 more than a tile has columns, which keeps rows aligned to 16 bytes in half
    /// precision.
    pub(super) const fn weight_stride(&self) -> usize {
        self.streamed + 8
    }

    /// Query heads per key-value head.
    pub(super) const fn group(&self) -> usize {
        self.heads / self.key_value_heads
    }

    /// Strips of 16 rows of the block.
    pub(super) const fn strips(&self) -> usize {
        self.resident / EDGE
    }

    /// Units that share a row of scores: with tensor cores the lanes `i` and `i + 16` of each plane of a strip.
    pub(super) const fn sharers(&self) -> usize {
        if self.tensor_cores {
            PLANE / EDGE * self.halves
        } else {
            1
        }
    }

    /// Vectors of a block in shared memory. With tensor cores a block is in registers.
    pub(super) const fn block_len(&self) -> usize {
        if self.tensor_cores {
            1
        } else {
            self.resident * self.tile_stride()
        }
    }

    /// Vectors of the two tiles. With tensor cores a block passes through them on its way to registers.
    pub(super) const fn tiles_len(&self) -> usize {
        2 * self.streamed * self.tile_stride()
    }

    /// The sizes of the kernel for the gradients of keys and values, which has two sums. Wide heads get two planes for each
    /// strip, so that a unit's part of the sums and of the block fits in its registers.
    pub(super) const fn for_keys_and_values(self) -> Self {
        if !self.tensor_cores || self.dim <= 64 {
            return self;
        }
        Self {
            units: 2 * self.units,
            halves: 2,
            ..self
        }
    }

    /// Rows of scores for which a unit computes weights.
    pub(super) const fn rows_per_unit(&self) -> usize {
        if self.tensor_cores {
            1
        } else {
            self.resident.div_ceil(self.units)
        }
    }

    /// Vectors that a unit loads of a block or tile with `rows` rows.
    pub(super) const fn loads(&self, rows: usize) -> usize {
        (rows * self.vectors()).div_ceil(self.units)
    }

    /// Vectors of the accumulator that a unit holds in the plain variant.
    pub(super) const fn accumulated(&self) -> usize {
        self.loads(self.resident)
    }

    /// Bytes of shared memory of the largest kernel, the gradients of keys and values: two blocks, two tiles, two
    /// matrices of scores in single precision and two of weights.
    const fn shared_bytes(&self, value: usize) -> usize {
        let vectors = 2 * self.block_len() + self.tiles_len();
        let scores = self.resident * self.score_stride() * size_of::<f32>();
        let weights = self.resident * self.weight_stride() * value;
        vectors * self.vector * value + 2 * (scores + weights) + SLACK
    }

    /// Chooses the largest blocks and tiles that fit in the device's shared memory; `None` if none do, or if the device
    /// lacks what `tiles` asks for.
    pub(super) fn choose(
        tiles: Tiles,
        shape: &Shape,
        kind: ElemType,
        device: &DeviceProperties,
    ) -> Option<Self> {
        let hardware = &device.hardware;
        let tensor_cores = tiles == Tiles::TensorCores;
        if tensor_cores && Tiles::of(kind, device) != Tiles::TensorCores {
            return None;
        }
        let value = kind.size();
        let load = if tensor_cores {
            16
        } else {
            hardware.load_width as usize / 8
        };
        let mut vector = (load / value).clamp(1, hardware.max_vector_size);
        while !shape.dim.is_multiple_of(vector) {
            vector /= 2;
        }
        let sizes: &[(usize, usize)] = if tensor_cores {
            &[(64, 32), (32, 32)]
        } else {
            &[(16, 16), (8, 8), (4, 4)]
        };
        sizes
            .iter()
            .map(|&(resident, streamed)| Self {
                resident,
                streamed,
                units: if tensor_cores {
                    resident / EDGE * PLANE
                } else {
                    Self::plain_units(device)
                },
                vector,
                tensor_cores,
                halves: 1,
                dim: shape.dim,
                heads: shape.heads,
                key_value_heads: shape.key_value_heads,
            })
            .find(|layout| layout.shared_bytes(value) <= hardware.max_shared_memory_size)
    }

    /// Units of a cube in the plain variant. One on a runtime whose planes have one unit (CPU): there a barrier is a spin
    /// lock between threads.
    fn plain_units(device: &DeviceProperties) -> usize {
        let hardware = &device.hardware;
        if hardware.plane_size_max == 1 {
            1
        } else {
            64.min(hardware.max_units_per_cube as usize)
        }
    }
}

impl Tiles {
    /// The variant for a device: tensor cores for bfloat16 where the device multiplies 16 x 16 x 16 matrices with planes
    /// of 32 units, else plain.
    pub(super) fn of(kind: ElemType, device: &DeviceProperties) -> Self {
        let product = MmaConfig {
            a_type: kind,
            b_type: kind,
            cd_type: ElemType::Float(FloatKind::F32),
            m: EDGE as u32,
            n: EDGE as u32,
            k: EDGE as u32,
        };
        let hardware = &device.hardware;
        let planes = hardware.plane_size_min == PLANE as u32
            && hardware.plane_size_max == PLANE as u32
            && hardware.max_units_per_cube >= 128;
        let bfloat16 = kind == ElemType::Float(FloatKind::BF16);
        if bfloat16 && planes && device.features.matmul.cmma.contains(&product) {
            Self::TensorCores
        } else {
            Self::Plain
        }
    }
}
