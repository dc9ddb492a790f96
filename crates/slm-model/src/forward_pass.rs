//! What all layers of a forward pass share.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::config::RopeBase;
use crate::fused::Kernels;
use crate::rotary::Rotary;

/// What all layers of a forward pass share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The norms' epsilon.
    pub(crate) eps: f64,
    /// The rotary tables of each base.
    pub(crate) rotary: RotaryTables,
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

/// The rotary tables of a forward pass, by their base.
#[derive(Clone, Debug)]
pub(crate) struct RotaryTables {
    global: Arc<Rotary>,
    /// `None` if no layer has this base.
    local: Option<Arc<Rotary>>,
}

impl RotaryTables {
    /// Computes the tables of the bases that a model has.
    pub(crate) fn new(has_local: bool, make: impl Fn(RopeBase) -> Arc<Rotary>) -> Self {
        Self {
            global: make(RopeBase::Global),
            local: has_local.then(|| make(RopeBase::Local)),
        }
    }

    /// The tables of a base.
    pub(crate) fn of(&self, base: RopeBase) -> &Arc<Rotary> {
        match (base, &self.local) {
            (RopeBase::Local, Some(local)) => local,
            (RopeBase::Global, _) | (RopeBase::Local, None) => &self.global,
        }
    }
}
