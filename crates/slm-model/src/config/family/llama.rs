//! Llama and models of the same architecture: Llama 2 and 3, `SmolLM2`, Falcon 3.

use super::{AttentionBias, Family, LayerNorms, NormKind, RotaryLayout};
use crate::config::Activation;
use crate::config::target::Target;

/// No biases unless the configuration asks for them; GGUF files have interleaved rotary embedding.
///
/// # Source
/// `LlamaConfig` of <https://github.com/huggingface/transformers>; `LlamaModel` in llama.cpp's converter.
pub(super) const LLAMA: Family = Family {
    model_type: "llama",
    class: "LlamaForCausalLM",
    gguf_architecture: "llama",
    gguf_names: NAMES,
    gguf_rotary: RotaryLayout::Interleaved,
    targets: TARGETS,
    norm: NormKind::Rms,
    norms: LayerNorms::BEFORE,
    qk_norm: None,
    attention_bias: AttentionBias::IfConfigured,
    reads_mlp_bias: true,
    activation: Activation::Silu,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000.0,
    tie_word_embeddings: false,
    scales_in_embedding: false,
    read_json: |_, _| Ok(()),
    read_gguf: |_, _| Ok(()),
};

/// The linear layers of most families.
pub(super) const TARGETS: &[Target] = &[
    Target::QProj,
    Target::KProj,
    Target::VProj,
    Target::OProj,
    Target::GateProj,
    Target::UpProj,
    Target::DownProj,
];

/// The tensor names that llama.cpp uses for most families.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];
