//! `StarCoder2`.

use super::llama::LLAMA;
use super::{AttentionBias, Family, NormKind, RotaryLayout};
use crate::config::target::Target;
use crate::config::{Activation, Biases};

/// `LayerNorm` with biases, biases on every linear layer, a feed-forward block without a gate, and a window on every
/// layer, which GGUF files do not contain.
///
/// # Source
/// `Starcoder2Config` of <https://github.com/huggingface/transformers>; `StarCoder2Model` in llama.cpp's converter.
pub(super) const STARCODER2: Family = Family {
    model_type: "starcoder2",
    class: "Starcoder2ForCausalLM",
    gguf_architecture: "starcoder2",
    gguf_names: &[
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
    ],
    gguf_rotary: RotaryLayout::HalfSplit,
    targets: &[
        Target::QProj,
        Target::KProj,
        Target::VProj,
        Target::OProj,
        Target::CFc,
        Target::CProj,
    ],
    norm: NormKind::Layer,
    attention_bias: AttentionBias::Never,
    reads_mlp_bias: false,
    activation: Activation::GeluTanh,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    read_json: |raw, config| {
        let everywhere = raw.use_bias.unwrap_or(true);
        config.biases = Biases {
            qkv: everywhere,
            output: everywhere,
            feed_forward: everywhere,
        };
        config.rms_norm_eps = raw.norm_epsilon.unwrap_or(1e-5);
        let window = raw.window();
        raw.set_windows(config, window, |_| true)
    },
    ..LLAMA
};
