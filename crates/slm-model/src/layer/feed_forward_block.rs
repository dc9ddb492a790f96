//! The feed-forward block of a layer with the norm before it and both residual sums, on plain tensors, forward and
//! backward.

use burn::tensor::{DType, Tensor};

use super::attention_block::PairGradients;
use super::fusable::Fusable;
use super::lora_linear::{Factors, OfInput, Projected, backward, forward, project};
use crate::forward_pass::Shared;
use crate::fused::SwigluGradients;

/// The weights and settings that the block needs.
pub(super) struct FeedForwardBlock<'a> {
    pub(super) weights: &'a Fusable,
    pub(super) shared: &'a Shared,
    /// The pairs of gate, up and down.
    pub(super) factors: [Option<&'a Factors>; 3],
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    /// The residual stream after attention, in single precision.
    sum: Tensor<2>,
    inverse_rms: Tensor<1>,
    /// The norm of `sum`; computed again if it was dropped.
    normed: Option<Tensor<2>>,
    gate: Tensor<2>,
    up: Tensor<2>,
    /// `x Aᵀ` of gate and up.
    narrow: [Option<Tensor<2>>; 2],
    /// `x Aᵀ` of down; computed again if the forward pass ended before it.
    narrow_down: Option<Tensor<2>>,
}

impl Saved {
    /// Drops what is cheap to compute again.
    pub(super) fn reduced(mut self) -> Self {
        self.normed = None;
        self
    }
}

impl FeedForwardBlock<'_> {
    /// Computes all that the backward pass needs, from the layer's input and the output of the attention block.
    ///
    /// # Shapes
    /// both `[rows, hidden_size]`
    pub(super) fn enter(&self, x: Tensor<2>, attended: Tensor<2>) -> Saved {
        let Shared { eps, kernels, .. } = self.shared;
        let weight = &self.weights.post_attention_norm;
        let norm = kernels.add_rms_norm(x, attended, weight, *eps);
        let weights = self.weights;
        let [of_gate, of_up, _] = self.factors;
        let (gate, narrow_gate) = forward(kernels, &weights.gate_proj, of_gate, &norm.normed);
        let (up, narrow_up) = forward(kernels, &weights.up_proj, of_up, &norm.normed);
        Saved {
            sum: norm.sum,
            inverse_rms: norm.inverse_rms,
            normed: Some(norm.normed),
            gate,
            up,
            narrow: [narrow_gate, narrow_up],
            narrow_down: None,
        }
    }

    /// Computes the layer's output.
    ///
    /// # Shapes
    /// returns `[rows, hidden_size]`
    pub(super) fn leave(&self, saved: &mut Saved) -> Tensor<2> {
        let kernels = &self.shared.kernels;
        let kind = saved.gate.dtype();
        let down = &self.weights.down_proj;
        let hidden = kernels.swiglu(saved.gate.clone(), saved.up.clone());
        let Projected { mut terms, narrow } = project(kernels, down, self.factors[2], &hidden);
        saved.narrow_down = narrow;
        terms.push((saved.sum.clone(), 1.0));
        kernels.sum_scaled(terms, down.bias.as_ref(), kind)
    }

    /// Computes the gradients of the residual stream after attention, in single precision, and of the pairs.
    ///
    /// # Shapes
    /// `gradient`: of the layer's output, `[rows, hidden_size]`; returns the same
    pub(super) fn backward(
        &self,
        saved: Saved,
        gradient: Tensor<2>,
    ) -> (Tensor<2>, PairGradients<3>) {
        let Shared { eps, kernels, .. } = self.shared;
        let kind = saved.gate.dtype();
        let weights = self.weights;
        let [of_gate, of_up, of_down] = self.factors;
        let [narrow_gate, narrow_up] = saved.narrow;

        let OfInput { terms, of_narrow } =
            backward(kernels, &weights.down_proj, of_down, &gradient, true);
        let of_hidden = kernels.sum_scaled(terms, None, kind);
        let found = kernels.swiglu_backward(saved.gate, saved.up, of_hidden);
        let SwigluGradients {
            hidden,
            of_gate: gate,
            of_up: up,
        } = found;
        let pair = |factors: Option<&Factors>, x: &Tensor<2>, narrow, gradient: &Tensor<2>, of| {
            Some(factors?.gradients(kernels, x, narrow?, gradient, of?))
        };
        let narrow_down = saved
            .narrow_down
            .or_else(|| Some(of_down?.narrow(kernels, &hidden)));
        let pair_down = pair(of_down, &hidden, narrow_down, &gradient, of_narrow);

        let norm = &self.weights.post_attention_norm;
        let normed = saved.normed.unwrap_or_else(|| {
            let again = kernels.rms_norm(saved.sum.clone(), norm, *eps, kind);
            again.normed
        });
        let mut terms = Vec::new();
        let parts = [
            (&weights.gate_proj, of_gate, narrow_gate, gate),
            (&weights.up_proj, of_up, narrow_up, up),
        ];
        let [pair_gate, pair_up] = parts.map(|(linear, factors, narrow, gradient)| {
            let found = backward(kernels, linear, factors, &gradient, true);
            terms.extend(found.terms);
            pair(factors, &normed, narrow, &gradient, found.of_narrow)
        });
        let of_normed = kernels.sum_scaled(terms, None, kind);
        let of_sum = kernels.rms_norm_backward(
            of_normed,
            saved.sum,
            saved.inverse_rms,
            norm,
            Some(gradient),
        );
        debug_assert_eq!(of_sum.dtype(), DType::F32);
        (of_sum, [pair_gate, pair_up, pair_down])
    }
}
