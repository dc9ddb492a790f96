//! Reading Hugging Face's `config.json`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ConfigError, ModelConfig, RopeScaling, head_dim_from, known_family, unsupported_rope,
    value_error,
};
use crate::family::Family;

/// The keys of `config.json` that are read. Keys without effect on the decoder are ignored.
#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    /// Newer releases of transformers write theta and scaling together under this key.
    rope_parameters: Option<RawRope>,
    max_position_embeddings: Option<usize>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    hidden_act: Option<String>,
    use_sliding_window: Option<bool>,
    bos_token_id: Option<Value>,
    eos_token_id: Option<Value>,
}

#[derive(Deserialize)]
struct RawRope {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older spelling of `rope_type`.
    #[serde(rename = "type")]
    kind: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    partial_rotary_factor: Option<f64>,
}

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
            Some(RopeScaling::Divisors(_)) => {
                return Err(ConfigError::Unsupported {
                    key: "rope_freqs.weight",
                    found: "one divisor per frequency".to_owned(),
                    supported: "the model's folder in Hugging Face layout in place of the GGUF file",
                });
            }
        };
        let value = json!({
            "architectures": [self.family.class],
            "model_type": self.family.model_type,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": rope_scaling,
            "max_position_embeddings": self.max_position_embeddings,
            "tie_word_embeddings": self.tie_word_embeddings,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_token_ids,
            "use_cache": true,
        });
        match value {
            Value::Object(fields) => Ok(fields),
            _ => unreachable!("an object was written"),
        }
    }

    /// Reads Hugging Face's `config.json`.
    ///
    /// Missing optional keys take transformers' defaults.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let raw: RawConfig = serde_json::from_str(text)?;
        let model_type = required(raw.model_type.clone(), "model_type")?;
        let family = known_family(Family::of_model_type(&model_type), &model_type)?;
        refuse_variants(&raw, family)?;

        let hidden_size = required(raw.hidden_size, "hidden_size")?;
        let num_attention_heads = required(raw.num_attention_heads, "num_attention_heads")?;
        let head_dim = match raw.head_dim {
            Some(head_dim) => head_dim,
            None => head_dim_from(hidden_size, num_attention_heads)?,
        };
        let rope_theta = raw
            .rope_parameters
            .as_ref()
            .and_then(|rope| rope.rope_theta)
            .or(raw.rope_theta)
            .unwrap_or(family.rope_theta);
        let rope_scaling = match raw.rope_parameters.or(raw.rope_scaling) {
            Some(rope) => rope.scaling()?,
            None => None,
        };
        let config = Self {
            family,
            vocab_size: required(raw.vocab_size, "vocab_size")?,
            hidden_size,
            intermediate_size: required(raw.intermediate_size, "intermediate_size")?,
            num_hidden_layers: required(raw.num_hidden_layers, "num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(num_attention_heads),
            head_dim,
            rms_norm_eps: raw.rms_norm_eps.unwrap_or(family.rms_norm_eps),
            rope_theta,
            rope_scaling,
            max_position_embeddings: required(
                raw.max_position_embeddings,
                "max_position_embeddings",
            )?,
            tie_word_embeddings: raw
                .tie_word_embeddings
                .unwrap_or(family.tie_word_embeddings),
            qkv_bias: family.qkv_bias,
            eos_token_ids: token_ids(raw.eos_token_id.as_ref(), "eos_token_id")?,
            bos_token_id: token_ids(raw.bos_token_id.as_ref(), "bos_token_id")?
                .first()
                .copied(),
        };
        config.check()?;
        Ok(config)
    }
}

impl RawRope {
    fn scaling(self) -> Result<Option<RopeScaling>, ConfigError> {
        if let Some(part) = self.partial_rotary_factor.filter(|part| *part < 1.0) {
            return Err(ConfigError::Unsupported {
                key: "partial_rotary_factor",
                found: part.to_string(),
                supported: "rotation of whole heads",
            });
        }
        let kind = self.rope_type.or(self.kind);
        match kind.as_deref() {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear {
                factor: required(self.factor, "rope_scaling.factor")?,
            })),
            Some("llama3") => Ok(Some(RopeScaling::Llama3 {
                factor: required(self.factor, "rope_scaling.factor")?,
                low_freq_factor: required(self.low_freq_factor, "rope_scaling.low_freq_factor")?,
                high_freq_factor: required(self.high_freq_factor, "rope_scaling.high_freq_factor")?,
                original_max_position_embeddings: required(
                    self.original_max_position_embeddings,
                    "rope_scaling.original_max_position_embeddings",
                )?,
            })),
            Some(other) => Err(unsupported_rope(other)),
        }
    }
}

/// Refuses settings of these families that the decoder does not implement: an error is better than wrong
/// logits.
fn refuse_variants(raw: &RawConfig, family: &Family) -> Result<(), ConfigError> {
    let refuse = |key, found: &str, supported| {
        Err(ConfigError::Unsupported {
            key,
            found: found.to_owned(),
            supported,
        })
    };
    if let Some(activation) = raw.hidden_act.as_deref().filter(|&act| act != "silu") {
        return refuse("hidden_act", activation, "silu");
    }
    if !family.qkv_bias && raw.attention_bias == Some(true) {
        return refuse("attention_bias", "true", "false");
    }
    if raw.mlp_bias == Some(true) {
        return refuse("mlp_bias", "true", "false");
    }
    if raw.use_sliding_window == Some(true) {
        return refuse("use_sliding_window", "true", "false");
    }
    Ok(())
}

/// Reads one id, a list of ids, or nothing: `config.json` and `generation_config.json` contain all three.
pub(crate) fn token_ids(value: Option<&Value>, key: &'static str) -> Result<Vec<u32>, ConfigError> {
    let id = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| value_error(key, value, "a token id or a list of token ids"))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(id).collect(),
        Some(one) => Ok(vec![id(one)?]),
    }
}

fn required<T>(value: Option<T>, key: &str) -> Result<T, ConfigError> {
    value.ok_or_else(|| ConfigError::Missing {
        key: key.to_owned(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mutants::mutants;

    const TINY: &str = r#"{
        "model_type": "qwen2", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 128, "tie_word_embeddings": true, "eos_token_id": [2, 3]
    }"#;

    /// Returns the tiny configuration updated with the keys of `change`.
    pub(in crate::config) fn tiny(change: &str) -> Result<ModelConfig, ConfigError> {
        let mut config: serde_json::Map<String, Value> =
            serde_json::from_str(TINY).expect("valid JSON");
        let change: serde_json::Map<String, Value> =
            serde_json::from_str(change).expect("valid JSON");
        config.extend(change);
        ModelConfig::from_json(&Value::Object(config).to_string())
    }

    fn message(change: &str) -> String {
        tiny(change).expect_err("must be refused").to_string()
    }

    #[test]
    fn missing_keys_take_the_defaults_of_transformers() {
        let config = tiny("{}").expect("valid");
        assert_eq!(config.head_dim, 8);
        assert!(config.qkv_bias);
        assert!((config.rope_theta - 10_000.0).abs() < f64::EPSILON);
        assert!((config.rms_norm_eps - 1e-6).abs() < f64::EPSILON);
        assert_eq!(config.eos_token_ids, [2, 3]);
        assert_eq!(config.bos_token_id, None);
    }

    #[test]
    fn an_unknown_architecture_is_named_with_those_supported() {
        let message = message(r#"{"model_type": "mamba"}"#);
        assert!(
            message.contains("`mamba`") && message.contains("llama, qwen2"),
            "{message}"
        );
    }

    #[test]
    fn variants_that_the_decoder_does_not_compute_are_refused() {
        for (change, key) in [
            (r#"{"hidden_act": "gelu"}"#, "hidden_act"),
            (r#"{"use_sliding_window": true}"#, "use_sliding_window"),
            (r#"{"mlp_bias": true}"#, "mlp_bias"),
            (
                r#"{"model_type": "llama", "attention_bias": true}"#,
                "attention_bias",
            ),
            (
                r#"{"rope_scaling": {"type": "yarn", "factor": 4}}"#,
                "rope_scaling",
            ),
            (
                r#"{"rope_parameters": {"partial_rotary_factor": 0.5}}"#,
                "partial_rotary_factor",
            ),
        ] {
            assert!(message(change).contains(key), "{change}");
        }
    }

    #[test]
    fn impossible_dimensions_are_refused_with_their_key() {
        for (change, key) in [
            (r#"{"num_hidden_layers": 0}"#, "num_hidden_layers"),
            (
                r#"{"num_hidden_layers": 1000000000000}"#,
                "num_hidden_layers",
            ),
            (r#"{"num_attention_heads": 5}"#, "num_attention_heads"),
            (r#"{"num_attention_heads": 0}"#, "num_attention_heads"),
            (r#"{"num_key_value_heads": 3}"#, "num_key_value_heads"),
            (r#"{"head_dim": 7}"#, "head_dim"),
            (r#"{"rms_norm_eps": 0}"#, "rms_norm_eps"),
            (r#"{"rope_theta": -1}"#, "rope_theta"),
            (r#"{"eos_token_id": "</s>"}"#, "eos_token_id"),
            (r#"{"vocab_size": null}"#, "vocab_size"),
        ] {
            assert!(
                message(change).contains(key),
                "{change}: {}",
                message(change)
            );
        }
    }

    #[test]
    fn mutated_and_nested_files_end_in_an_error_or_a_sound_model() {
        let mut accepted = 0;
        for bytes in mutants(TINY.as_bytes(), 13, 1_500) {
            let text = String::from_utf8_lossy(&bytes);
            let Ok(config) = ModelConfig::from_json(&text) else {
                continue;
            };
            accepted += 1;
            config.check().expect("checked");
            assert!(config.num_parameters() > 0 && config.tensors().len() < 20_000);
            assert_eq!(config.inv_freq().len(), config.head_dim / 2);
        }
        assert!(accepted > 100, "{accepted} mutants were accepted");
        let deep = "[".repeat(100_000);
        let error = ModelConfig::from_json(&format!(r#"{{"quantization_config":{deep}"#));
        assert!(error.is_err_and(|error| error.to_string().len() < 1_000));
        let twice = TINY.replace("\"vocab_size\"", "\"vocab_size\": 9, \"vocab_size\"");
        let error = ModelConfig::from_json(&twice)
            .expect_err("one key twice")
            .to_string();
        assert!(error.contains("duplicate field `vocab_size`"), "{error}");
    }

    #[test]
    fn both_spellings_of_the_rotary_settings_mean_the_same() {
        let old = r#"{"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 32,
            "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#;
        let new = r#"{"rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 32,
            "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#;
        assert_eq!(tiny(old).expect("valid"), tiny(new).expect("valid"));
    }
}
