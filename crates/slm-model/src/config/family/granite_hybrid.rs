//! Granite 4 without Mamba layers.

use super::Family;
use super::granite::{GRANITE, read_multipliers};
use crate::config::ConfigError;
use crate::config::target::Target;

/// As Granite 3, with gate and up in one matrix; llama.cpp splits it and converts the model to `granite`.
///
/// # Source
/// `GraniteMoeHybridConfig` of <https://github.com/huggingface/transformers>; `GraniteHybridModel` in llama.cpp's
/// converter.
pub(super) const GRANITE_HYBRID: Family = Family {
    model_type: "granitemoehybrid",
    class: "GraniteMoeHybridForCausalLM",
    gguf_names: &[
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("shared_mlp.output_linear", "ffn_down"),
    ],
    targets: &[
        Target::QProj,
        Target::KProj,
        Target::VProj,
        Target::OProj,
        Target::InputLinear,
        Target::OutputLinear,
    ],
    reads_mlp_bias: false,
    read_json: |raw, config| {
        let unsupported = |key, found: String, supported| {
            Err(ConfigError::Unsupported {
                key,
                found,
                supported,
            })
        };
        let types = raw.layer_types.as_deref().unwrap_or(&[]);
        let is_attention = |kind: &str| matches!(kind, "attention" | "full_attention");
        if types.len() < config.num_hidden_layers {
            return unsupported(
                "layer_types",
                "missing or too short, which means Mamba layers".to_owned(),
                "`attention` for every layer: the models without `h` in their names",
            );
        }
        if let Some(other) = types.iter().find(|kind| !is_attention(kind)) {
            return unsupported(
                "layer_types",
                other.clone(),
                "`attention` for every layer: the models without `h` in their names",
            );
        }
        let experts = raw.num_local_experts.unwrap_or(8);
        if experts > 0 {
            return unsupported("num_local_experts", experts.to_string(), "0");
        }
        config.intermediate_size = raw.shared_intermediate_size.unwrap_or(1024);
        if raw.position_embedding_type.as_deref() != Some("rope") {
            config.remove_rope();
        }
        read_multipliers(raw, config);
        Ok(())
    },
    ..GRANITE
};
