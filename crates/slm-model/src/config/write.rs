//! Writing Hugging Face's `config.json`, for models that have none.

use serde_json::{Map, Value, json};

use super::family::{AttentionBias, NormKind};
use super::{Activation, ConfigError, LayerKind, ModelConfig, RopeBase, RopeScaling};

impl ModelConfig {
    /// Returns the configuration as Hugging Face's `config.json`, for models that have none.
    ///
    /// # Errors
    /// The rotary scaling exists only in GGUF files (one divisor per frequency).
    pub(crate) fn to_json(&self) -> Result<Map<String, Value>, ConfigError> {
        let rope_scaling = match &self.rope_scaling {
            None => Value::Null,
            Some(RopeScaling::Linear { factor }) => {
                json!({"rope_type": "linear", "factor": factor})
            }
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": low_freq_factor,
                "high_freq_factor": high_freq_factor,
                "original_max_position_embeddings": original_max_position_embeddings,
            }),
            Some(RopeScaling::Yarn {
                factor,
                beta_fast,
                beta_slow,
                original_max_position_embeddings,
                attention_factor,
                truncate,
            }) => json!({
                "rope_type": "yarn",
                "factor": factor,
                "beta_fast": beta_fast,
                "beta_slow": beta_slow,
                "original_max_position_embeddings": original_max_position_embeddings,
                "attention_factor": attention_factor,
                "truncate": truncate,
            }),
            Some(RopeScaling::LongRope {
                short,
                long,
                original_max_position_embeddings,
                attention_factor,
            }) => json!({
                "rope_type": "longrope",
                "short_factor": short,
                "long_factor": long,
                "original_max_position_embeddings": original_max_position_embeddings,
                "attention_factor": attention_factor,
            }),
            Some(RopeScaling::Divisors(_)) => {
                return Err(ConfigError::Unsupported {
                    key: "rope_freqs.weight",
                    found: "one divisor per frequency".to_owned(),
                    supported: "the model's folder in Hugging Face layout in place of the GGUF file",
                });
            }
        };
        let mut value = json!({
            "architectures": [self.family.class],
            "model_type": self.family.model_type,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": activation_name(self.activation),
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": rope_scaling,
            "max_position_embeddings": self.max_position_embeddings,
            "tie_word_embeddings": self.tie_word_embeddings,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_token_ids,
            "use_cache": true,
        });
        self.write_variants(&mut value);
        match value {
            Value::Object(fields) => Ok(fields),
            _ => unreachable!("an object was written"),
        }
    }

    /// Adds the keys of what a family computes beyond Llama's operations.
    fn write_variants(&self, value: &mut Value) {
        let layers = 0..self.num_hidden_layers;
        let kinds: Vec<LayerKind> = layers.map(|layer| self.layer_kind(layer)).collect();
        let mut put = |key: &str, found: Value| value[key] = found;
        if self.rotary_dim != self.head_dim {
            let part = self.rotary_dim as f64 / self.head_dim as f64;
            put("partial_rotary_factor", json!(part));
        }
        if let Some(RopeScaling::LongRope {
            original_max_position_embeddings,
            ..
        }) = &self.rope_scaling
        {
            let original = original_max_position_embeddings;
            put("original_max_position_embeddings", json!(original));
        }
        let slides = |kind: &LayerKind| kind.window.is_some() || kind.rope == Some(RopeBase::Local);
        if kinds.iter().any(slides) {
            let types = kinds.iter().map(|kind| {
                if slides(kind) {
                    "sliding_attention"
                } else {
                    "full_attention"
                }
            });
            put("layer_types", json!(types.collect::<Vec<_>>()));
            put("use_sliding_window", json!(true));
            // A window that no sequence exceeds was dropped.
            let window = kinds.iter().find_map(|kind| kind.window);
            let window = window.unwrap_or(self.max_position_embeddings);
            put("sliding_window", json!(window));
        }
        if let Some(local) = self.rope_local_theta {
            put("rope_local_base_freq", json!(local));
            let scalar = self.attention_scale.map(|scale| scale.powi(-2).round());
            put("query_pre_attn_scalar", json!(scalar));
            put("hidden_activation", json!(activation_name(self.activation)));
        } else if let Some(scale) = self.attention_scale {
            put("attention_multiplier", json!(scale));
            put("embedding_multiplier", json!(self.multipliers.embedding));
            put("residual_multiplier", json!(self.multipliers.residual));
            put("logits_scaling", json!(self.multipliers.logits_divisor));
        }
        if kinds.iter().any(|kind| kind.rope.is_none()) {
            let rotated = kinds.iter().map(|kind| u8::from(kind.rope.is_some()));
            put("no_rope_layers", json!(rotated.collect::<Vec<_>>()));
        }
        if self.family.norm == NormKind::Layer {
            put("norm_epsilon", json!(self.rms_norm_eps));
            put("use_bias", json!(self.biases.output));
        }
        if self.family.attention_bias == AttentionBias::IfConfigured && self.biases.output {
            put("attention_bias", json!(true));
        }
        if self.family.reads_mlp_bias && self.biases.feed_forward {
            put("mlp_bias", json!(true));
        }
    }
}

fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
    }
}
