//! The norms of the residual stream, and of queries and keys.

use burn::tensor::{DType, Tensor};

use crate::device::is_cpu;
use crate::fused::{Kernels, functions};
use crate::kernel::norm;

/// `RMSNorm`: `x / rms(x) * weight` over each row, in single precision.
///
/// # Source
/// Zhang and Sennrich 2019, arXiv:1910.07467.
pub(crate) fn rms_norm(kernels: &Kernels, x: Tensor<2>, weight: &Tensor<1>, eps: f64) -> Tensor<2> {
    if is_cpu(&x.device()) {
        return norm::rms_norm(x, weight, eps);
    }
    functions::rms_norm(kernels, x, weight, eps)
}

/// A norm with its weights.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a decoder has a few hundred of them"
)]
pub(crate) enum Norm {
    /// `RMSNorm`.
    Rms(Tensor<1>),
    /// `LayerNorm`: `(x - mean) / sqrt(variance + eps) * weight + bias`.
    ///
    /// # Source
    /// Ba et al. 2016, arXiv:1607.06450.
    Layer {
        /// `[hidden_size]`
        weight: Tensor<1>,
        /// `[hidden_size]`
        bias: Tensor<1>,
    },
}

impl Norm {
    /// Computes the norm of each row in single precision; tracked if `x` is.
    ///
    /// # Shapes
    /// `x`: `[n, hidden_size]`; returns the same
    pub(crate) fn forward(&self, kernels: &Kernels, x: Tensor<2>, eps: f64) -> Tensor<2> {
        match self {
            Self::Rms(weight) => rms_norm(kernels, x, weight, eps),
            Self::Layer { weight, bias } => {
                let x = x.cast(DType::F32);
                let centred = x.clone() - x.mean_dim(1);
                let variance = centred.clone().square().mean_dim(1);
                centred / (variance + eps).sqrt() * weight.clone().unsqueeze()
                    + bias.clone().unsqueeze()
            }
        }
    }
}
