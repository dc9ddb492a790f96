//! Rotary position embedding, half-split form (GPT-NeoX order), of one tensor or of queries and keys together.
//!
//! # Source
//! Su et al. 2021, arXiv:2104.09864.

use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::tensors::{
    Output, address_type, contiguous, element, empty_like, len, matrix, vector_grid, vector_width,
};

/// Which way heads are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// By the angles of the positions.
    Forward,
    /// By their negatives, which takes a gradient back through [`Direction::Forward`].
    Backward,
}

/// A unit rotates a vector of the first half of a head with its partner in the second half; the heads of `q` come first.
#[cube(launch, address_type = "dynamic")]
fn rotate_kernel<F: Float, N: Size>(
    q: &[Vector<F, N>],
    k: &[Vector<F, N>],
    cosines: &[Vector<f32, N>],
    sines: &[Vector<f32, N>],
    q_out: &mut [Vector<F, N>],
    k_out: &mut [Vector<F, N>],
    rows: usize,
    positions: usize,
    q_factor: f32,
    k_factor: f32,
    #[comptime] half: usize,
    #[comptime] q_heads: usize,
    #[comptime] k_heads: usize,
    #[comptime] backward: bool,
    #[define(F)] _kind: ElemType,
) {
    let heads = comptime!(q_heads + k_heads);
    let lane = ABSOLUTE_POS % half;
    let head_of_all = ABSOLUTE_POS / half;
    let head = head_of_all % heads;
    let row = head_of_all / heads;
    if row < rows {
        let angle = (row % positions) * half + lane;
        let cosine = cosines[angle];
        let mut sine = sines[angle];
        if comptime!(backward) {
            sine = Vector::<f32, N>::new(0.0f32) - sine;
        }
        if head < q_heads {
            let at = (row * q_heads + head) * 2 * half + lane;
            rotate_at::<F, N>(q, q_out, at, half, cosine, sine, q_factor);
        } else if comptime!(k_heads > 0) {
            let at = (row * k_heads + head - q_heads) * 2 * half + lane;
            rotate_at::<F, N>(k, k_out, at, half, cosine, sine, k_factor);
        }
    }
}

/// Rotates the pair `(x[at], x[at + half])` and multiplies it by the factor.
#[cube]
fn rotate_at<F: Float, N: Size>(
    x: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    at: usize,
    #[comptime] half: usize,
    cosine: Vector<f32, N>,
    sine: Vector<f32, N>,
    factor: f32,
) {
    let factor = Vector::<f32, N>::new(factor);
    let first = Vector::<f32, N>::cast_from(x[at]);
    let second = Vector::<f32, N>::cast_from(x[at + half]);
    out[at] = Vector::<F, N>::cast_from((first * cosine - second * sine) * factor);
    out[at + half] = Vector::<F, N>::cast_from((second * cosine + first * sine) * factor);
}

/// Rotates each head of `x` by the angles of its token's position and multiplies it by `factor`, in single precision;
/// writes over `x` if no other tensor shares it.
///
/// # Shapes
/// `x`: `[rows, heads * dim]`; tables: `[positions, dim / 2]` in f32, with `rows` a multiple of `positions`; returns the
/// shape and type of `x`
pub fn rotate(
    x: CubeTensor,
    table_cos: CubeTensor,
    table_sin: CubeTensor,
    factor: f32,
    direction: Direction,
) -> CubeTensor {
    launch(x, None, [table_cos, table_sin], factor, direction).0
}

/// [`rotate`] of queries and keys in one launch; `factor` multiplies the queries alone.
///
/// # Shapes
/// `q`: `[rows, heads * dim]`, `k`: `[rows, key_value_heads * dim]`, in the same float type; returns both
pub fn rotate_pair(
    q: CubeTensor,
    k: CubeTensor,
    table_cos: CubeTensor,
    table_sin: CubeTensor,
    factor: f32,
    direction: Direction,
) -> (CubeTensor, CubeTensor) {
    let (q, k) = launch(q, Some(k), [table_cos, table_sin], factor, direction);
    (q, k.expect("keys go in and come out"))
}

fn launch(
    q: CubeTensor,
    k: Option<CubeTensor>,
    tables: [CubeTensor; 2],
    factor: f32,
    direction: Direction,
) -> (CubeTensor, Option<CubeTensor>) {
    let [rows, q_width] = matrix(&q);
    let k_width = k.as_ref().map_or(0, |k| matrix(k)[1]);
    let [positions, half] = matrix(&tables[0]);
    let dim = 2 * half;
    if rows == 0 || q_width == 0 {
        return (empty_like(&q, q.dtype), k.map(|k| empty_like(&k, k.dtype)));
    }
    assert!(
        q_width.is_multiple_of(dim) && k_width.is_multiple_of(dim),
        "rotate: widths {q_width} and {k_width} are no multiples of the heads' {dim}"
    );
    assert!(
        rows.is_multiple_of(positions),
        "rotate: {rows} rows are no multiple of {positions} positions"
    );
    if let Some(k) = &k {
        assert_eq!(matrix(k)[0], rows, "rotate: rows of the keys");
        assert_eq!(k.dtype, q.dtype, "rotate: number formats differ");
    }
    let q = contiguous(q);
    let k = k.map(contiguous);
    let [cosines, sines] = tables.map(contiguous);
    let client = q.client.clone();
    let lanes = vector_width(&client, half, &[q.dtype, cosines.dtype]);
    let (q_heads, k_heads) = (q_width / dim, k_width / dim);
    let (count, dim) = vector_grid(&client, rows * (q_heads + k_heads) * (half / lanes));
    let (kind, addresses) = (element(&q), address_type(&[&q, &cosines]));
    let q_out = Output::in_place_of(&q, 0, q.dtype);
    // Without keys, nothing reads or writes their arguments.
    let unused = || BufferArg::alias(0, len(&q));
    let (k_arg, k_out_arg, k_out) = match k {
        Some(k) => {
            let out = Output::in_place_of(&k, 1, k.dtype);
            (k.into_buffer_arg(), out.arg, Some(out.tensor))
        }
        None => (unused(), unused(), None),
    };
    rotate_kernel::launch(
        &client,
        count,
        dim,
        addresses,
        lanes,
        q.into_buffer_arg(),
        k_arg,
        cosines.into_buffer_arg(),
        sines.into_buffer_arg(),
        q_out.arg,
        k_out_arg,
        rows,
        positions,
        factor,
        1.0,
        half / lanes,
        q_heads,
        k_heads,
        direction == Direction::Backward,
        kind,
    );
    (q_out.tensor, k_out)
}

/// The kernels as a GPU runs them on 12 heads of 128 values with 2 heads of keys.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{BF16, OfflineKernel, buffer, device, in_place, settings, target};
    let kernel = |name, backward: bool| {
        let kernel = rotate_kernel::RotateKernel::new(
            settings(256),
            device(),
            target(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            in_place(0),
            in_place(1),
            (),
            (),
            (),
            (),
            8,
            8,
            12,
            2,
            backward,
            BF16,
        );
        OfflineKernel::new(name, kernel)
    };
    vec![
        kernel("rotate_pair", false),
        kernel("rotate_pair (backward)", true),
    ]
}
