//! Causal attention of grouped heads without matrices of scores in memory, forward and backward.
//!
//! A cube owns a block of rows of one head and walks the tiles of the other side that the block sees, so that scores exist
//! in shared memory alone. The forward pass keeps the log-sum-exp of each row of scores; the backward pass recomputes the
//! weights from it. Gradients are sums in a fixed order, without atomic operations.
//!
//! # Source
//! Dao 2023, arXiv:2307.08691 (FlashAttention-2), with packed sequences; Ainslie et al. 2023, arXiv:2305.13245, for the
//! groups. Deviation: sums are rescaled only if the maximum of a row grows by more than a constant.

// Kernels are functions of many buffers and sizes, and loops index into buffers.
#![allow(
    clippy::too_many_arguments,
    clippy::too_many_lines,
    clippy::needless_range_loop,
    clippy::manual_div_ceil,
    clippy::used_underscore_binding
)]

mod accumulator;
mod backward;
mod forward;
mod layout;
#[cfg(feature = "ptx")]
mod offline;
mod tile;

use burn_backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::prelude::*;

use self::layout::Layout;
#[cfg(feature = "ptx")]
pub(crate) use self::offline::offline;
use crate::tensors::{contiguous, element, empty_on, len};

/// The sizes of a batch of sequences of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Sequences.
    pub batch: usize,
    /// Tokens per sequence.
    pub length: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; each serves `heads / key_value_heads` query heads.
    pub key_value_heads: usize,
    /// Values per head.
    pub dim: usize,
}

/// How tiles are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiles {
    /// Loops over shared memory, on every device.
    Plain,
    /// Tensor cores: bfloat16 operands and sums in single precision.
    TensorCores,
}

/// What the kernels cannot compute; the caller uses plain operations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlashError {
    /// The sizes of heads do not fit the kernels.
    #[error(
        "flash attention does not support {shape:?} on this device: expected heads of 16, 64 or 128 values, and \
         a number of query heads that is a multiple of the number of key-value heads\n\
         hint: plain operations compute attention of these sizes"
    )]
    Unsupported {
        /// The sizes asked for.
        shape: Shape,
    },
    /// A tensor's size or type does not fit the sizes of the batch.
    #[error(
        "flash attention: `{name}` has shape {found:?} in {dtype:?}, expected {expected:?} in {kind:?}\n\
         hint: take all tensors from one batch, in bf16 or f32"
    )]
    Mismatch {
        /// The argument.
        name: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// Its type.
        dtype: DType,
        /// The shape that fits.
        expected: Vec<usize>,
        /// The type that fits.
        kind: DType,
    },
}

/// Result of [`attend`].
#[derive(Clone, Debug)]
pub struct Attended {
    /// `[batch * length, heads * dim]`, in the type of the queries.
    pub out: CubeTensor,
    /// Log-sum-exp of each row of scores, `[batch * heads, length]` in single precision.
    pub log_sums: CubeTensor,
}

/// Result of [`attend_backward`], each with the shape and type of its input.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// With respect to the scaled queries.
    pub queries: CubeTensor,
    /// With respect to the keys.
    pub keys: CubeTensor,
    /// With respect to the values.
    pub values: CubeTensor,
}

impl Shape {
    fn check(
        name: &'static str,
        tensor: &CubeTensor,
        expected: [usize; 2],
        kind: DType,
    ) -> Result<(), FlashError> {
        let found = tensor.shape().to_vec();
        if found == expected && tensor.dtype == kind {
            return Ok(());
        }
        Err(FlashError::Mismatch {
            name,
            found,
            dtype: tensor.dtype,
            expected: expected.to_vec(),
            kind,
        })
    }

    fn rows(&self) -> usize {
        self.batch * self.length
    }

    fn layout(&self, tiles: Tiles, queries: &CubeTensor) -> Result<Layout, FlashError> {
        let unsupported = FlashError::Unsupported { shape: *self };
        let grouped = self.key_value_heads > 0 && self.heads.is_multiple_of(self.key_value_heads);
        let fits = matches!(self.dim, 16 | 64 | 128);
        if !grouped || !fits || self.rows() == 0 {
            return Err(unsupported);
        }
        Layout::choose(tiles, self, element(queries), queries.client.properties())
            .ok_or(unsupported)
    }

    /// Checks the inputs that both passes share.
    fn check_inputs(
        &self,
        [queries, keys, values]: [&CubeTensor; 3],
        starts: &CubeTensor,
    ) -> Result<(), FlashError> {
        let kind = match queries.dtype {
            DType::BF16 => DType::BF16,
            _ => DType::F32,
        };
        let narrow = [self.rows(), self.key_value_heads * self.dim];
        Self::check(
            "queries",
            queries,
            [self.rows(), self.heads * self.dim],
            kind,
        )?;
        Self::check("keys", keys, narrow, kind)?;
        Self::check("values", values, narrow, kind)?;
        let found = starts.shape().to_vec();
        if found != [self.rows()] || !matches!(starts.dtype, DType::U32 | DType::I32) {
            return Err(FlashError::Mismatch {
                name: "starts",
                found,
                dtype: starts.dtype,
                expected: vec![self.rows()],
                kind: DType::U32,
            });
        }
        Ok(())
    }

    /// Cubes for blocks of all heads of all sequences.
    fn cubes(&self, layout: &Layout, heads: usize) -> CubeCount {
        CubeCount::Static(
            self.length.div_ceil(layout.resident) as u32,
            heads as u32,
            self.batch as u32,
        )
    }
}

impl Tiles {
    /// Chooses the variant for a tensor's type and device.
    #[must_use]
    pub fn for_tensor(queries: &CubeTensor) -> Self {
        Self::of(element(queries), queries.client.properties())
    }
}

fn cube_dim(layout: &Layout) -> CubeDim {
    CubeDim::new_1d(layout.units as u32)
}

/// Computes attention of queries to the keys from their text's start to themselves.
///
/// # Shapes
/// - `queries`: `[batch * length, heads * dim]`, already scaled
/// - `keys`, `values`: `[batch * length, key_value_heads * dim]`, in the type of the queries
/// - `starts`: `[batch * length]` in `u32` or `i32`, the first index within its sequence that each row sees, at most its own
/// # Errors
/// [`FlashError`] if a tensor does not fit `shape` or the kernels do not support it.
pub fn attend(
    queries: CubeTensor,
    keys: CubeTensor,
    values: CubeTensor,
    starts: CubeTensor,
    shape: Shape,
) -> Result<Attended, FlashError> {
    let tiles = Tiles::for_tensor(&queries);
    shape.check_inputs([&queries, &keys, &values], &starts)?;
    let layout = shape.layout(tiles, &queries)?;
    let [queries, keys, values, starts] = [queries, keys, values, starts].map(contiguous);
    let out = empty_on(
        &queries,
        [shape.rows(), shape.heads * shape.dim],
        queries.dtype,
    );
    let log_sums = empty_on(
        &queries,
        [shape.batch * shape.heads, shape.length],
        DType::F32,
    );
    let client: Client = queries.client.clone();
    let kind = element(&queries);
    forward::forward_kernel::launch(
        &client,
        shape.cubes(&layout, shape.heads),
        cube_dim(&layout),
        layout.vector,
        queries.into_buffer_arg(),
        keys.into_buffer_arg(),
        values.into_buffer_arg(),
        starts.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        log_sums.clone().into_buffer_arg(),
        shape.length,
        layout,
        kind,
    );
    Ok(Attended { out, log_sums })
}

/// Computes the gradients of [`attend`].
///
/// # Shapes
/// `gradient`: as `attended.out`; the others as for [`attend`]
/// # Errors
/// As [`attend`].
pub fn attend_backward(
    queries: CubeTensor,
    keys: CubeTensor,
    values: CubeTensor,
    attended: Attended,
    gradient: CubeTensor,
    starts: CubeTensor,
    shape: Shape,
) -> Result<Gradients, FlashError> {
    let tiles = Tiles::for_tensor(&queries);
    shape.check_inputs([&queries, &keys, &values], &starts)?;
    let wide = [shape.rows(), shape.heads * shape.dim];
    let Attended { out, log_sums } = attended;
    Shape::check("out", &out, wide, queries.dtype)?;
    Shape::check("gradient", &gradient, wide, queries.dtype)?;
    let statistics = [shape.batch * shape.heads, shape.length];
    Shape::check("log_sums", &log_sums, statistics, DType::F32)?;
    let layout = shape.layout(tiles, &queries)?;
    let [queries, keys, values, starts] = [queries, keys, values, starts].map(contiguous);
    let [out, gradient, log_sums] = [out, gradient, log_sums].map(contiguous);
    let client: Client = queries.client.clone();
    let kind = element(&queries);

    let shared = empty_on(&queries, statistics, DType::F32);
    let units = len(&shared);
    let dim = CubeDim::new(&client, units);
    backward::row_products_kernel::launch(
        &client,
        calculate_cube_count_elemwise(&client, units, dim),
        dim,
        layout.vector,
        out.into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        shared.clone().into_buffer_arg(),
        shape.length,
        layout,
        kind,
    );

    let of_queries = empty_on(&queries, wide, queries.dtype);
    backward::query_gradient_kernel::launch(
        &client,
        shape.cubes(&layout, shape.heads),
        cube_dim(&layout),
        layout.vector,
        queries.clone().into_buffer_arg(),
        keys.clone().into_buffer_arg(),
        values.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        log_sums.clone().into_buffer_arg(),
        shared.clone().into_buffer_arg(),
        starts.clone().into_buffer_arg(),
        of_queries.clone().into_buffer_arg(),
        shape.length,
        layout,
        kind,
    );

    let narrow = [shape.rows(), shape.key_value_heads * shape.dim];
    let of_keys = empty_on(&keys, narrow, keys.dtype);
    let of_values = empty_on(&values, narrow, values.dtype);
    let layout = layout.for_keys_and_values();
    backward::key_value_gradient_kernel::launch(
        &client,
        shape.cubes(&layout, shape.key_value_heads),
        cube_dim(&layout),
        layout.vector,
        queries.into_buffer_arg(),
        keys.into_buffer_arg(),
        values.into_buffer_arg(),
        gradient.into_buffer_arg(),
        log_sums.into_buffer_arg(),
        shared.into_buffer_arg(),
        starts.into_buffer_arg(),
        of_keys.clone().into_buffer_arg(),
        of_values.clone().into_buffer_arg(),
        shape.length,
        layout,
        kind,
    );
    Ok(Gradients {
        queries: of_queries,
        keys: of_keys,
        values: of_values,
    })
}
