//! Blocks and tiles, and the products of their rows.
//!
//! The two variants of the kernels differ here and in the accumulator alone.
//!
//! # Tensor cores
//! Plane `p` owns the strip of rows `16 p .. 16 p + 16` of the block: it keeps them in registers as fragments, computes
//! their scores, their weights and their part of the accumulator, so that between these steps only the plane synchronizes.
//! With two planes for each strip, plane `p` and plane `p + strips` compute half of the columns each. All fragments are 16 x 16 x 16 with operands in
//! bfloat16 and sums in single precision. Their layouts in memory:
//! - A, row-major: 16 rows of the plane's strip of a block (scores) or of the weights (accumulation).
//! - B of scores, column-major: element (k, n) is value k of row n of a tile, so that 16 rows of a row-major tile are read
//!   as their transpose.
//! - B of accumulation, row-major: element (k, n) is value n of row k of a tile.
//! - Accumulators: their distribution over lanes is unknown, so their elements are only changed in shared memory.
//!
//! Each fragment begins at a multiple of 16 rows and 16 columns. With row strides of 16 bytes times an integer that is
//! a multiple of 32 bytes, as the instructions require.

use cubecl::cmma;
use cubecl::cmma::{MatrixIdent, MatrixLayout};
use cubecl::prelude::*;

use super::layout::{EDGE, Layout, PLANE, UNROLLED};

/// Loads rows of a head into registers. Rows from `length` on become zeros.
///
/// # Shapes
/// `source`: `[batch * length, heads * dim]`; value `i` of unit `u` is vector `u + i * units` of the rows
#[cube]
pub(super) fn load_rows<F: Float, N: Size>(
    source: &[Vector<F, N>],
    sequence: usize,
    first: usize,
    head: usize,
    length: usize,
    #[comptime] rows: usize,
    #[comptime] heads: usize,
    #[comptime] layout: Layout,
) -> Array<Vector<F, N>> {
    let vectors = comptime!(layout.vectors());
    let count = comptime!(layout.loads(rows));
    let mut values = Array::<Vector<F, N>>::new(count);
    #[unroll(count <= UNROLLED)]
    for i in 0..count {
        let at = UNIT_POS as usize + i * comptime!(layout.units);
        let row = at / vectors;
        values[i] = Vector::<F, N>::new(F::new(0.0));
        if row < rows && first + row < length {
            values[i] =
                source[((sequence * length + first + row) * heads + head) * vectors + at % vectors];
        }
    }
    values
}

/// Stores rows that [`load_rows`] has loaded in a tile.
///
/// A row with a value that is not finite becomes zeros, and its entry of `taint` (from `taint_at` on) NaN: a product with a
/// weight of zero would otherwise carry NaN to rows that do not see it. Adding `taint` to the scores carries it to those
/// that do. Not on wgpu, whose shading language does not promise NaN.
///
/// # Shapes
/// `tile`: `[rows, dim]` with padding, from `tile_at` on; `taint`: at least `[taint_at + rows]`
#[cube]
pub(super) fn store_rows<F: Float, N: Size>(
    values: &Array<Vector<F, N>>,
    tile: &mut Shared<[Vector<F, N>]>,
    #[comptime] tile_at: usize,
    taint: &mut Shared<[f32]>,
    taint_at: usize,
    #[comptime] rows: usize,
    #[comptime] layout: Layout,
) {
    let vectors = comptime!(layout.vectors());
    let count = comptime!(layout.loads(rows));
    let zeros = Vector::<F, N>::new(F::new(0.0));
    #[unroll(count <= UNROLLED)]
    for i in 0..count {
        let at = UNIT_POS as usize + i * comptime!(layout.units);
        let row = at / vectors;
        if row < rows {
            let mut value = values[i];
            // 0 for finite values, else NaN.
            let excess = f32::cast_from(value.dot(zeros));
            if excess != 0.0 {
                taint[taint_at + row] = excess;
                value = zeros;
            }
            tile[tile_at + row * comptime!(layout.tile_stride()) + at % vectors] = value;
        }
    }
}

/// Sets `count` values from `first` on.
#[cube]
pub(super) fn fill(
    values: &mut Shared<[f32]>,
    first: usize,
    value: f32,
    #[comptime] count: usize,
    #[comptime] layout: Layout,
) {
    for i in 0..comptime!(count.div_ceil(layout.units)) {
        let at = UNIT_POS as usize + i * comptime!(layout.units);
        if at < count {
            values[first + at] = value;
        }
    }
}

/// Stores the rows of a block that [`load_rows`] has loaded where [`multiply_rows`] reads them: in `block`, or with tensor
/// cores in the fragments that it returns. `tiles` is overwritten.
#[cube]
pub(super) fn hold_block<F: Float, N: Size>(
    values: &Array<Vector<F, N>>,
    block: &mut Shared<[Vector<F, N>]>,
    tiles: &mut Shared<[Vector<F, N>]>,
    taint: &mut Shared<[f32]>,
    #[comptime] layout: Layout,
) -> Sequence<cmma::Matrix<Vector<F, N>>> {
    let resident = comptime!(layout.resident);
    let mut fragments = Sequence::<cmma::Matrix<Vector<F, N>>>::new();
    if comptime!(layout.tensor_cores) {
        store_rows::<F, N>(values, tiles, 0usize, taint, 0, resident, layout);
        sync_cube();
        let start = strip(layout) * comptime!(layout.tile_stride());
        #[unroll]
        for k in 0..comptime!(layout.dim / EDGE) {
            fragments.push(cmma::Matrix::<Vector<F, N>>::from_slice(
                MatrixIdent::A,
                EDGE,
                EDGE,
                EDGE,
                MatrixLayout::RowMajor,
                &tiles[start + k * comptime!(EDGE / layout.vector)..],
                comptime!((layout.tile_stride() * layout.vector) as u32),
            ));
        }
        sync_cube();
    } else {
        store_rows::<F, N>(values, block, 0usize, taint, 0, resident, layout);
    }
    fragments
}

/// The first row of the plane's strip.
#[cube]
pub(super) fn strip(#[comptime] layout: Layout) -> usize {
    UNIT_POS as usize / PLANE % comptime!(layout.strips()) * EDGE
}

/// Which part of the columns the plane computes.
#[cube]
pub(super) fn half(#[comptime] layout: Layout) -> usize {
    UNIT_POS as usize / comptime!(layout.strips() * PLANE)
}

/// Synchronizes the units that share rows of scores: a plane if it has a strip for itself, else the cube.
#[cube]
pub(super) fn sync_rows(#[comptime] layout: Layout) {
    if comptime!(layout.tensor_cores && layout.halves == 1) {
        sync_plane();
    } else {
        sync_cube();
    }
}

/// The `i`-th row of scores whose weights this unit computes; at least `resident` if it has no such row.
#[cube]
pub(super) fn score_row(i: usize, #[comptime] layout: Layout) -> usize {
    if comptime!(layout.tensor_cores) {
        strip(layout) + UNIT_POS as usize % EDGE
    } else {
        UNIT_POS as usize + i * comptime!(layout.units)
    }
}

/// The first of the columns of scores that this unit handles; the others follow in steps of `sharers`.
#[cube]
pub(super) fn score_column(#[comptime] layout: Layout) -> usize {
    if comptime!(layout.tensor_cores) {
        half(layout) * comptime!(PLANE / EDGE) + UNIT_POS as usize % PLANE / EDGE
    } else {
        0usize.runtime()
    }
}

/// Computes all products of rows of a block with rows of a tile.
///
/// # Shapes
/// `block`: `[resident, dim]`, or `fragments` of it as [`hold_block`] returns them; `tile`: `[streamed, dim]` from
/// `tile_at` on; `scores`: `[resident, streamed]`, each with padding
#[cube]
pub(super) fn multiply_rows<F: Float, N: Size>(
    block: &Shared<[Vector<F, N>]>,
    fragments: &Sequence<cmma::Matrix<Vector<F, N>>>,
    tile: &Shared<[Vector<F, N>]>,
    #[comptime] tile_at: usize,
    scores: &mut Shared<[f32]>,
    #[comptime] layout: Layout,
) {
    let stride = comptime!(layout.tile_stride());
    let score_stride = comptime!(layout.score_stride());
    if comptime!(layout.tensor_cores) {
        let count = comptime!(layout.streamed / EDGE / layout.halves);
        let first = half(layout) * comptime!(layout.streamed / layout.halves);
        let mut sums = Sequence::<cmma::Matrix<f32>>::new();
        #[unroll]
        for _n in 0..count {
            sums.push(zero_fragment());
        }
        #[unroll]
        for k in 0..comptime!(layout.dim / EDGE) {
            #[unroll]
            for n in 0..count {
                let row = first + n * EDGE;
                let b = cmma::Matrix::<Vector<F, N>>::from_slice(
                    MatrixIdent::B,
                    EDGE,
                    EDGE,
                    EDGE,
                    MatrixLayout::ColMajor,
                    &tile[tile_at + row * stride + k * comptime!(EDGE / layout.vector)..],
                    comptime!((layout.tile_stride() * layout.vector) as u32),
                );
                let sum = sums.index(n);
                cmma::execute(fragments.index(k), &b, sum, sum);
            }
        }
        #[unroll]
        for n in 0..count {
            cmma::store(
                &mut scores[strip(layout) * score_stride + first + n * EDGE..],
                sums.index(n),
                comptime!(layout.score_stride() as u32),
                MatrixLayout::RowMajor,
            );
        }
    } else {
        let streamed = comptime!(layout.streamed);
        for i in 0..comptime!((layout.resident * layout.streamed).div_ceil(layout.units)) {
            let at = UNIT_POS as usize + i * comptime!(layout.units);
            let row = at / streamed;
            let column = at % streamed;
            if row < comptime!(layout.resident) {
                let mut sum = Vector::<f32, N>::new(0.0);
                for k in 0..comptime!(layout.vectors()) {
                    sum += Vector::<f32, N>::cast_from(block[row * stride + k])
                        * Vector::<f32, N>::cast_from(tile[tile_at + column * stride + k]);
                }
                scores[row * score_stride + column] = sum.vector_sum();
            }
        }
    }
}

#[cube]
pub(super) fn zero_fragment() -> cmma::Matrix<f32> {
    cmma::Matrix::<f32>::from_value(
        MatrixIdent::Accumulator,
        EDGE,
        EDGE,
        EDGE,
        MatrixLayout::Undefined,
        0.0,
    )
}
