//! A decoder layer, in two forms: as burn's operations and autograd functions, and as one autograd function.
//!
//! The second is used on devices of `CubeCL`, for full sequences with plain LoRA or without an adapter: its backward pass
//! builds no graph, keeps little, and computes again what is cheaper to compute than to keep.

mod attention_block;
mod feed_forward_block;
mod fusable;
mod fused_layer;
mod load;
mod lora_linear;

use std::sync::Arc;

pub(crate) use fusable::Fusable;
pub(crate) use fused_layer::can_be_fused;
pub(crate) use load::Loader;

use burn::tensor::{DType, Tensor};

use crate::attention::{Attention, ForwardMode, SequenceMasks};
use crate::config::Target;
use crate::feed_forward::FeedForward;
use crate::forward_pass::Shared;
use crate::frozen::FrozenWeight;
use crate::gradient_checkpointing::checkpointed;
use crate::kv_cache::LayerCache;
use crate::lora::LayerAdapter;
use crate::norm::Norm;

/// The norms of a layer, by their place; `None` where the family has none.
#[derive(Clone, Debug)]
pub(crate) struct LayerNorms {
    pub(crate) before_attention: Option<Norm>,
    pub(crate) after_attention: Option<Norm>,
    pub(crate) before_feed_forward: Option<Norm>,
    pub(crate) after_feed_forward: Option<Norm>,
}

/// The weights of one decoder layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) norms: LayerNorms,
    pub(crate) attention: Attention,
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
        let kind = x.dtype();
        let normed = |norm: &Option<Norm>, x: Tensor<2>| match norm {
            Some(norm) => norm.forward(&shared.kernels, x, shared.eps),
            None => x,
        };
        let LayerNorms {
            before_attention,
            after_attention,
            before_feed_forward,
            after_feed_forward,
        } = &self.norms;
        let x = x.cast(DType::F32);
        let input = normed(before_attention, x.clone()).cast(kind);
        let attended = self.attention.forward(input, shared, mode, cache, adapter);
        let x = x + shared.scaled(normed(after_attention, attended.cast(DType::F32)));
        let input = normed(before_feed_forward, x.clone()).cast(kind);
        let fed = self.feed_forward.forward(input, &shared.kernels, adapter);
        let x = x + shared.scaled(normed(after_feed_forward, fed.cast(DType::F32)));
        x.cast(kind)
    }

    /// The frozen weight of a linear layer, `[out, in]`, if the family has it.
    pub(crate) fn weight(&self, target: Target) -> Option<&FrozenWeight> {
        let of_attention = self.attention.linear(target);
        let mut others = self.feed_forward.linears.all().iter();
        let found = of_attention.or_else(|| {
            let found = others.find(|(of, _)| *of == target);
            found.map(|(_, linear)| linear)
        });
        found.map(|linear| &linear.weight)
    }

    /// [`Self::forward`] over full sequences with gradient checkpointing: only `x` is kept for the backward pass.
    pub(crate) fn checkpointed(
        &self,
        x: Tensor<2>,
        shared: &Shared,
        masks: &Arc<SequenceMasks>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let mut inputs = vec![x];
        inputs.extend(adapter.into_iter().flat_map(LayerAdapter::tensors));
        let (layer, shared, masks) = (self.clone(), shared.clone(), masks.clone());
        // Outside autodiff: a tracked tensor may be part of the graph only as an input.
        let adapter = adapter.map(|pairs| pairs.over(pairs.tensors().map(Tensor::inner)));
        let segment = move |inputs: &[Tensor<2>]| {
            let adapter = adapter.as_ref();
            let adapter = adapter.map(|pairs| pairs.over(inputs[1..].iter().cloned()));
            let (x, mode) = (inputs[0].clone(), ForwardMode::Full(&masks));
            layer.forward(x, &shared, &mode, None, adapter.as_ref())
        };
        checkpointed(segment, inputs)
    }
}
