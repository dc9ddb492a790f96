//! A frozen linear layer with its LoRA pair on plain tensors, forward and backward, in the decoder's dtype.
//!
//! # Source
//! Hu et al. 2021, arXiv:2106.09685, section 4.1. `B A`, which would be as large as the weight, is never computed.

use burn::tensor::{DType, Tensor};

use crate::fused::Kernels;
use crate::linear::FrozenLinear;

/// A and B of a pair in the dtype of the products.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    /// `[r, in]`
    a: Tensor<2>,
    /// `[out, r]`, times the scale.
    scaled_b: Tensor<2>,
    scale: f32,
}

impl Factors {
    /// Rounds a pair to the dtype `kind`.
    pub(super) fn new(kernels: &Kernels, [a, b]: [Tensor<2>; 2], scale: f32, kind: DType) -> Self {
        Self {
            a: kernels.scaled_cast(a, 1.0, kind),
            scaled_b: kernels.scaled_cast(b, scale, kind),
            scale,
        }
    }

    /// Computes `x Aᵀ`, `[n, r]`.
    pub(super) fn narrow(&self, kernels: &Kernels, x: &Tensor<2>) -> Tensor<2> {
        let kind = x.dtype();
        kernels.matmul(x.clone(), self.a.clone().transpose(), kind)
    }

    /// Computes the gradients of A and B in single precision.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; `narrow`: `x Aᵀ`; `gradient`: of the output, `[n, out]`; `of_narrow`: as in [`OfInput`]
    pub(super) fn gradients(
        &self,
        kernels: &Kernels,
        x: &Tensor<2>,
        narrow: Tensor<2>,
        gradient: &Tensor<2>,
        of_narrow: Tensor<2>,
    ) -> [Tensor<2>; 2] {
        let of_a = kernels.matmul(of_narrow.transpose(), x.clone(), DType::F32);
        let of_b = kernels.matmul(gradient.clone().transpose(), narrow, DType::F32);
        [of_a, kernels.scaled_cast(of_b, self.scale, DType::F32)]
    }
}

/// The parts of a linear layer's output.
pub(super) struct Projected {
    /// The products `x Wᵀ` and `scale * (x Aᵀ) Bᵀ`, whose sum with the bias is the output; all `[n, out]`.
    pub(super) terms: Vec<(Tensor<2>, f32)>,
    /// `x Aᵀ`, `[n, r]`, with a pair.
    pub(super) narrow: Option<Tensor<2>>,
}

/// Computes the parts of a layer's output.
///
/// # Shapes
/// `x`: `[n, in]`
pub(super) fn project(
    kernels: &Kernels,
    linear: &FrozenLinear,
    factors: Option<&Factors>,
    x: &Tensor<2>,
) -> Projected {
    let base = linear.weight.forward_as(x.clone(), x.dtype(), kernels);
    let mut terms = vec![(base, 1.0)];
    let narrow = factors.map(|factors| {
        let narrow = factors.narrow(kernels, x);
        let b = factors.scaled_b.clone().transpose();
        terms.push((kernels.matmul(narrow.clone(), b, x.dtype()), 1.0));
        narrow
    });
    Projected { terms, narrow }
}

/// Computes a layer's output in the dtype of `x`, and `x Aᵀ` with a pair.
///
/// # Shapes
/// `x`: `[n, in]`; returns `[n, out]` and `[n, r]`
pub(super) fn forward(
    kernels: &Kernels,
    linear: &FrozenLinear,
    factors: Option<&Factors>,
    x: &Tensor<2>,
) -> (Tensor<2>, Option<Tensor<2>>) {
    let Projected { terms, narrow } = project(kernels, linear, factors, x);
    let y = kernels.sum_scaled(terms, linear.bias.as_ref(), x.dtype());
    (y, narrow)
}

/// The parts of the gradient of a layer's input.
pub(super) struct OfInput {
    /// Products whose sum is the gradient of the input, `[n, in]`.
    pub(super) terms: Vec<(Tensor<2>, f32)>,
    /// The gradient of `x Aᵀ`, `[n, r]`, with a pair.
    pub(super) of_narrow: Option<Tensor<2>>,
}

/// Computes the parts of the gradient of a layer's input; without `wanted`, only what the pair's gradients need.
///
/// # Shapes
/// `gradient`: `[n, out]`
pub(super) fn backward(
    kernels: &Kernels,
    linear: &FrozenLinear,
    factors: Option<&Factors>,
    gradient: &Tensor<2>,
    wanted: bool,
) -> OfInput {
    let kind = gradient.dtype();
    let mut terms = Vec::new();
    if wanted {
        let of_x = linear.weight.backward_as(gradient.clone(), kind, kernels);
        terms.push((of_x, 1.0));
    }
    let of_narrow = factors.map(|factors| {
        let of_narrow = kernels.matmul(gradient.clone(), factors.scaled_b.clone(), kind);
        if wanted {
            let of_x = kernels.matmul(of_narrow.clone(), factors.a.clone(), kind);
            terms.push((of_x, 1.0));
        }
        of_narrow
    });
    OfInput { terms, of_narrow }
}
