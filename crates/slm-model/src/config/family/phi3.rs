//! Phi-3 and Phi-4-mini.

use super::llama::LLAMA;
use super::{AttentionBias, Family, RotaryLayout};
use crate::config::target::Target;
use crate::config::{LayerKind, RopeScaling, long_rope_attention_factor};

/// Queries, keys and values in one matrix, gate and up in another, rotary embedding of a part of each head, and
/// `LongRoPE`.
///
/// # Source
/// `Phi3Config` of <https://github.com/huggingface/transformers>; `Phi3MiniModel` in llama.cpp's converter.
pub(super) const PHI3: Family = Family {
    model_type: "phi3",
    class: "Phi3ForCausalLM",
    gguf_architecture: "phi3",
    gguf_names: &[
        ("input_layernorm", "attn_norm"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ],
    gguf_rotary: RotaryLayout::HalfSplit,
    targets: &[
        Target::QkvProj,
        Target::OProj,
        Target::GateUpProj,
        Target::DownProj,
    ],
    attention_bias: AttentionBias::Never,
    reads_mlp_bias: false,
    rms_norm_eps: 1e-5,
    read_json: |raw, config| {
        let window = raw.window();
        raw.set_windows(config, window, |_| true)
    },
    read_gguf: |keys, config| {
        // Files without a window have the value 0.
        let window = keys.size("attention.sliding_window")?.filter(|&n| n > 0);
        let kind = LayerKind {
            window,
            ..LayerKind::GLOBAL
        };
        config.layer_kinds = vec![kind];
        let factors = |name| keys.optional_vector(name);
        let [short, long] = ["rope_factors_short.weight", "rope_factors_long.weight"].map(factors);
        if let (Some(short), Some(long)) = (short?, long?) {
            let original = keys.required_size("rope.scaling.original_context_length")?;
            let ratio = config.max_position_embeddings as f64 / original as f64;
            let attention_factor = match keys.float("rope.scaling.attn_factor")? {
                Some(factor) => factor,
                None => long_rope_attention_factor(ratio, original),
            };
            let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
            config.rope_scaling = Some(RopeScaling::LongRope {
                short: wide(short),
                long: wide(long),
                original_max_position_embeddings: original,
                attention_factor,
            });
        }
        Ok(())
    },
    ..LLAMA
};
