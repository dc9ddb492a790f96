//! Sums over the tiles that a block walks.

use cubecl::cmma;
use cubecl::cmma::{MatrixIdent, MatrixLayout};
use cubecl::prelude::*;

use super::layout::{EDGE, Layout, PLANE};
use super::tile::{half, strip, zero_fragment};

/// Sums of a block in single precision, `[resident, dim]`, distributed over the units of the cube.
#[derive(CubeType)]
pub(super) struct Accumulator<N: Size> {
    /// With tensor cores: the fragments of the plane's strip and columns.
    fragments: Sequence<cmma::Matrix<f32>>,
    /// Else: value `i` of unit `u` is vector `u + i * units` of the block.
    values: Array<Vector<f32, N>>,
}

#[cube]
impl<N: Size> Accumulator<N> {
    pub(super) fn zeros(#[comptime] layout: Layout) -> Accumulator<N> {
        let mut fragments = Sequence::<cmma::Matrix<f32>>::new();
        let mut values = Array::<Vector<f32, N>>::new(comptime!(if layout.tensor_cores {
            1
        } else {
            layout.accumulated()
        }));
        if comptime!(layout.tensor_cores) {
            #[unroll]
            for _n in 0..comptime!(layout.dim / EDGE / layout.halves) {
                fragments.push(zero_fragment());
            }
        } else {
            for i in 0..comptime!(layout.accumulated()) {
                values[i] = Vector::<f32, N>::new(0.0);
            }
        }
        Accumulator::<N> { fragments, values }
    }

    /// Adds the product of weights and a tile.
    ///
    /// # Shapes
    /// `weights`: `[resident, streamed]`; `tile`: `[streamed, dim]` from `tile_at` on, each with padding
    pub(super) fn add_product<F: Float>(
        &mut self,
        weights: &Shared<[F]>,
        tile: &Shared<[Vector<F, N>]>,
        #[comptime] tile_at: usize,
        #[comptime] layout: Layout,
    ) {
        let stride = comptime!(layout.tile_stride());
        let weight_stride = comptime!(layout.weight_stride());
        if comptime!(layout.tensor_cores) {
            let strip = strip(layout);
            let count = comptime!(layout.dim / EDGE / layout.halves);
            let first = half(layout) * comptime!(layout.vectors() / layout.halves);
            #[unroll]
            for k in 0..comptime!(layout.streamed / EDGE) {
                let a = cmma::Matrix::<F>::from_slice(
                    MatrixIdent::A,
                    EDGE,
                    EDGE,
                    EDGE,
                    MatrixLayout::RowMajor,
                    &weights[strip * weight_stride + k * EDGE..],
                    comptime!(layout.weight_stride() as u32),
                );
                #[unroll]
                for n in 0..count {
                    let column = first + n * comptime!(EDGE / layout.vector);
                    let b = cmma::Matrix::<Vector<F, N>>::from_slice(
                        MatrixIdent::B,
                        EDGE,
                        EDGE,
                        EDGE,
                        MatrixLayout::RowMajor,
                        &tile[tile_at + k * EDGE * stride + column..],
                        comptime!((layout.tile_stride() * layout.vector) as u32),
                    );
                    let sum = self.fragments.index(n);
                    cmma::execute(&a, &b, sum, sum);
                }
            }
        } else {
            let vectors = comptime!(layout.vectors());
            for i in 0..comptime!(layout.accumulated()) {
                let at = UNIT_POS as usize + i * comptime!(layout.units);
                let row = at / vectors;
                let column = at % vectors;
                if row < comptime!(layout.resident) {
                    let mut sum = self.values[i];
                    for k in 0..comptime!(layout.streamed) {
                        let weight = f32::cast_from(weights[row * weight_stride + k]);
                        sum += Vector::<f32, N>::new(weight)
                            * Vector::<f32, N>::cast_from(tile[tile_at + k * stride + column]);
                    }
                    self.values[i] = sum;
                }
            }
        }
    }

    /// Multiplies each row by its factor. `changed`, equal in all units that share rows, is whether some factor may
    /// differ from 1; `scratch` is overwritten.
    ///
    /// # Shapes
    /// `factors`: `[resident]`; `scratch`: `[resident, streamed]` with padding
    pub(super) fn scale_rows(
        &mut self,
        factors: &Shared<[f32]>,
        changed: bool,
        scratch: &mut Shared<[f32]>,
        #[comptime] layout: Layout,
    ) {
        if changed {
            if comptime!(layout.tensor_cores) {
                let strip = strip(layout);
                let lane = UNIT_POS as usize % PLANE;
                let stride = comptime!(layout.score_stride());
                let at = strip * stride + half(layout) * EDGE;
                #[unroll]
                for n in 0..comptime!(layout.dim / EDGE / layout.halves) {
                    cmma::store(
                        &mut scratch[at..],
                        self.fragments.index(n),
                        comptime!(layout.score_stride() as u32),
                        MatrixLayout::RowMajor,
                    );
                    sync_plane();
                    // Lane i scales column i % 16 of the rows i / 16, i / 16 + 2, ...
                    #[unroll]
                    for i in 0..comptime!(EDGE * EDGE / PLANE) {
                        let row = strip + lane / EDGE + i * comptime!(PLANE / EDGE);
                        scratch[row * stride + half(layout) * EDGE + lane % EDGE] *= factors[row];
                    }
                    sync_plane();
                    cmma::load_with_layout(
                        self.fragments.index_mut(n),
                        &scratch[at..],
                        comptime!(layout.score_stride() as u32),
                        MatrixLayout::RowMajor,
                    );
                    sync_plane();
                }
            } else {
                let vectors = comptime!(layout.vectors());
                for i in 0..comptime!(layout.accumulated()) {
                    let row = (UNIT_POS as usize + i * comptime!(layout.units)) / vectors;
                    if row < comptime!(layout.resident) {
                        self.values[i] *= Vector::<f32, N>::new(factors[row]);
                    }
                }
            }
        }
    }

    /// Writes the rows below `length`, each multiplied by its factor; `scratch` is overwritten.
    ///
    /// # Shapes
    /// `out`: `[batch * length, heads * dim]`; `factors`: `[resident]`; `scratch`: `[resident, streamed]` with padding
    pub(super) fn write<F: Float>(
        &mut self,
        out: &mut [Vector<F, N>],
        factors: &Shared<[f32]>,
        scratch: &mut Shared<[f32]>,
        sequence: usize,
        first: usize,
        head: usize,
        length: usize,
        #[comptime] heads: usize,
        #[comptime] layout: Layout,
    ) {
        let vectors = comptime!(layout.vectors());
        if comptime!(layout.tensor_cores) {
            let lane = UNIT_POS as usize % PLANE;
            let stride = comptime!(layout.score_stride());
            let part = half(layout);
            // Lane i writes vector i % 2 of row i / 2 of each fragment: 8 values, 16 bytes.
            let row = strip(layout) + lane / 2;
            let column = lane % 2;
            let index = ((sequence * length + first + row) * heads + head) * vectors
                + part * comptime!(layout.vectors() / layout.halves);
            #[unroll]
            for n in 0..comptime!(layout.dim / EDGE / layout.halves) {
                cmma::store(
                    &mut scratch[strip(layout) * stride + part * EDGE..],
                    self.fragments.index(n),
                    comptime!(layout.score_stride() as u32),
                    MatrixLayout::RowMajor,
                );
                sync_plane();
                let mut value = Vector::<F, N>::empty();
                #[unroll]
                for i in 0..comptime!(layout.vector) {
                    let sum =
                        scratch[row * stride + part * EDGE + column * comptime!(layout.vector) + i];
                    value.insert(i, F::cast_from(sum * factors[row]));
                }
                if first + row < length {
                    out[index + n * 2 + column] = value;
                }
                sync_plane();
            }
        } else {
            for i in 0..comptime!(layout.accumulated()) {
                let at = UNIT_POS as usize + i * comptime!(layout.units);
                let row = at / vectors;
                let column = at % vectors;
                if row < comptime!(layout.resident) && first + row < length {
                    let index =
                        ((sequence * length + first + row) * heads + head) * vectors + column;
                    let value = self.values[i] * Vector::<f32, N>::new(factors[row]);
                    out[index] = Vector::<F, N>::cast_from(value);
                }
            }
        }
    }
}
