//! Gradient checkpointing: only the inputs of a segment are stored, and backward reruns its forward pass.
//!
//! # Source
//! Chen et al. 2016, arXiv:1604.06174, with one segment per decoder layer.

use burn::tensor::Tensor;

use crate::autograd::{Function, apply};

/// Maximum number of inputs of a segment: the hidden states, and at most three tensors for each of seven pairs.
pub(crate) const MAX_INPUTS: usize = 1 + 3 * 7;

/// Runs `segment` with gradient checkpointing: only its inputs are saved for the backward pass.
///
/// Every tracked tensor must be an input. Random numbers must be the same in both runs.
///
/// # Shapes
/// `inputs`: at most [`MAX_INPUTS`]
pub(crate) fn checkpointed<S>(segment: S, inputs: Vec<Tensor<2>>) -> Tensor<2>
where
    S: Fn(&[Tensor<2>]) -> Tensor<2> + Clone + Send + 'static,
{
    let n = inputs.len();
    assert!((1..=MAX_INPUTS).contains(&n), "a segment of {n} inputs");
    // Unused inputs are filled with the first one, as a constant.
    let unused = inputs[0].clone().inner();
    let mut inputs = inputs.into_iter();
    let inputs = std::array::from_fn(|_| inputs.next().unwrap_or_else(|| unused.clone()));
    apply(Checkpointed { segment, n }, inputs)
}

#[derive(Clone)]
struct Checkpointed<S> {
    segment: S,
    n: usize,
}

impl<S> Function<MAX_INPUTS> for Checkpointed<S>
where
    S: Fn(&[Tensor<2>]) -> Tensor<2> + Clone + Send + 'static,
{
    type Saved = [Tensor<2>; MAX_INPUTS];

    fn forward(&self, inputs: [Tensor<2>; MAX_INPUTS]) -> (Tensor<2>, Self::Saved) {
        ((self.segment)(&inputs[..self.n]), inputs)
    }

    fn backward(
        self,
        saved: Self::Saved,
        gradient: Tensor<2>,
        wanted: [bool; MAX_INPUTS],
    ) -> [Option<Tensor<2>>; MAX_INPUTS] {
        let mut wanted = wanted.into_iter();
        let inputs = saved.map(|input| match wanted.next() {
            Some(true) => input.autodiff().require_grad(),
            _ => input,
        });
        // A separate graph, dropped after use. Only the gradients of the product matter, not its value.
        let value = (self.segment)(&inputs[..self.n]);
        let mut gradients = (value * gradient).sum().backward();
        inputs.map(|input| input.grad_remove(&mut gradients))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn value_and_gradients_equal_those_without_recomputing() {
        let device = Device::flex();
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let (x, w, constant) = (random([5, 4]), random([4, 4]), random([5, 4]));
        let segment = move |inputs: &[Tensor<2>]| {
            let y = inputs[0].clone().matmul(inputs[1].clone()).tanh() * constant.clone();
            y.clone() * y + inputs[0].clone()
        };
        let gradients = |recompute: bool| {
            let [x, w] = [&x, &w].map(|t| t.clone().autodiff().require_grad());
            // Twice, as in successive layers, with the same weight in both.
            let mut y = x.clone() * 2.0;
            for _ in 0..2 {
                let inputs = vec![y, w.clone()];
                y = if recompute {
                    checkpointed(segment.clone(), inputs)
                } else {
                    segment(&inputs)
                };
            }
            let mut gradients = y.clone().square().sum().backward();
            [
                y.inner(),
                x.grad_remove(&mut gradients).expect("x"),
                w.grad_remove(&mut gradients).expect("w"),
            ]
        };
        for (found, expected) in gradients(true).into_iter().zip(gradients(false)) {
            let largest = expected.clone().abs().max();
            let difference = ((found - expected).abs().max() / largest).into_scalar::<f32>();
            assert!(difference < 1e-6, "{difference}");
        }
    }
}
