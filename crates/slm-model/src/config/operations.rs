//! Which operations the layers of a model have.

use super::{Activation, Family, FeedForwardForm, ModelConfig, NormKind, Target};

impl ModelConfig {
    /// Whether every layer has the operations of Llama's layers, windows aside, which a GPU computes by fused kernels.
    pub fn has_operations_of_llama(&self) -> bool {
        let Family {
            norm,
            norms,
            qk_norm,
            ..
        } = self.family;
        let inputs_alone = norms.before_attention.is_some()
            && norms.before_feed_forward.is_some()
            && norms.after_attention.is_none()
            && norms.after_feed_forward.is_none();
        *norm == NormKind::Rms
            && inputs_alone
            && qk_norm.is_none()
            && matches!(self.family.feed_forward(), FeedForwardForm::Gated { .. })
            && self.targets().contains(&Target::QProj)
            && self.activation == Activation::Silu
            && self.rotary_dim == self.head_dim
            && self.multipliers.residual.to_bits() == 1f64.to_bits()
            && self.layer_kinds.iter().all(|kind| kind.rope.is_some())
    }
}
