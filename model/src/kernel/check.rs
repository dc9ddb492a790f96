//! What tests of loops share: numbers, and fused operations against plain autodiff's.

use burn::tensor::{Device, Distribution, Tensor};

/// Numbers from -1 to 1, the same ones for the same seed.
pub(crate) fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(next).collect()
}

/// Standard normal numbers in the CPU's memory.
pub(crate) fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

/// Asserts that two functions have the same value, and the same gradient with respect to each input.
pub(crate) fn agree<const N: usize>(
    inputs: [Tensor<2>; N],
    found: impl Fn([Tensor<2>; N]) -> Tensor<2>,
    expected: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    let gradient = normal(expected(inputs.clone()).dims());
    let all = |f: &dyn Fn([Tensor<2>; N]) -> Tensor<2>| {
        let tracked = inputs.clone().map(|x| x.autodiff().require_grad());
        let value = f(tracked.clone());
        let mut gradients = (value.clone() * gradient.clone()).sum().backward();
        let of_inputs = tracked.map(|x| x.grad_remove(&mut gradients).expect("tracked"));
        let mut all = vec![value.inner()];
        all.extend(of_inputs);
        all
    };
    for (index, (found, expected)) in all(&found).into_iter().zip(all(&expected)).enumerate() {
        let largest = expected.clone().abs().max();
        let difference = ((found - expected).abs().max() / largest).into_scalar::<f32>();
        assert!(difference < 1e-6, "{index}: {difference}");
    }
}
