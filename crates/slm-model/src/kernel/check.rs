//! Test helpers for kernels: pseudo-random numbers, and comparison of fused operations with burn's autodiff.

use std::cell::Cell;

use burn::tensor::{Device, Tensor, TensorData};

/// Returns pseudo-random numbers from -1 to 1, a function of the seed.
pub(crate) fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(next).collect()
}

thread_local! {
    /// The number of calls of [`normal`]; each test has its own thread.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Returns standard normal numbers in the CPU's memory: different for each call, the same in each run.
pub(crate) fn normal<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let n = shape.iter().product();
    let seed = CALLS.replace(CALLS.get() + 1);
    let [u, v] =
        [2 * seed, 2 * seed + 1].map(|seed| noise(n, 0x9e37_79b9_u32.wrapping_mul(seed + 1)));
    let values: Vec<f32> = u
        .iter()
        .zip(&v)
        // Box and Muller 1958, from uniform numbers above 0.
        .map(|(u, v)| (-2.0 * (1.0 - u.abs()).ln()).sqrt() * (std::f32::consts::PI * v).cos())
        .collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
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
