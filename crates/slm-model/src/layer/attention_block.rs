//! The attention block of a layer with its norm, on plain tensors, forward and backward.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::fusable::Fusable;
use super::lora_linear::{Factors, OfInput, backward, forward};
use crate::attention::{
    AttentionMask, AttentionSaved, attend_on_device, attend_on_device_backward,
};
use crate::forward_pass::Shared;
use crate::fused::Direction;

/// The weights and settings that the block needs.
pub(super) struct AttentionBlock<'a> {
    pub(super) weights: &'a Fusable,
    pub(super) shared: &'a Shared,
    pub(super) mask: &'a Arc<AttentionMask>,
    /// The pairs of queries, keys, values and output.
    pub(super) factors: [Option<&'a Factors>; 4],
}

/// What the backward pass needs besides the block's input.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    inverse_rms: Tensor<1>,
    /// The norm of the input; computed again if it was dropped.
    normed: Option<Tensor<2>>,
    attention: AttentionSaved,
    /// The output of attention.
    out: Tensor<2>,
    /// `x Aᵀ` of the four layers.
    narrow: [Option<Tensor<2>>; 4],
}

impl Saved {
    /// Drops what is cheap to compute again.
    pub(super) fn reduced(mut self) -> Self {
        self.normed = None;
        self
    }
}

/// The gradients of A and B of each layer with a pair.
pub(super) type PairGradients<const N: usize> = [Option<[Tensor<2>; 2]>; N];

impl AttentionBlock<'_> {
    /// Computes the block's output, without the residual sum.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`; returns the same
    pub(super) fn forward(&self, x: &Tensor<2>) -> (Tensor<2>, Saved) {
        let Shared { eps, kernels, .. } = self.shared;
        let weights = self.weights;
        let rotary = self.shared.rotary(weights.base);
        let norm = kernels.rms_norm(x.clone(), &weights.input_norm, *eps, x.dtype());
        let normed = norm.normed;
        let [of_q, of_k, of_v, of_o] = self.factors;
        let (q, narrow_q) = forward(kernels, &weights.q_proj, of_q, &normed);
        let (k, narrow_k) = forward(kernels, &weights.k_proj, of_k, &normed);
        let (v, narrow_v) = forward(kernels, &weights.v_proj, of_v, &normed);
        let [q, k] =
            kernels.rotate_pair([q, k], rotary.tables(), weights.scale, Direction::Forward);
        let (out, of_attention) = attend_on_device(kernels, [q, k, v], self.mask, weights.heads);
        let (delta, narrow_o) = forward(kernels, &weights.o_proj, of_o, &out);
        let saved = Saved {
            inverse_rms: norm.inverse_rms,
            normed: Some(normed),
            attention: of_attention,
            out,
            narrow: [narrow_q, narrow_k, narrow_v, narrow_o],
        };
        (delta, saved)
    }

    /// Computes the gradients of the block's input, in the dtype of `x`, and of the pairs.
    ///
    /// # Shapes
    /// `of_sum`: the gradient of the input's sum with the block's output, in single precision; it reaches the input
    /// both through the block and past it; all `[rows, hidden_size]`
    pub(super) fn backward(
        &self,
        x: &Tensor<2>,
        saved: Saved,
        of_sum: Tensor<2>,
        wanted: bool,
    ) -> (Option<Tensor<2>>, PairGradients<4>) {
        let Shared { eps, kernels, .. } = self.shared;
        let kind = x.dtype();
        let weights = self.weights;
        let rotary = self.shared.rotary(weights.base);
        let [of_q, of_k, of_v, of_o] = self.factors;
        let [narrow_q, narrow_k, narrow_v, narrow_o] = saved.narrow;

        let gradient = kernels.scaled_cast(of_sum.clone(), 1.0, kind);
        let OfInput { terms, of_narrow } =
            backward(kernels, &weights.o_proj, of_o, &gradient, true);
        let of_out = kernels.sum_scaled(terms, None, kind);
        let pair = |factors: Option<&Factors>, x: &Tensor<2>, narrow, gradient: &Tensor<2>, of| {
            Some(factors?.gradients(kernels, x, narrow?, gradient, of?))
        };
        let pair_o = pair(of_o, &saved.out, narrow_o, &gradient, of_narrow);

        drop(saved.out);
        let heads = weights.heads;
        let [q, k, v] =
            attend_on_device_backward(kernels, saved.attention, of_out, self.mask, heads);
        let [q, k] =
            kernels.rotate_pair([q, k], rotary.tables(), weights.scale, Direction::Backward);
        let norm = &weights.input_norm;
        let normed = saved.normed.unwrap_or_else(|| {
            let again = kernels.rms_norm(x.clone(), norm, *eps, kind);
            again.normed
        });
        let mut terms = Vec::new();
        let parts = [
            (&weights.q_proj, of_q, narrow_q, q),
            (&weights.k_proj, of_k, narrow_k, k),
            (&weights.v_proj, of_v, narrow_v, v),
        ];
        let [pair_q, pair_k, pair_v] = parts.map(|(linear, factors, narrow, gradient)| {
            let found = backward(kernels, linear, factors, &gradient, wanted);
            terms.extend(found.terms);
            pair(factors, &normed, narrow, &gradient, found.of_narrow)
        });
        let of_x = wanted.then(|| {
            let of_normed = kernels.sum_scaled(terms, None, kind);
            let of_x = kernels.rms_norm_backward(
                of_normed,
                x.clone(),
                saved.inverse_rms,
                norm,
                Some(of_sum),
            );
            kernels.scaled_cast(of_x, 1.0, kind)
        });
        (of_x, [pair_q, pair_k, pair_v, pair_o])
    }
}
