//! `SwiGLU`, `silu(gate) * up` element by element, and its gradients.
//!
//! # Source
//! Shazeer 2020, arXiv:2002.05202.

use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::tensors::{
    Output, address_type, assert_same_shape, contiguous, element, empty_like, len, vector_grid,
    vector_width,
};

/// `1 / (1 + exp(-x))`; `exp` overflows to infinity for large negative `x`, which gives 0.
#[cube]
fn sigmoid<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let one = Vector::<f32, N>::new(1.0f32);
    one / (one + (Vector::<f32, N>::new(0.0f32) - x).exp())
}

#[cube(launch, address_type = "dynamic")]
fn swiglu_kernel<F: Float, N: Size>(
    gate: &[Vector<F, N>],
    up: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    vectors: usize,
    #[define(F)] _kind: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < vectors {
        let g = Vector::<f32, N>::cast_from(gate[at]);
        let u = Vector::<f32, N>::cast_from(up[at]);
        out[at] = Vector::<F, N>::cast_from(g * sigmoid::<N>(g) * u);
    }
}

#[cube(launch, address_type = "dynamic")]
fn swiglu_backward_kernel<F: Float, N: Size>(
    gate: &[Vector<F, N>],
    up: &[Vector<F, N>],
    gradient: &[Vector<F, N>],
    hidden: &mut [Vector<F, N>],
    of_gate: &mut [Vector<F, N>],
    of_up: &mut [Vector<F, N>],
    vectors: usize,
    #[define(F)] _kind: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < vectors {
        let g = Vector::<f32, N>::cast_from(gate[at]);
        let u = Vector::<f32, N>::cast_from(up[at]);
        let d = Vector::<f32, N>::cast_from(gradient[at]);
        let one = Vector::<f32, N>::new(1.0f32);
        let s = sigmoid::<N>(g);
        let silu = g * s;
        // d silu / d gate = sigmoid (1 + gate (1 - sigmoid)).
        let slope = s * (one + g * (one - s));
        hidden[at] = Vector::<F, N>::cast_from(silu * u);
        of_gate[at] = Vector::<F, N>::cast_from(d * u * slope);
        of_up[at] = Vector::<F, N>::cast_from(d * silu);
    }
}

/// Computes `silu(gate) * up` in single precision; writes over `gate` if no other tensor shares it.
///
/// # Shapes
/// both `[n, m]` in the same float type; returns the same
pub fn swiglu(gate: CubeTensor, up: CubeTensor) -> CubeTensor {
    assert_same_shape("swiglu", &gate, &up);
    assert_eq!(gate.dtype, up.dtype, "swiglu: number formats differ");
    if len(&gate) == 0 {
        return empty_like(&gate, gate.dtype);
    }
    let (gate, up) = (contiguous(gate), contiguous(up));
    let client = gate.client.clone();
    let (kind, addresses) = (element(&gate), address_type(&[&gate]));
    let width = vector_width(&client, len(&gate), &[gate.dtype]);
    let vectors = len(&gate) / width;
    let (count, dim) = vector_grid(&client, vectors);
    let out = Output::in_place_of(&gate, 0, gate.dtype);
    swiglu_kernel::launch(
        &client,
        count,
        dim,
        addresses,
        width,
        gate.into_buffer_arg(),
        up.into_buffer_arg(),
        out.arg,
        vectors,
        kind,
    );
    out.tensor
}

/// Computes the output of [`swiglu`] again, and the gradients of its inputs, in one launch; each of the three results is
/// written over an input that no other tensor shares.
///
/// Returns `(hidden, of_gate, of_up)`.
///
/// # Shapes
/// all `[n, m]` in the same float type; `gradient` belongs to the output; returns the same
pub fn swiglu_backward(
    gate: CubeTensor,
    up: CubeTensor,
    gradient: CubeTensor,
) -> (CubeTensor, CubeTensor, CubeTensor) {
    assert_same_shape("swiglu", &gate, &up);
    assert_same_shape("swiglu", &gate, &gradient);
    let dtype = gate.dtype;
    assert!(
        up.dtype == dtype && gradient.dtype == dtype,
        "swiglu: number formats differ"
    );
    if len(&gate) == 0 {
        let empty = || empty_like(&gate, dtype);
        return (empty(), empty(), empty());
    }
    let [gate, up, gradient] = [gate, up, gradient].map(contiguous);
    let client = gate.client.clone();
    let (kind, addresses) = (element(&gate), address_type(&[&gate]));
    let width = vector_width(&client, len(&gate), &[dtype]);
    let vectors = len(&gate) / width;
    let (count, dim) = vector_grid(&client, vectors);
    let hidden = Output::in_place_of(&gradient, 2, dtype);
    let of_gate = Output::in_place_of(&gate, 0, dtype);
    let of_up = Output::in_place_of(&up, 1, dtype);
    swiglu_backward_kernel::launch(
        &client,
        count,
        dim,
        addresses,
        width,
        gate.into_buffer_arg(),
        up.into_buffer_arg(),
        gradient.into_buffer_arg(),
        hidden.arg,
        of_gate.arg,
        of_up.arg,
        vectors,
        kind,
    );
    (hidden.tensor, of_gate.tensor, of_up.tensor)
}

/// The kernels as a GPU runs them in bf16.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{BF16, OfflineKernel, buffer, device, in_place, settings, target};
    vec![
        OfflineKernel::new(
            "swiglu",
            swiglu_kernel::SwigluKernel::new(
                settings(256),
                device(),
                target(),
                buffer(),
                buffer(),
                in_place(0),
                (),
                8,
                BF16,
            ),
        ),
        OfflineKernel::new(
            "swiglu_backward",
            swiglu_backward_kernel::SwigluBackwardKernel::new(
                settings(256),
                device(),
                target(),
                buffer(),
                buffer(),
                buffer(),
                in_place(2),
                in_place(0),
                in_place(1),
                (),
                8,
                BF16,
            ),
        ),
    ]
}
