//! What all layers of a forward pass share.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::config::{PerBase, RopeBase};
use crate::fused::Kernels;
use crate::rotary::Rotary;

/// What all layers of a forward pass share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The norms' epsilon.
    pub(crate) eps: f64,
    /// The rotary tables of each base.
    pub(crate) rotary: PerBase<Arc<Rotary>>,
    pub(crate) kernels: Kernels,
    /// The factor of the output of each block.
    pub(crate) residual: f32,
}

impl Shared {
    /// Multiplies the output of a block by its factor.
    pub(crate) fn scaled(&self, x: Tensor<2>) -> Tensor<2> {
        if self.has_residual_factor() {
            x * self.residual
        } else {
            x
        }
    }

    /// Whether the output of each block has a factor other than 1.
    pub(crate) fn has_residual_factor(&self) -> bool {
        self.residual.to_bits() != 1f32.to_bits()
    }

    /// The rotary tables of a base.
    pub(crate) fn rotary(&self, base: RopeBase) -> &Arc<Rotary> {
        self.rotary.of(base)
    }
}
