//! `RMSNorm` with its gradient.
//!
//! Speed against burn-flex's plain operations: 1.0 to 1.7 times forward, 1.6 to 1.9 times with the backward pass, on two
//! cores with AVX-512 (2026-11-30, `cargo bench -p slm-model --bench kernels -- norm`).
//!
//! # Source
//! Zhang and Sennrich 2019, arXiv:1910.07467.

use std::sync::Arc;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Values, matrix, zeros};
use crate::autograd::{Function, apply};
use crate::simd::{BLOCK, LANES, for_each_instruction_set, inverse_rms, total};

/// Computes `x / rms(x) * weight` over each row, tracked if `x` is.
///
/// # Shapes
/// `x`: `[n, width]`; `weight`: `[width]`, plain; both in the CPU's memory
pub(crate) fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Tensor<2> {
    let weight = weight.clone();
    let eps = eps as f32;
    apply(RmsNorm { weight, eps }, [x])
}

#[derive(Clone)]
struct RmsNorm {
    weight: Tensor<1>,
    eps: f32,
}

impl Function<1> for RmsNorm {
    /// `x`, and the inverse RMS of its rows.
    type Saved = (Tensor<2>, Arc<Vec<f32>>);

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, Self::Saved) {
        let (shape, device) = (x.dims(), x.device());
        let [n, width] = shape;
        let values = Values::of(x.clone());
        let weight = Values::of(self.weight.clone().unsqueeze());
        let (mut out, mut factors) = (zeros(n * width), vec![0.0; n]);
        out.par_chunks_mut(width)
            .zip(values.as_slice().par_chunks(width))
            .zip(&mut factors)
            .with_min_len(16)
            .for_each(|((out, x), factor)| {
                *factor = inverse_rms(x, self.eps);
                scaled(x, *factor, weight.as_slice(), out);
            });
        (matrix(out, shape, &device), (x, Arc::new(factors)))
    }

    fn backward(
        self,
        (x, factors): Self::Saved,
        gradient: Tensor<2>,
        _: [bool; 1],
    ) -> [Option<Tensor<2>>; 1] {
        let (shape, device) = (x.dims(), x.device());
        let [n, width] = shape;
        let [x, gradient] = [x, gradient].map(Values::of);
        let weight = Values::of(self.weight.unsqueeze());
        let mut out = zeros(n * width);
        out.par_chunks_mut(width)
            .zip(x.as_slice().par_chunks(width))
            .zip(gradient.as_slice().par_chunks(width))
            .zip(&factors[..])
            .with_min_len(16)
            .for_each(|(((out, x), gradient), &factor)| {
                let inner = weighted_inner(x, gradient, weight.as_slice());
                let of_x = factor * factor * factor * inner / width as f32;
                differentiated(x, gradient, weight.as_slice(), factor, of_x, out);
            });
        [Some(matrix(out, shape, &device))]
    }
}

for_each_instruction_set! {
    fn scaled(x: &[f32], factor: f32, weight: &[f32], out: &mut [f32]) {
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * factor * weight;
        }
    }
}

for_each_instruction_set! {
    /// Sums `x * gradient * weight` in blocks of [`BLOCK`].
    fn weighted_inner(x: &[f32], gradient: &[f32], weight: &[f32]) -> f32 {
        let mut sum_of_blocks = 0.0;
        let blocks = x.chunks(BLOCK).zip(gradient.chunks(BLOCK)).zip(weight.chunks(BLOCK));
        for ((x, gradient), weight) in blocks {
            let mut sums = [0.0; LANES];
            let (x, rest) = x.as_chunks::<LANES>();
            let (gradient, rest_of_gradient) = gradient.as_chunks::<LANES>();
            let (weight, rest_of_weight) = weight.as_chunks::<LANES>();
            for ((x, gradient), weight) in x.iter().zip(gradient).zip(weight) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum += x[i] * gradient[i] * weight[i];
                }
            }
            let rest = rest.iter().zip(rest_of_gradient).zip(rest_of_weight);
            for (sum, ((x, gradient), weight)) in sums.iter_mut().zip(rest) {
                *sum += x * gradient * weight;
            }
            sum_of_blocks += f64::from(total(sums));
        }
        sum_of_blocks as f32
    }
}

for_each_instruction_set! {
    /// Computes `factor * weight * gradient - of_x * x`.
    fn differentiated(
        x: &[f32],
        gradient: &[f32],
        weight: &[f32],
        factor: f32,
        of_x: f32,
        out: &mut [f32],
    ) {
        for (((out, x), gradient), weight) in out.iter_mut().zip(x).zip(gradient).zip(weight) {
            *out = factor * weight * gradient - of_x * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::DType;

    use crate::fused::plain;
    use crate::kernel::check::{agree, normal};

    #[test]
    fn value_and_gradient_equal_plain_autodiffs() {
        for (n, width) in [(5, 48), (37, 50), (3, 7), (2, 1_300)] {
            let weight = normal([1, width]).squeeze_dim::<1>(0);
            agree(
                [normal([n, width])],
                |[x]| rms_norm(x, &weight, 1e-5),
                |[x]| plain::rms_norm(x, &weight, 1e-5, DType::F32).normed,
            );
        }
    }
}
