//! How many kernels a step of training launches at most.

/// The most launches of kernels in a training step of a model of one layer, embedding and final norm included.
///
/// Counted in bf16 with an adapter of all linear layers; a test holds every build to them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launches {
    /// Of the forward pass.
    pub forward: usize,
    /// Of a chunk of the loss with its gradient.
    pub loss: usize,
    /// Of the backward pass.
    pub backward: usize,
    /// Of the backward pass of a recomputed layer, the recomputation included.
    pub backward_recomputed: usize,
}

/// See [`Launches`].
#[doc(hidden)]
pub const LAUNCHES: Launches = Launches {
    forward: 49,
    loss: 14,
    backward: 65,
    backward_recomputed: 92,
};
