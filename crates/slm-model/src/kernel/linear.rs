//! A frozen linear layer, alone and, as one function, with a LoRA pair beside it.
//!
//! # Source
//! Hu et al. 2021, arXiv:2106.09685, section 4.1. `B A`, which would be as large as the weight, is never formed.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use super::product::{Operand, Term, product, sum_of_products, turned};
use super::{Values, matrix};
use crate::frozen::FrozenWeight;
use crate::node::{Function, apply};

/// `x Wᵀ + b + scale * (x Aᵀ) Bᵀ`, tracked if any of `x`, `A` and `B` is.
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`, whole at once ([`FrozenWeight::is_unpacked_at_once`]); `bias`: `[out]`; `a`: `[r, in]`;
/// `b`: `[out, r]`; returns `[n, out]`; all in the CPU's memory
pub(crate) fn adapted(
    x: Tensor<2>,
    weight: &FrozenWeight,
    bias: Option<&Tensor<1>>,
    [a, b]: [Tensor<2>; 2],
    scale: f64,
) -> Tensor<2> {
    let layer = Adapted {
        weight: weight.clone(),
        bias: bias.cloned(),
        scale: scale as f32,
    };
    apply(layer, [x, a, b])
}

/// `x Wᵀ`.
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`; returns `[n, out]`; all plain, in the CPU's memory
pub(crate) fn times(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (device, [n, _], [out_features, _]) = (x.device(), x.dims(), weight.dims());
    let (x, weight) = (Values::of(x), Values::of(weight));
    let y = product(1.0, x.rows(n), weight.rows(out_features).transposed());
    matrix(y, [n, out_features], &device)
}

/// `g W`: what `x Wᵀ` hands back.
///
/// # Shapes
/// `gradient`: `[n, out]`; `weight`: `[out, in]`; returns `[n, in]`; all plain, in the CPU's memory
pub(crate) fn back(gradient: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let (device, [n, _], [out_features, in_features]) =
        (gradient.device(), gradient.dims(), weight.dims());
    let (gradient, weight) = (Values::of(gradient), Values::of(weight));
    let of_x = product(1.0, gradient.rows(n), weight.rows(out_features));
    matrix(of_x, [n, in_features], &device)
}

#[derive(Clone)]
struct Adapted {
    weight: FrozenWeight,
    bias: Option<Tensor<1>>,
    scale: f32,
}

/// What the backward pass needs: `x`, `A`, `B`, and `x Aᵀ`.
type Saved = ([Tensor<2>; 3], Arc<Vec<f32>>);

impl Function<3> for Adapted {
    type Saved = Saved;

    fn forward(&self, inputs: [Tensor<2>; 3]) -> (Tensor<2>, Saved) {
        let device = inputs[0].device();
        let [n, _] = inputs[0].dims();
        let [out_features, r] = inputs[2].dims();
        let [x, a, b] = inputs.clone().map(Values::of);
        let (x, a) = (x.rows(n), a.rows(r));
        let narrow = product(1.0, x, a.transposed());
        let weight = self.weight.values();
        let bias = self.bias.clone().map(|bias| Values::of(bias.unsqueeze()));
        let ones = vec![1.0; n];
        let mut terms = vec![
            Term::new(1.0, x, weight.rows(out_features).transposed()),
            Term::new(
                self.scale,
                Operand::of_rows(&narrow, n),
                b.rows(out_features).transposed(),
            ),
        ];
        if let Some(bias) = &bias {
            terms.push(Term::new(1.0, Operand::of_rows(&ones, n), bias.rows(1)));
        }
        let y = sum_of_products(&terms);
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
            // Turned over, the wide factor is read along its rows.
            let narrow = Operand::of_rows(&narrow, n);
            turned(&product(self.scale, narrow.transposed(), gradient), r)
        });
        // Of `x Aᵀ`.
        let of_narrow = product(self.scale, gradient, b.rows(out_features));
        let of_narrow = Operand::of_rows(&of_narrow, n);
        let of_a = wanted[1].then(|| product(1.0, of_narrow.transposed(), x.rows(n)));
        let of_x = wanted[0].then(|| {
            let weight = self.weight.values();
            sum_of_products(&[
                Term::new(1.0, gradient, weight.rows(out_features)),
                Term::new(1.0, of_narrow, a.rows(r)),
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
        let frozen = FrozenWeight::Dense(weight.clone());
        for has_bias in [false, true] {
            let of_bias = has_bias.then(|| bias.clone().squeeze_dim::<1>(0));
            agree(
                [normal([45, 33]), normal([4, 33]), normal([19, 4])],
                |[x, a, b]| adapted(x, &frozen, of_bias.as_ref(), [a, b], 0.5),
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
        let frozen = FrozenWeight::Dense(normal([6, 5]));
        let tracked = |x: Tensor<2>| x.autodiff().require_grad();
        let (x, a, b) = (
            normal([3, 5]),
            tracked(normal([2, 5])),
            tracked(normal([6, 2])),
        );
        let y = adapted(x.clone(), &frozen, None, [a.clone(), b.clone()], 1.0);
        let mut gradients = y.sum().backward();
        assert!(a.grad_remove(&mut gradients).is_some());
        assert!(b.grad_remove(&mut gradients).is_some());
        assert!(!adapted(x.clone(), &frozen, None, [a.inner(), b.inner()], 1.0).is_autodiff());
    }
}
