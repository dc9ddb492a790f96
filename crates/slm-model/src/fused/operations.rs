//! The fused operations of a decoder: each by its kernel if that is on, otherwise in burn's operations.
//!
//! The functions without a description here are described in [`super::plain`].

#![cfg_attr(
    not(feature = "cube"),
    allow(clippy::unused_self, reason = "a build without CubeCL has no kernels")
)]

use burn::tensor::{DType, Int, Tensor};

#[cfg(feature = "cube")]
use super::cube;
#[cfg(feature = "cube")]
use super::kernels::Kernel;
use super::kernels::Kernels;
use super::plain::{self, Direction, Normed, SwigluGradients};

impl Kernels {
    pub(crate) fn rms_norm(
        &self,
        x: Tensor<2>,
        weight: &Tensor<1>,
        eps: f64,
        kind: DType,
    ) -> Normed {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Norm) {
            return cube::rms_norm(self, x, weight, eps, kind);
        }
        plain::rms_norm(x, weight, eps, kind)
    }

    pub(crate) fn add_rms_norm(
        &self,
        x: Tensor<2>,
        delta: Tensor<2>,
        weight: &Tensor<1>,
        eps: f64,
    ) -> Normed {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Norm) {
            return cube::add_rms_norm(self, x, delta, weight, eps);
        }
        plain::add_rms_norm(x, delta, weight, eps)
    }

    pub(crate) fn rms_norm_backward(
        &self,
        gradient: Tensor<2>,
        sum: Tensor<2>,
        inverse_rms: Tensor<1>,
        weight: &Tensor<1>,
        residual: Option<Tensor<2>>,
    ) -> Tensor<2> {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Norm) {
            return cube::rms_norm_backward(self, gradient, sum, inverse_rms, weight, residual);
        }
        plain::rms_norm_backward(gradient, sum, inverse_rms, weight, residual)
    }

    pub(crate) fn rotate(
        &self,
        x: Tensor<2>,
        tables: [&Tensor<2>; 2],
        factor: f32,
        direction: Direction,
    ) -> Tensor<2> {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Rotary) {
            return cube::rotate(self, x, tables, factor, direction);
        }
        plain::rotate(x, tables, factor, direction)
    }

    /// Rotates queries and keys; the queries are multiplied by `factor`.
    pub(crate) fn rotate_pair(
        &self,
        [q, k]: [Tensor<2>; 2],
        tables: [&Tensor<2>; 2],
        factor: f32,
        direction: Direction,
    ) -> [Tensor<2>; 2] {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Rotary) {
            return cube::rotate_pair(self, [q, k], tables, factor, direction);
        }
        [
            plain::rotate(q, tables, factor, direction),
            plain::rotate(k, tables, 1.0, direction),
        ]
    }

    pub(crate) fn swiglu(&self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Swiglu) {
            return cube::swiglu(self, gate, up);
        }
        plain::swiglu(gate, up)
    }

    pub(crate) fn swiglu_backward(
        &self,
        gate: Tensor<2>,
        up: Tensor<2>,
        gradient: Tensor<2>,
    ) -> SwigluGradients {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Swiglu) {
            return cube::swiglu_backward(self, gate, up, gradient);
        }
        plain::swiglu_backward(gate, up, gradient)
    }

    /// As [`plain::sum_scaled`], of at most six terms; nothing is computed if the only term is already the result.
    pub(crate) fn sum_scaled(
        &self,
        terms: Vec<(Tensor<2>, f32)>,
        bias: Option<&Tensor<1>>,
        out: DType,
    ) -> Tensor<2> {
        if let ([(term, factor)], None) = (&terms[..], bias)
            && term.dtype() == out
            && factor.to_bits() == 1.0f32.to_bits()
        {
            return term.clone();
        }
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Sum) {
            return cube::sum_scaled(self, terms, bias, out);
        }
        plain::sum_scaled(terms, bias, out)
    }

    /// As [`plain::scaled_cast`]; nothing is computed if `x` is already the result.
    pub(crate) fn scaled_cast(&self, x: Tensor<2>, factor: f32, out: DType) -> Tensor<2> {
        let unscaled = factor.to_bits() == 1.0f32.to_bits();
        if unscaled && x.dtype() == out {
            return x;
        }
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Sum) {
            return cube::scaled_cast(self, x, factor, out);
        }
        plain::scaled_cast(x, factor, out)
    }

    pub(crate) fn matmul(&self, a: Tensor<2>, b: Tensor<2>, out: DType) -> Tensor<2> {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::Matmul) {
            let product = cube::matmul(self, a, b, out);
            return product.unwrap_or_else(|error| unreachable!("checked at start-up: {error}"));
        }
        plain::matmul(a, b, out)
    }

    pub(crate) fn cross_entropy(
        &self,
        logits: Tensor<2>,
        targets: Tensor<1, Int>,
        weights: Tensor<1>,
        out: DType,
    ) -> (Tensor<1>, Tensor<2>) {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::CrossEntropy) {
            return cube::cross_entropy(self, logits, targets, weights, out);
        }
        plain::cross_entropy(logits, targets, weights, out)
    }

    /// The losses of [`Self::cross_entropy`] alone.
    pub(crate) fn losses(
        &self,
        logits: Tensor<2>,
        targets: Tensor<1, Int>,
        weights: Tensor<1>,
    ) -> Tensor<1> {
        #[cfg(feature = "cube")]
        if self.is_on(Kernel::CrossEntropy) {
            return cube::losses(self, logits, targets, weights);
        }
        plain::cross_entropy(logits, targets, weights, DType::F32).0
    }
}
