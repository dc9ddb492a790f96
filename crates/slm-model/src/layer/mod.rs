//! A decoder layer, in two forms: as burn's operations and autograd functions, and as one autograd function.
//!
//! The second is used on devices of `CubeCL`, for full sequences with plain LoRA or without an adapter: its backward pass
//! builds no graph, keeps little, and computes again what is cheaper to compute than to keep.

mod attention_block;
mod feed_forward_block;
mod fused_layer;
mod lora_linear;

use std::sync::Arc;

pub(crate) use fused_layer::can_be_fused;

use burn::tensor::{DType, Tensor};

use crate::attention::{Attention, AttentionMask, ForwardMode};
use crate::device::is_cpu;
use crate::feed_forward::FeedForward;
use crate::fused::{Kernels, functions};
use crate::gradient_checkpointing::checkpointed;
use crate::kernel::norm;
use crate::kv_cache::LayerCache;
use crate::lora::LayerAdapter;
use crate::rotary::Rotary;

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

/// What all layers of a forward pass share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// The norms' epsilon.
    pub(crate) eps: f64,
    pub(crate) rotary: Arc<Rotary>,
    pub(crate) kernels: Kernels,
}

/// The weights of one decoder layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) input_norm: Tensor<1>,
    pub(crate) attention: Attention,
    pub(crate) post_attention_norm: Tensor<1>,
    pub(crate) feed_forward: FeedForward,
}

impl Layer {
    /// Runs the layer. Norms and residual sums are in single precision, all else in the dtype of `x`.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`; returns the same
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        shared: &Shared,
        mode: &ForwardMode,
        cache: Option<&mut LayerCache>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let Shared {
            eps,
            rotary,
            kernels,
        } = shared;
        let kind = x.dtype();
        let x = x.cast(DType::F32);
        let normed = rms_norm(kernels, x.clone(), &self.input_norm, *eps).cast(kind);
        let attended = self.attention.forward(normed, rotary, mode, cache, adapter);
        let x = x + attended.cast(DType::F32);
        let normed = rms_norm(kernels, x.clone(), &self.post_attention_norm, *eps).cast(kind);
        let fed = self.feed_forward.forward(normed, kernels, adapter);
        let x = x + fed.cast(DType::F32);
        x.cast(kind)
    }

    /// [`Self::forward`] over full sequences with gradient checkpointing: only `x` is kept for the backward pass.
    pub(crate) fn checkpointed(
        &self,
        x: Tensor<2>,
        shared: &Shared,
        mask: &Arc<AttentionMask>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let mut inputs = vec![x];
        inputs.extend(adapter.into_iter().flat_map(LayerAdapter::tensors));
        let (layer, shared, mask) = (self.clone(), shared.clone(), mask.clone());
        // Outside autodiff: a tracked tensor may be part of the graph only as an input.
        let adapter = adapter.map(|pairs| pairs.over(pairs.tensors().map(Tensor::inner)));
        let segment = move |inputs: &[Tensor<2>]| {
            let adapter = adapter.as_ref();
            let adapter = adapter.map(|pairs| pairs.over(inputs[1..].iter().cloned()));
            let (x, mode) = (inputs[0].clone(), ForwardMode::Full(&mask));
            layer.forward(x, &shared, &mode, None, adapter.as_ref())
        };
        checkpointed(segment, inputs)
    }
}
