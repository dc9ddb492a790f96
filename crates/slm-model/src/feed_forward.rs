//! The SwiGLU feed-forward block.

use burn::tensor::Tensor;

use crate::device::is_cpu;
use crate::fused::{Kernels, functions};
use crate::kernel::swiglu::swiglu;
use crate::linear::FrozenLinear;
use crate::lora::LayerAdapter;

/// Computes `down(silu(gate(x)) * up(x))`.
///
/// # Source
/// Shazeer 2020, arXiv:2002.05202.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the names of the tensors on disk"
)]
pub(crate) struct FeedForward {
    pub(crate) gate_proj: FrozenLinear,
    pub(crate) up_proj: FrozenLinear,
    pub(crate) down_proj: FrozenLinear,
}

impl FeedForward {
    /// Runs the block.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`; returns the same
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        kernels: &Kernels,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let gate_lora = adapter.and_then(|a| a.gate_proj.as_ref());
        let up_lora = adapter.and_then(|a| a.up_proj.as_ref());
        let down_lora = adapter.and_then(|a| a.down_proj.as_ref());
        let gate = self.gate_proj.forward(x.clone(), gate_lora);
        let up = self.up_proj.forward(x, up_lora);
        let gated = if is_cpu(&up.device()) {
            swiglu(gate, up)
        } else {
            functions::swiglu(kernels, gate, up)
        };
        self.down_proj.forward(gated, down_lora)
    }
}
