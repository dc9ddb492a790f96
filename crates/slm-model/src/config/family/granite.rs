//! Granite 3 and dense models after it.

use super::Family;
use super::llama::LLAMA;
use crate::config::raw::RawConfig;
use crate::config::{ConfigError, ModelConfig, Multipliers};

/// Multipliers of embeddings, residual sums and attention scores, and a divisor of the logits.
///
/// # Source
/// `GraniteConfig` of <https://github.com/huggingface/transformers>; `GraniteModel` in llama.cpp's converter.
pub(super) const GRANITE: Family = Family {
    model_type: "granite",
    class: "GraniteForCausalLM",
    gguf_architecture: "granite",
    read_json: |raw, config| {
        read_multipliers(raw, config);
        Ok(())
    },
    read_gguf: |keys, config| {
        config.attention_scale = keys.float("attention.scale")?.filter(|scale| *scale != 0.0);
        let or_one = |key: &str| Ok::<_, ConfigError>(keys.float(key)?.unwrap_or(1.0));
        config.multipliers = Multipliers {
            embedding: or_one("embedding_scale")?,
            residual: or_one("residual_scale")?,
            logits_divisor: or_one("logit_scale")?,
        };
        if keys.boolean("rope.scaling.finetuned")? == Some(false) {
            config.remove_rope();
        }
        Ok(())
    },
    ..LLAMA
};

/// Reads the four multipliers, each 1 by default.
pub(super) fn read_multipliers(raw: &RawConfig, config: &mut ModelConfig) {
    config.attention_scale = Some(raw.attention_multiplier.unwrap_or(1.0));
    config.multipliers = Multipliers {
        embedding: raw.embedding_multiplier.unwrap_or(1.0),
        residual: raw.residual_multiplier.unwrap_or(1.0),
        logits_divisor: raw.logits_scaling.unwrap_or(1.0),
    };
}
