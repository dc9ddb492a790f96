//! Reading Hugging Face's `config.json`.

use serde_json::Value;

use super::family::{AttentionBias, Family};
use super::raw::{RawConfig, required};
use super::{
    Activation, Biases, ConfigError, LayerKind, ModelConfig, Multipliers, head_dim_from,
    known_family, value_error,
};

impl ModelConfig {
    /// Reads Hugging Face's `config.json`.
    ///
    /// Missing optional keys take transformers' defaults.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        let raw: RawConfig = serde_json::from_str(text)?;
        let model_type = required(raw.model_type.clone(), "model_type")?;
        let family = known_family(Family::of_model_type(&model_type), &model_type)?;

        let hidden_size = required(raw.hidden_size, "hidden_size")?;
        let num_attention_heads = required(raw.num_attention_heads, "num_attention_heads")?;
        let head_dim = match raw.head_dim {
            Some(head_dim) => head_dim,
            None => head_dim_from(hidden_size, num_attention_heads)?,
        };
        let rope = raw.rope();
        let max_position_embeddings =
            required(raw.max_position_embeddings, "max_position_embeddings")?;
        let mut config = Self {
            family,
            vocab_size: required(raw.vocab_size, "vocab_size")?,
            hidden_size,
            intermediate_size: required(raw.intermediate_size, "intermediate_size")?,
            num_hidden_layers: required(raw.num_hidden_layers, "num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads: raw.num_key_value_heads.unwrap_or(num_attention_heads),
            head_dim,
            rotary_dim: head_dim,
            attention_scale: None,
            rms_norm_eps: raw.rms_norm_eps.unwrap_or(family.rms_norm_eps),
            rope_theta: rope
                .and_then(|rope| rope.rope_theta)
                .or(raw.rope_theta)
                .unwrap_or(family.rope_theta),
            rope_scaling: None,
            rope_local_theta: None,
            layer_kinds: vec![LayerKind::GLOBAL],
            max_position_embeddings,
            long_context: false,
            tie_word_embeddings: raw
                .tie_word_embeddings
                .unwrap_or(family.tie_word_embeddings),
            activation: activation(&raw, family)?,
            biases: biases(&raw, family)?,
            multipliers: Multipliers::NONE,
            eos_token_ids: token_ids(raw.eos_token_id.as_ref(), "eos_token_id")?,
            bos_token_id: token_ids(raw.bos_token_id.as_ref(), "bos_token_id")?
                .first()
                .copied(),
        };
        // Before the keys of the family, so that loops over layers are short.
        config.check()?;
        (family.read_json)(&raw, &mut config)?;
        let part = rope
            .and_then(|rope| rope.partial_rotary_factor)
            .or(raw.partial_rotary_factor);
        if let Some(part) = part.filter(|part| *part < 1.0) {
            // Rounded down, as in transformers.
            config.rotary_dim = (config.head_dim as f64 * part) as usize;
        }
        if let Some(rope) = rope {
            config.rope_scaling = rope.scaling(&raw, max_position_embeddings)?;
        }
        config.normalise_layers();
        config.check()?;
        Ok(config)
    }
}

/// Reads the activation; an unknown one is refused, since an error is better than wrong logits.
fn activation(raw: &RawConfig, family: &Family) -> Result<Activation, ConfigError> {
    match raw.hidden_activation.as_ref().or(raw.hidden_act.as_ref()) {
        None => Ok(family.activation),
        Some(name) => match name.as_str() {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
            other => Err(ConfigError::Unsupported {
                key: "hidden_act",
                found: other.to_owned(),
                supported: "silu or gelu_pytorch_tanh",
            }),
        },
    }
}

/// Reads which layers have biases; a key that the family does not have is refused.
fn biases(raw: &RawConfig, family: &Family) -> Result<Biases, ConfigError> {
    let of_key = |key, found: Option<bool>, is_read: bool| match found {
        Some(true) if !is_read => Err(ConfigError::Unsupported {
            key,
            found: "true".to_owned(),
            supported: "false",
        }),
        found => Ok(found == Some(true)),
    };
    // The key of Qwen2's files is without effect: its three biases always exist.
    let of_inputs = family.attention_bias == AttentionBias::OfInputs;
    let is_read = family.attention_bias == AttentionBias::IfConfigured;
    let attention = !of_inputs && of_key("attention_bias", raw.attention_bias, is_read)?;
    Ok(Biases {
        qkv: of_inputs || attention,
        output: attention,
        feed_forward: of_key("mlp_bias", raw.mlp_bias, family.reads_mlp_bias)?,
    })
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
        assert!(config.biases.qkv && !config.biases.output);
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
            (r#"{"mlp_bias": true}"#, "mlp_bias"),
            (
                r#"{"model_type": "mistral", "attention_bias": true}"#,
                "attention_bias",
            ),
            (
                r#"{"rope_scaling": {"type": "dynamic", "factor": 4}}"#,
                "rope_scaling",
            ),
            (
                r#"{"use_sliding_window": true, "layer_types": ["linear_attention"]}"#,
                "layer_types",
            ),
            (
                r#"{"model_type": "granitemoehybrid", "layer_types": ["mamba", "attention"]}"#,
                "layer_types",
            ),
            (
                r#"{"model_type": "granitemoehybrid", "layer_types": ["attention", "attention"]}"#,
                "num_local_experts",
            ),
            (
                r#"{"model_type": "gemma3_text", "final_logit_softcapping": 30}"#,
                "final_logit_softcapping",
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
            assert_eq!(
                config.inv_freq(crate::config::RopeBase::Global).len(),
                config.rotary_dim / 2
            );
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
