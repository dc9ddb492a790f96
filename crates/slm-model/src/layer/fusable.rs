//! The weights of layers that can be computed by one autograd function.

use burn::tensor::Tensor;

use super::{Layer, LayerNorms, Norm};
use crate::attention::{Attention, Projections};
use crate::config::{Activation, Heads, LayerKind, RopeBase};
use crate::feed_forward::{FeedForward, FeedForwardLinears};
use crate::forward_pass::Shared;
use crate::linear::FrozenLinear;

/// The weights of a layer with Llama's operations.
#[derive(Clone, Debug)]
pub(crate) struct Fusable {
    pub(super) input_norm: Tensor<1>,
    pub(super) q_proj: FrozenLinear,
    pub(super) k_proj: FrozenLinear,
    pub(super) v_proj: FrozenLinear,
    pub(super) o_proj: FrozenLinear,
    pub(super) heads: Heads,
    /// The factor of the queries.
    pub(super) scale: f32,
    /// The base of the rotary embedding.
    pub(super) base: RopeBase,
    pub(super) window: Option<usize>,
    pub(super) post_attention_norm: Tensor<1>,
    pub(super) gate_proj: FrozenLinear,
    pub(super) up_proj: FrozenLinear,
    pub(super) down_proj: FrozenLinear,
}

impl Fusable {
    /// Returns the layer's weights if it has no other operations than these: `RMSNorm` of the inputs of both blocks,
    /// separate projections, rotary embedding of whole heads, a gate with `SiLU`, and plain residual sums.
    pub(crate) fn of(layer: &Layer, shared: &Shared) -> Option<Self> {
        let Layer {
            norms:
                LayerNorms {
                    before_attention: Some(Norm::Rms(input_norm)),
                    after_attention: None,
                    before_feed_forward: Some(Norm::Rms(post_attention_norm)),
                    after_feed_forward: None,
                },
            attention:
                Attention {
                    projections: Projections::Separate(projections),
                    o_proj,
                    qk_norms: None,
                    heads,
                    kind:
                        LayerKind {
                            rope: Some(base),
                            window,
                        },
                    scale,
                },
            feed_forward:
                FeedForward {
                    linears: FeedForwardLinears::Gated(linears),
                    activation: Activation::Silu,
                },
        } = layer
        else {
            return None;
        };
        if shared.has_residual_factor() || !shared.rotary(*base).rotates_whole_heads(*heads) {
            return None;
        }
        let [q_proj, k_proj, v_proj] = (**projections).clone();
        let [(_, gate_proj), (_, up_proj), (_, down_proj)] = (**linears).clone();
        Some(Self {
            input_norm: input_norm.clone(),
            q_proj,
            k_proj,
            v_proj,
            o_proj: o_proj.clone(),
            heads: *heads,
            scale: *scale,
            base: *base,
            window: *window,
            post_attention_norm: post_attention_norm.clone(),
            gate_proj,
            up_proj,
            down_proj,
        })
    }
}
