//! `RMSNorm`, alone or with the addition to the residual stream before it, and its gradient.
//!
//! A cube takes a row: it sums the squares, then reads its row again from the cache and writes the result.
//!
//! # Source
//! Zhang and Sennrich 2019, arXiv:1910.07467.

use burn_backend::DType;
use burn_backend::cubecl::dtype_to_elem_type;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::reduce::cube_sum;
use crate::tensors::{
    Output, address_type, assert_same_shape, contiguous, empty_like, empty_on, len, matrix,
    row_grid, vector_width,
};

/// Most units of a cube.
const MOST_UNITS: usize = 256;

/// A normalised tensor with what its gradient needs.
pub struct Normed {
    /// What was normalised, `[n, m]`: `x`, or `x + delta` in f32.
    pub sum: CubeTensor,
    /// `sum / rms(sum) * weight`, `[n, m]`.
    pub normed: CubeTensor,
    /// `1 / rms(sum)` of each row, `[n]` in f32.
    pub inverse_rms: CubeTensor,
}

#[cube(launch, address_type = "dynamic")]
fn norm_kernel<X: Float, D: Float, W: Float, O: Float, N: Size>(
    x: &[Vector<X, N>],
    delta: &[Vector<D, N>],
    weight: &[Vector<W, N>],
    sum: &mut [Vector<f32, N>],
    normed: &mut [Vector<O, N>],
    inverse_rms: &mut [f32],
    rows: usize,
    vectors: usize,
    width: f32,
    eps: f32,
    #[comptime] add: bool,
    #[comptime] units: usize,
    #[define(X, D, W, O)] _kinds: [ElemType; 4],
) {
    let row = CUBE_POS;
    if row < rows {
        let start = row * vectors;
        let first = UNIT_POS as usize;
        let mut squares = Vector::<f32, N>::new(0.0f32);
        for i in range_stepped(first, vectors, units) {
            let mut value = Vector::<f32, N>::cast_from(x[start + i]);
            if comptime!(add) {
                value += Vector::<f32, N>::cast_from(delta[start + i]);
                sum[start + i] = value;
            }
            squares += value * value;
        }
        let total = cube_sum(squares.vector_sum(), units);
        let inverse = 1.0f32 / (total / width + eps).sqrt();
        // Each unit reads again what it wrote itself.
        for i in range_stepped(first, vectors, units) {
            let value = if comptime!(add) {
                sum[start + i]
            } else {
                Vector::<f32, N>::cast_from(x[start + i])
            };
            let weight = Vector::<f32, N>::cast_from(weight[i]);
            let scaled = value * Vector::<f32, N>::new(inverse) * weight;
            normed[start + i] = Vector::<O, N>::cast_from(scaled);
        }
        if UNIT_POS == 0 {
            inverse_rms[row] = inverse;
        }
    }
}

#[cube(launch, address_type = "dynamic")]
fn norm_backward_kernel<G: Float, S: Float, W: Float, R: Float, N: Size>(
    gradient: &[Vector<G, N>],
    sum: &[Vector<S, N>],
    inverse_rms: &[f32],
    weight: &[Vector<W, N>],
    residual: &[Vector<R, N>],
    out: &mut [Vector<f32, N>],
    rows: usize,
    vectors: usize,
    width: f32,
    #[comptime] add: bool,
    #[comptime] units: usize,
    #[define(G, S, W, R)] _kinds: [ElemType; 4],
) {
    let row = CUBE_POS;
    if row < rows {
        let start = row * vectors;
        let first = UNIT_POS as usize;
        let inverse = inverse_rms[row];
        let mut products = Vector::<f32, N>::new(0.0f32);
        for i in range_stepped(first, vectors, units) {
            let g = Vector::<f32, N>::cast_from(gradient[start + i]);
            let w = Vector::<f32, N>::cast_from(weight[i]);
            let s = Vector::<f32, N>::cast_from(sum[start + i]);
            products += g * w * s;
        }
        let total = cube_sum(products.vector_sum(), units);
        // d (s / rms) / d s: the part of the gradient along the normalised row leaves.
        let along = total / width * inverse * inverse;
        for i in range_stepped(first, vectors, units) {
            let g = Vector::<f32, N>::cast_from(gradient[start + i]);
            let w = Vector::<f32, N>::cast_from(weight[i]);
            let s = Vector::<f32, N>::cast_from(sum[start + i]);
            let across = g * w - s * Vector::<f32, N>::new(along);
            let mut value = across * Vector::<f32, N>::new(inverse);
            if comptime!(add) {
                value += Vector::<f32, N>::cast_from(residual[start + i]);
            }
            out[start + i] = value;
        }
    }
}

/// Computes `x / rms(x) * weight` over each row, in single precision, and stores it as `kind`.
///
/// # Shapes
/// `x`: `[n, m]` in `kind` or f32, returned as `sum`; `weight`: `[m]`
pub fn rms_norm(x: CubeTensor, weight: CubeTensor, eps: f64, kind: DType) -> Normed {
    normalise(x, None, weight, eps, kind)
}

/// Adds `delta` to the residual stream and normalises the sum, in one launch; the sum is written over `x` if that is f32
/// and no other tensor shares it.
///
/// # Shapes
/// `x`, `delta`: `[n, m]`, in any float types; `weight`: `[m]`; `sum` is f32, `normed` has the type of `delta`
pub fn add_rms_norm(x: CubeTensor, delta: CubeTensor, weight: CubeTensor, eps: f64) -> Normed {
    let kind = delta.dtype;
    normalise(x, Some(delta), weight, eps, kind)
}

fn normalise(
    x: CubeTensor,
    delta: Option<CubeTensor>,
    weight: CubeTensor,
    eps: f64,
    kind: DType,
) -> Normed {
    let [rows, width] = matrix(&x);
    assert_eq!(len(&weight), width, "rms_norm: length of the weight");
    if let Some(delta) = &delta {
        assert_same_shape("add_rms_norm", &x, delta);
    }
    let normed = empty_like(&x, kind);
    let inverse_rms = empty_on(&x, [rows], DType::F32);
    let add = delta.is_some();
    if len(&x) == 0 {
        let sum = if add { empty_like(&x, DType::F32) } else { x };
        return Normed {
            sum,
            normed,
            inverse_rms,
        };
    }
    let (x, weight, delta) = (contiguous(x), contiguous(weight), delta.map(contiguous));
    let client = x.client.clone();
    let delta_kind = delta.as_ref().map_or(x.dtype, |delta| delta.dtype);
    let lanes = vector_width(&client, width, &[x.dtype, delta_kind, kind]);
    let grid = row_grid(&client, rows, width / lanes, MOST_UNITS);
    let kinds = [x.dtype, delta_kind, weight.dtype, kind];
    let addresses = address_type(&[&x]);
    // Without `delta`, nothing reads or writes the two arguments.
    let unused = || BufferArg::alias(0, len(&x));
    let (sum, sum_arg) = if add {
        let sum = Output::in_place_of(&x, 0, DType::F32);
        (sum.tensor, sum.arg)
    } else {
        (x.clone(), unused())
    };
    let delta = delta.map_or_else(unused, CubeTensor::into_buffer_arg);
    norm_kernel::launch(
        &client,
        grid.count,
        grid.dim,
        addresses,
        lanes,
        x.into_buffer_arg(),
        delta,
        weight.into_buffer_arg(),
        sum_arg,
        normed.clone().into_buffer_arg(),
        inverse_rms.clone().into_buffer_arg(),
        rows,
        width / lanes,
        width as f32,
        eps as f32,
        add,
        grid.units,
        kinds.map(dtype_to_elem_type),
    );
    Normed {
        sum,
        normed,
        inverse_rms,
    }
}

/// Computes the gradient of what was normalised from that of the normalised tensor, plus `residual`, the gradient that
/// reaches the sum by the residual stream; written over `residual` if that is f32 and no other tensor shares it.
///
/// # Shapes
/// `gradient`, `sum`, `residual`: `[n, m]`, in any float types; `inverse_rms`: `[n]` in f32; `weight`: `[m]`; returns
/// `[n, m]` in f32
pub fn rms_norm_backward(
    gradient: CubeTensor,
    sum: CubeTensor,
    inverse_rms: CubeTensor,
    weight: CubeTensor,
    residual: Option<CubeTensor>,
) -> CubeTensor {
    let [rows, width] = matrix(&sum);
    assert_same_shape("rms_norm_backward", &gradient, &sum);
    assert_eq!(
        len(&weight),
        width,
        "rms_norm_backward: length of the weight"
    );
    assert_eq!(len(&inverse_rms), rows, "rms_norm_backward: rows");
    if let Some(residual) = &residual {
        assert_same_shape("rms_norm_backward", residual, &sum);
    }
    if len(&sum) == 0 {
        return empty_like(&sum, DType::F32);
    }
    let [gradient, sum, inverse_rms, weight] = [gradient, sum, inverse_rms, weight].map(contiguous);
    let residual = residual.map(contiguous);
    let client = sum.client.clone();
    let residual_kind = residual.as_ref().map_or(gradient.dtype, |r| r.dtype);
    let kinds = [gradient.dtype, sum.dtype, weight.dtype, residual_kind];
    let lanes = vector_width(&client, width, &[gradient.dtype, sum.dtype, residual_kind]);
    let grid = row_grid(&client, rows, width / lanes, MOST_UNITS);
    let addresses = address_type(&[&sum]);
    let add = residual.is_some();
    let out = match &residual {
        Some(residual) => Output::in_place_of(residual, 4, DType::F32),
        None => Output::new(empty_like(&sum, DType::F32)),
    };
    let unused = BufferArg::alias(0, len(&gradient));
    let residual = residual.map_or(unused, CubeTensor::into_buffer_arg);
    norm_backward_kernel::launch(
        &client,
        grid.count,
        grid.dim,
        addresses,
        lanes,
        gradient.into_buffer_arg(),
        sum.into_buffer_arg(),
        inverse_rms.into_buffer_arg(),
        weight.into_buffer_arg(),
        residual,
        out.arg,
        rows,
        width / lanes,
        width as f32,
        add,
        grid.units,
        kinds.map(dtype_to_elem_type),
    );
    out.tensor
}

/// The kernels as a GPU runs them on rows of 1536 values.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{BF16, F32, OfflineKernel, buffer, device, in_place, settings, target};
    let forward = |name, add: bool| {
        let second = |own| if add { own } else { in_place(0) };
        let kernel = norm_kernel::NormKernel::new(
            settings(128),
            device(),
            target(),
            buffer(),
            second(buffer()),
            buffer(),
            in_place(0),
            buffer(),
            buffer(),
            (),
            (),
            (),
            (),
            8,
            add,
            128,
            [F32, BF16, BF16, BF16],
        );
        OfflineKernel::new(name, kernel)
    };
    let backward = norm_backward_kernel::NormBackwardKernel::new(
        settings(128),
        device(),
        target(),
        buffer(),
        buffer(),
        buffer(),
        buffer(),
        buffer(),
        in_place(4),
        (),
        (),
        (),
        8,
        true,
        128,
        [BF16, F32, BF16, F32],
    );
    vec![
        forward("rms_norm", false),
        forward("add_rms_norm", true),
        OfflineKernel::new("rms_norm_backward", backward),
    ]
}
