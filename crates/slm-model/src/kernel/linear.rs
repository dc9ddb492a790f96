//! A frozen linear layer, alone and fused with its LoRA pair.
//!
//! Speed against burn-flex's plain operations: 1.2 to 1.8 times forward, 1.1 to 1.3 times with the backward pass, on two
//! cores with AVX-512 (2026-11-30, `cargo bench -p slm-model --bench kernels -- linear`).
//!
//! # Source
//! Hu et al. 2021, arXiv:2106.09685, section 4.1. `B A`, which would be as large as the weight, is never computed.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::gemm::{GemmTerm, MatRef, gemm, gemm_sum, transposed};
use super::{Values, matrix};
use crate::autograd::{Function, apply};

/// Computes `x Wᵀ + b + scale * (x Aᵀ) Bᵀ`, tracked if any of `x`, `A` and `B` is.
///
/// # Shapes
/// `x`: `[n, in]`; `weight` returns `[out, in]`, called once forward and once backward, so that a packed one is never
/// stored unpacked; `bias`: `[out]`; `a`: `[r, in]`; `b`: `[out, r]`; returns `[n, out]`; all in the CPU's memory
pub(crate) fn lora_linear<W: Weight>(
    x: Tensor<2>,
    weight: W,
    bias: Option<&Tensor<1>>,
    [a, b]: [Tensor<2>; 2],
    scale: f64,
) -> Tensor<2> {
    let layer = LoraLinear {
        weight,
        bias: bias.cloned(),
        scale: scale as f32,
    };
    apply(layer, [x, a, b])
}

/// Computes `x Wᵀ`.
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`; returns `[n, out]`; all plain, in the CPU's memory
pub(crate) fn matmul_transposed(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (device, [n, _], [out_features, _]) = (x.device(), x.dims(), weight.dims());
    let (x, weight) = (Values::of(x), Values::of(weight));
    let y = gemm(1.0, x.rows(n), weight.rows(out_features).transposed());
    matrix(y, [n, out_features], &device)
}

/// Computes `g W`, the gradient of `x Wᵀ` with respect to `x`.
///
/// # Shapes
/// `gradient`: `[n, out]`; `weight`: `[out, in]`; returns `[n, in]`; all plain, in the CPU's memory
pub(crate) fn matmul(gradient: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (device, [n, _], [out_features, in_features]) =
        (gradient.device(), gradient.dims(), weight.dims());
    let (gradient, weight) = (Values::of(gradient), Values::of(weight));
    let of_x = gemm(1.0, gradient.rows(n), weight.rows(out_features));
    matrix(of_x, [n, in_features], &device)
}

/// A function that returns the values of a frozen weight.
pub(crate) trait Weight: Fn() -> Values + Clone + Send + 'static {}

impl<F: Fn() -> Values + Clone + Send + 'static> Weight for F {}

#[derive(Clone)]
struct LoraLinear<W> {
    weight: W,
    bias: Option<Tensor<1>>,
    scale: f32,
}

/// What the backward pass needs: `x`, `A`, `B`, and `x Aᵀ`.
type Saved = ([Tensor<2>; 3], Arc<Vec<f32>>);

impl<W: Weight> Function<3> for LoraLinear<W> {
    type Saved = Saved;

    fn forward(&self, inputs: [Tensor<2>; 3]) -> (Tensor<2>, Saved) {
        let device = inputs[0].device();
        let [n, _] = inputs[0].dims();
        let [out_features, r] = inputs[2].dims();
        let [x, a, b] = inputs.clone().map(Values::of);
        let (x, a) = (x.rows(n), a.rows(r));
        let narrow = gemm(1.0, x, a.transposed());
        let weight = (self.weight)();
        let bias = self.bias.clone().map(|bias| Values::of(bias.unsqueeze()));
        let ones = vec![1.0; n];
        let mut terms = vec![
            GemmTerm::new(1.0, x, weight.rows(out_features).transposed()),
            GemmTerm::new(
                self.scale,
                MatRef::of_rows(&narrow, n),
                b.rows(out_features).transposed(),
            ),
        ];
        if let Some(bias) = &bias {
            terms.push(GemmTerm::new(1.0, MatRef::of_rows(&ones, n), bias.rows(1)));
        }
        let y = gemm_sum(&terms);
        let y = matrix(y, [n, out_features], &device);
        (y, (inputs, Arc::new(narrow)))
    }

    fn backward(
        self,
        (inputs, narrow): Saved,
        gradient: Tensor<2>,
        wanted: [bool; 3],
    ) -> [Option<Tensor<2>>; 3] {
        let device: Device = inputs[0].device();
        let shapes = inputs.each_ref().map(Tensor::dims);
        let ([n, _], [out_features, r]) = (shapes[0], shapes[2]);
        let [x, a, b] = inputs.map(Values::of);
        let gradient = Values::of(gradient);
        let gradient = gradient.rows(n);
        let of_b = wanted[2].then(|| {
            // Transposed, so that the wide factor is read along its rows.
            let narrow = MatRef::of_rows(&narrow, n);
            transposed(&gemm(self.scale, narrow.transposed(), gradient), r)
        });
        // The gradient of `x Aᵀ`.
        let of_narrow = gemm(self.scale, gradient, b.rows(out_features));
        let of_narrow = MatRef::of_rows(&of_narrow, n);
        let of_a = wanted[1].then(|| gemm(1.0, of_narrow.transposed(), x.rows(n)));
        let of_x = wanted[0].then(|| {
            let weight = (self.weight)();
            gemm_sum(&[
                GemmTerm::new(1.0, gradient, weight.rows(out_features)),
                GemmTerm::new(1.0, of_narrow, a.rows(r)),
            ])
        });
        let mut shapes = shapes.into_iter();
        [of_x, of_a, of_b].map(|values| {
            let shape = shapes.next()?;
            values.map(|values| matrix(values, shape, &device))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::{agree, normal};

    #[test]
    fn value_and_gradients_equal_plain_autodiffs() {
        let (weight, bias) = (normal([19, 33]), normal([1, 19]));
        let values = || {
            let weight = weight.clone();
            move || Values::of(weight.clone())
        };
        for has_bias in [false, true] {
            let of_bias = has_bias.then(|| bias.clone().squeeze_dim::<1>(0));
            agree(
                [normal([45, 33]), normal([4, 33]), normal([19, 4])],
                |[x, a, b]| lora_linear(x, values(), of_bias.as_ref(), [a, b], 0.5),
                |[x, a, b]| {
                    let update = x.clone().matmul(a.transpose()).matmul(b.transpose());
                    let y = x.matmul(weight.clone().transpose()) + update * 0.5;
                    if has_bias { y + bias.clone() } else { y }
                },
            );
        }
    }

    #[test]
    fn an_input_that_is_not_tracked_gets_no_gradient() {
        let weight = normal([6, 5]);
        let frozen = move || Values::of(weight.clone());
        let tracked = |x: Tensor<2>| x.autodiff().require_grad();
        let (x, a, b) = (
            normal([3, 5]),
            tracked(normal([2, 5])),
            tracked(normal([6, 2])),
        );
        let y = lora_linear(x.clone(), frozen.clone(), None, [a.clone(), b.clone()], 1.0);
        let mut gradients = y.sum().backward();
        assert!(a.grad_remove(&mut gradients).is_some());
        assert!(b.grad_remove(&mut gradients).is_some());
        assert!(!lora_linear(x, frozen, None, [a.inner(), b.inner()], 1.0).is_autodiff());
    }
}
