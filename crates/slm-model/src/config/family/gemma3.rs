//! Gemma 3, the text models.

use super::llama::LLAMA;
use super::{Family, LayerNorms, NormKind, QkNorm, RotaryLayout};
use crate::config::{Activation, ConfigError, LayerKind, ModelConfig, RopeBase};

/// Every `PATTERN`-th layer attends to all tokens, the others to a window.
const PATTERN: usize = 6;

/// Norms of inputs and outputs of both blocks whose weights are stored as differences from one, norms of each head's
/// queries and keys, embeddings scaled by `sqrt(hidden_size)`, a gate with GELU, five of six layers with a window and a
/// separate rotary base, and `query_pre_attn_scalar`.
///
/// # Source
/// `Gemma3TextConfig` of <https://github.com/huggingface/transformers>; `Gemma3Model` in llama.cpp's converter, whose
/// files do not contain `query_pre_attn_scalar`: it is the head width in models of this size.
pub(super) const GEMMA3_TEXT: Family = Family {
    model_type: "gemma3_text",
    class: "Gemma3ForCausalLM",
    gguf_architecture: "gemma3",
    gguf_names: &[
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("post_attention_layernorm", "post_attention_norm"),
        ("pre_feedforward_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("post_feedforward_layernorm", "post_ffw_norm"),
    ],
    gguf_rotary: RotaryLayout::HalfSplit,
    norm: NormKind::RmsFromOne,
    norms: LayerNorms {
        before_attention: Some("input_layernorm"),
        after_attention: Some("post_attention_layernorm"),
        before_feed_forward: Some("pre_feedforward_layernorm"),
        after_feed_forward: Some("post_feedforward_layernorm"),
    },
    qk_norm: Some(QkNorm::PerHead),
    reads_mlp_bias: false,
    activation: Activation::GeluTanh,
    rope_theta: 1_000_000.0,
    tie_word_embeddings: true,
    scales_in_embedding: true,
    read_json: |raw, config| {
        for (key, found) in [
            ("final_logit_softcapping", raw.final_logit_softcapping),
            ("attn_logit_softcapping", raw.attn_logit_softcapping),
        ] {
            if let Some(found) = found {
                return Err(ConfigError::Unsupported {
                    key,
                    found: found.to_string(),
                    supported: "null, as in Gemma 3",
                });
            }
        }
        if raw.use_bidirectional_attention == Some(true) {
            return Err(ConfigError::Unsupported {
                key: "use_bidirectional_attention",
                found: "true".to_owned(),
                supported: "false",
            });
        }
        if raw.head_dim.is_none() {
            config.set_head_dim(256);
        }
        let scalar = raw.query_pre_attn_scalar.unwrap_or(256.0);
        config.attention_scale = Some(scalar.powf(-0.5));
        config.rope_local_theta = Some(raw.local_theta().unwrap_or(10_000.0));
        config.multipliers.embedding = (config.hidden_size as f64).sqrt();
        let pattern = raw.sliding_window_pattern().unwrap_or(PATTERN).max(1);
        let window = raw.window_or(4096);
        raw.set_windows(config, window, |layer| !(layer + 1).is_multiple_of(pattern))?;
        set_local_bases(config);
        Ok(())
    },
    read_gguf: |keys, config| {
        config.rope_local_theta = Some(keys.float("rope.freq_base_swa")?.unwrap_or(10_000.0));
        config.multipliers.embedding = (config.hidden_size as f64).sqrt();
        config.attention_scale = Some((config.head_dim as f64).powf(-0.5));
        let window = keys.size("attention.sliding_window")?.filter(|&n| n > 0);
        let kinds = (1..=config.num_hidden_layers).map(|number| LayerKind {
            window: window.filter(|_| !number.is_multiple_of(PATTERN)),
            ..LayerKind::GLOBAL
        });
        config.layer_kinds = kinds.collect();
        set_local_bases(config);
        Ok(())
    },
    ..LLAMA
};

/// Gives the layers with a window the local rotary base.
fn set_local_bases(config: &mut ModelConfig) {
    for kind in &mut config.layer_kinds {
        kind.rope = Some(match kind.window {
            Some(_) => RopeBase::Local,
            None => RopeBase::Global,
        });
    }
}
