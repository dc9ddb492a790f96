//! The kernels of `slm-kernels` on burn's tensors. All tensors are plain and on one device of `CubeCL`.

use burn::backend::Cube;
use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Int, Tensor};
use burn_cubecl::tensor::CubeTensor;
use slm_kernels::flash::FlashError;
use slm_kernels::matmul::NoProduct;

use super::kernels::{Kernel, KernelResult, Kernels};
use super::plain::{Direction, Normed, SwigluGradients};
use crate::config::Heads;

/// Returns the tensor of the backend.
pub(crate) fn primitive<const D: usize>(tensor: Tensor<D>) -> CubeTensor {
    tensor
        .try_into_primitive::<Cube>()
        .unwrap_or_else(|error| unreachable!("a tensor of another backend: {error:?}"))
}

/// As [`primitive`], for integers.
fn integers(tensor: Tensor<1, Int>) -> CubeTensor {
    tensor
        .try_into_primitive::<Cube>()
        .unwrap_or_else(|error| unreachable!("a tensor of another backend: {error:?}"))
}

/// Wraps a result of a kernel, which is made wrong if it is the one to be broken.
fn result<const D: usize>(
    kernels: &Kernels,
    (kernel, name): KernelResult,
    tensor: CubeTensor,
) -> Tensor<D> {
    let tensor = Tensor::from_primitive::<Cube>(tensor);
    if kernels.breaks(kernel, name) {
        return tensor.mul_scalar(1.5);
    }
    tensor
}

fn normed(kernels: &Kernels, found: slm_kernels::norm::Normed) -> Normed {
    Normed {
        sum: result(kernels, (Kernel::Norm, "sum"), found.sum),
        normed: result(kernels, (Kernel::Norm, "normed"), found.normed),
        inverse_rms: result(kernels, (Kernel::Norm, "inverse_rms"), found.inverse_rms),
    }
}

pub(crate) fn rms_norm(
    kernels: &Kernels,
    x: Tensor<2>,
    weight: &Tensor<1>,
    eps: f64,
    kind: DType,
) -> Normed {
    let (x, weight) = (primitive(x), primitive(weight.clone()));
    normed(kernels, slm_kernels::norm::rms_norm(x, weight, eps, kind))
}

pub(crate) fn add_rms_norm(
    kernels: &Kernels,
    x: Tensor<2>,
    delta: Tensor<2>,
    weight: &Tensor<1>,
    eps: f64,
) -> Normed {
    let (x, delta, weight) = (primitive(x), primitive(delta), primitive(weight.clone()));
    normed(
        kernels,
        slm_kernels::norm::add_rms_norm(x, delta, weight, eps),
    )
}

pub(crate) fn rms_norm_backward(
    kernels: &Kernels,
    gradient: Tensor<2>,
    sum: Tensor<2>,
    inverse_rms: Tensor<1>,
    weight: &Tensor<1>,
    residual: Option<Tensor<2>>,
) -> Tensor<2> {
    let found = slm_kernels::norm::rms_norm_backward(
        primitive(gradient),
        primitive(sum),
        primitive(inverse_rms),
        primitive(weight.clone()),
        residual.map(primitive),
    );
    result(kernels, (Kernel::Norm, "backward"), found)
}

fn direction(direction: Direction) -> slm_kernels::rotary::Direction {
    match direction {
        Direction::Forward => slm_kernels::rotary::Direction::Forward,
        Direction::Backward => slm_kernels::rotary::Direction::Backward,
    }
}

pub(crate) fn rotate(
    kernels: &Kernels,
    x: Tensor<2>,
    tables: [&Tensor<2>; 2],
    factor: f32,
    way: Direction,
) -> Tensor<2> {
    let [cos, sin] = tables.map(|table| primitive(table.clone()));
    let found = slm_kernels::rotary::rotate(primitive(x), cos, sin, factor, direction(way));
    result(kernels, (Kernel::Rotary, "rotated"), found)
}

pub(crate) fn rotate_pair(
    kernels: &Kernels,
    qk: [Tensor<2>; 2],
    tables: [&Tensor<2>; 2],
    factor: f32,
    way: Direction,
) -> [Tensor<2>; 2] {
    let [cos, sin] = tables.map(|table| primitive(table.clone()));
    let [q, k] = qk.map(primitive);
    let (q, k) = slm_kernels::rotary::rotate_pair(q, k, cos, sin, factor, direction(way));
    [
        result(kernels, (Kernel::Rotary, "queries"), q),
        result(kernels, (Kernel::Rotary, "keys"), k),
    ]
}

pub(crate) fn swiglu(kernels: &Kernels, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let found = slm_kernels::swiglu::swiglu(primitive(gate), primitive(up));
    result(kernels, (Kernel::Swiglu, "forward"), found)
}

pub(crate) fn swiglu_backward(
    kernels: &Kernels,
    gate: Tensor<2>,
    up: Tensor<2>,
    gradient: Tensor<2>,
) -> SwigluGradients {
    let [gate, up, gradient] = [gate, up, gradient].map(primitive);
    let (hidden, of_gate, of_up) = slm_kernels::swiglu::swiglu_backward(gate, up, gradient);
    SwigluGradients {
        hidden: result(kernels, (Kernel::Swiglu, "hidden"), hidden),
        of_gate: result(kernels, (Kernel::Swiglu, "of_gate"), of_gate),
        of_up: result(kernels, (Kernel::Swiglu, "of_up"), of_up),
    }
}

pub(crate) fn sum_scaled(
    kernels: &Kernels,
    terms: Vec<(Tensor<2>, f32)>,
    bias: Option<&Tensor<1>>,
    out: DType,
) -> Tensor<2> {
    let terms = terms.into_iter();
    let terms = terms.map(|(term, factor)| (primitive(term), factor));
    let bias = bias.cloned().map(primitive);
    let found = slm_kernels::sum::sum_scaled(terms.collect(), bias, out);
    result(kernels, (Kernel::Sum, "sum"), found)
}

pub(crate) fn scaled_cast(kernels: &Kernels, x: Tensor<2>, factor: f32, out: DType) -> Tensor<2> {
    let found = slm_kernels::sum::scaled_cast(primitive(x), factor, out);
    result(kernels, (Kernel::Sum, "cast"), found)
}

pub(crate) fn matmul(
    kernels: &Kernels,
    a: Tensor<2>,
    b: Tensor<2>,
    out: DType,
) -> Result<Tensor<2>, NoProduct> {
    let found = slm_kernels::matmul::matmul(primitive(a), primitive(b), out)?;
    Ok(result(kernels, (Kernel::Matmul, "product"), found))
}

/// See [`slm_kernels::matmul::is_raced`].
pub(crate) fn products_are_raced(like: &Tensor<2>) -> bool {
    slm_kernels::matmul::is_raced(&primitive(like.clone()))
}

pub(crate) fn cross_entropy(
    kernels: &Kernels,
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    weights: Tensor<1>,
    out: DType,
) -> (Tensor<1>, Tensor<2>) {
    let (losses, gradient) = slm_kernels::cross_entropy::cross_entropy(
        primitive(logits),
        integers(targets),
        primitive(weights),
        out,
    );
    let mut gradient: Tensor<2> = result(kernels, (Kernel::CrossEntropy, "gradient"), gradient);
    if kernels.breaks(Kernel::CrossEntropy, "probabilities") {
        gradient = gradient.clone() + gradient.clamp_min(0.0).mul_scalar(0.5);
    }
    let losses = result(kernels, (Kernel::CrossEntropy, "losses"), losses);
    (losses, gradient)
}

pub(crate) fn losses(
    kernels: &Kernels,
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    weights: Tensor<1>,
) -> Tensor<1> {
    let (logits, targets, weights) = (primitive(logits), integers(targets), primitive(weights));
    let found = slm_kernels::cross_entropy::losses(logits, targets, weights);
    result(kernels, (Kernel::CrossEntropy, "losses_alone"), found)
}

/// Rows of full sequences, as attention takes them.
#[derive(Clone, Debug)]
pub(crate) struct SequenceRows {
    pub(crate) batch: usize,
    pub(crate) length: usize,
    /// The first index of its sequence that each token attends to, `[batch * length]`.
    pub(crate) starts: Tensor<1, Int>,
}

fn shape(rows: &SequenceRows, heads: Heads) -> slm_kernels::flash::Shape {
    slm_kernels::flash::Shape {
        batch: rows.batch,
        length: rows.length,
        heads: heads.query,
        key_value_heads: heads.key_value,
        dim: heads.dim,
    }
}

/// Computes causal attention, and the logarithm of each row's sum of scores.
///
/// # Shapes
/// `q`: `[batch * length, num_heads * head_dim]`, scaled; `k`, `v`: `[batch * length, num_kv_heads * head_dim]`; returns
/// the shape of `q`, and `[batch * num_heads, length]`
/// # Errors
/// [`FlashError`] if the kernels do not support the heads on this device.
pub(crate) fn attend(
    kernels: &Kernels,
    qkv: [Tensor<2>; 3],
    rows: &SequenceRows,
    heads: Heads,
) -> Result<[Tensor<2>; 2], FlashError> {
    let [q, k, v] = qkv.map(primitive);
    let starts = integers(rows.starts.clone());
    let found = slm_kernels::flash::attend(q, k, v, starts, shape(rows, heads))?;
    Ok([
        result(kernels, (Kernel::Attention, "out"), found.out),
        result(kernels, (Kernel::Attention, "log_sums"), found.log_sums),
    ])
}

/// Computes the gradients of queries, keys and values.
///
/// # Shapes
/// as in [`attend`]; `gradient`: as `out`
/// # Errors
/// as in [`attend`]
pub(crate) fn attend_backward(
    kernels: &Kernels,
    qkv: [Tensor<2>; 3],
    [out, log_sums, gradient]: [Tensor<2>; 3],
    rows: &SequenceRows,
    heads: Heads,
) -> Result<[Tensor<2>; 3], FlashError> {
    let [q, k, v] = qkv.map(primitive);
    let [out, log_sums, gradient] = [out, log_sums, gradient].map(primitive);
    let starts = integers(rows.starts.clone());
    let attended = slm_kernels::flash::Attended { out, log_sums };
    let shape = shape(rows, heads);
    let found = slm_kernels::flash::attend_backward(q, k, v, attended, gradient, starts, shape)?;
    Ok([
        result(kernels, (Kernel::Attention, "of_queries"), found.queries),
        result(kernels, (Kernel::Attention, "of_keys"), found.keys),
        result(kernels, (Kernel::Attention, "of_values"), found.values),
    ])
}

/// Draws a dropout mask, see [`slm_kernels::dropout::dropout_mask`].
pub(crate) fn dropout_mask(
    kernels: &Kernels,
    device: &Device,
    shape: [usize; 2],
    probability: f64,
    key: [u32; 4],
    kind: DType,
) -> Tensor<2> {
    let DispatchDevice::Cube(device) = device.as_dispatch() else {
        unreachable!("a device of CubeCL has kernels")
    };
    let mask = slm_kernels::dropout::dropout_mask(device, shape, probability, key, kind);
    result(kernels, (Kernel::Dropout, "mask"), mask)
}
