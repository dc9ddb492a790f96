//! `OLMo` 2.

use super::llama::LLAMA;
use super::{Family, LayerNorms, QkNorm, RotaryLayout};

/// Norms of the outputs of both blocks instead of their inputs, and of the whole width of queries and keys.
///
/// # Source
/// `Olmo2Config` of <https://github.com/huggingface/transformers>; `Olmo2Model` in llama.cpp's converter.
pub(super) const OLMO2: Family = Family {
    model_type: "olmo2",
    class: "Olmo2ForCausalLM",
    gguf_architecture: "olmo2",
    gguf_names: &[
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("post_attention_layernorm", "post_attention_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ],
    gguf_rotary: RotaryLayout::HalfSplit,
    norms: LayerNorms {
        before_attention: None,
        after_attention: Some("post_attention_layernorm"),
        before_feed_forward: None,
        after_feed_forward: Some("post_feedforward_layernorm"),
    },
    qk_norm: Some(QkNorm::FullWidth),
    reads_mlp_bias: false,
    rms_norm_eps: 1e-5,
    ..LLAMA
};
