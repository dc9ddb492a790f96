//! `DoRA`: the norm of each row of an adapted weight, trained separately from its direction.

use std::sync::{Arc, OnceLock};

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::frozen::FrozenWeight;

/// The trained norms (magnitudes `m`) of the rows of one weight.
///
/// The adapted layer is `m / |W + s B A| * (W + s B A)`, row by row. The norm depends on A and B but is treated as a
/// constant in backward.
///
/// # Source
/// Liu et al. 2024, arXiv:2402.09353; the norm as a constant is section 4.3.
#[derive(Module, Debug)]
pub(crate) struct Magnitude {
    /// `[1, out]`; `[out]` on disk.
    pub(crate) lora_magnitude_vector: Param<Tensor<2>>,
    /// The frozen weight's squared row norms, `[1, out]`, which never change.
    #[module(skip)]
    weight_squares: Arc<OnceLock<Tensor<2>>>,
    /// Cached `m / |W + s B A|` of an adapter in inference, `[1, out]`: decoding needs it for each token.
    #[module(skip)]
    factor: OnceLock<Tensor<2>>,
}

impl Magnitude {
    /// Wraps the given magnitudes.
    pub(crate) fn new(lora_magnitude_vector: Param<Tensor<2>>) -> Self {
        Self {
            lora_magnitude_vector,
            weight_squares: Arc::default(),
            factor: OnceLock::new(),
        }
    }

    /// Returns a copy with other magnitudes.
    pub(super) fn over(&self, lengths: Tensor<2>) -> Self {
        let id = self.lora_magnitude_vector.id;
        Self {
            lora_magnitude_vector: Param::initialized(id, lengths),
            weight_squares: self.weight_squares.clone(),
            // Not shared: the cache is valid only for magnitudes that do not change.
            factor: OnceLock::new(),
        }
    }

    /// Returns the factor of each row of `W + scale B A`, `[1, out]`; tracked if the magnitudes are.
    pub(super) fn factor(
        &self,
        weight: &FrozenWeight,
        lora_a: &Tensor<2>,
        lora_b: &Tensor<2>,
        scale: f64,
    ) -> Tensor<2> {
        let magnitude = self.lora_magnitude_vector.val();
        let compute = |magnitude: Tensor<2>| {
            let squares = self
                .weight_squares
                .get_or_init(|| row_squares(weight.dense()));
            let (a, b) = (lora_a.clone().inner(), lora_b.clone().inner());
            magnitude / row_norms(squares, weight, a, b, scale)
        };
        if magnitude.is_autodiff() {
            return compute(magnitude);
        }
        self.factor.get_or_init(|| compute(magnitude)).clone()
    }
}

/// Squared norms of a matrix's rows, `[1, rows]`.
fn row_squares(matrix: Tensor<2>) -> Tensor<2> {
    matrix.square().sum_dim(1).transpose()
}

/// Norms of the rows of a frozen weight, `[1, out]`.
pub(super) fn weight_norms(weight: &FrozenWeight) -> Tensor<2> {
    row_squares(weight.dense()).sqrt()
}

/// Norms of the rows of `W + s B A`, `[1, out]`, computed without the sum, which is as large as `W`:
/// `|w + s b A|² = |w|² + 2 s (w Aᵀ) bᵀ + s² b (A Aᵀ) bᵀ`.
///
/// # Shapes
/// `squares`: `[1, out]`, of `W`; `weight`: `[out, in]`; `a`: `[r, in]`; `b`: `[out, r]`
fn row_norms(
    squares: &Tensor<2>,
    weight: &FrozenWeight,
    a: Tensor<2>,
    b: Tensor<2>,
    scale: f64,
) -> Tensor<2> {
    let crossed = weight.forward(a.clone()).transpose();
    let own = b.clone().matmul(a.clone().matmul(a.transpose()));
    let added = (crossed.mul_scalar(2.0 * scale) + own.mul_scalar(scale * scale)) * b;
    let sum = squares.clone() + added.sum_dim(1).transpose();
    // Rounding may make the sum of an almost zero row negative. A zero row stays zero with any divisor.
    sum.clamp_min(f32::MIN_POSITIVE).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn norms_equal_those_of_the_dense_sum() {
        let device = Device::flex();
        let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let (w, a, b) = (random([40, 30]), random([4, 30]), random([40, 4]));
        for scale in [0.0, 0.5, 4.0] {
            let dense = w.clone() + b.clone().matmul(a.clone()).mul_scalar(scale);
            let expected = weight_norms(&FrozenWeight::Dense(dense));
            let weight = FrozenWeight::Dense(w.clone());
            let found = row_norms(
                &row_squares(w.clone()),
                &weight,
                a.clone(),
                b.clone(),
                scale,
            );
            let difference = ((found - expected.clone()) / expected).abs().max();
            assert!(difference.into_scalar::<f32>() < 1e-6, "scale {scale}");
        }
    }
}
