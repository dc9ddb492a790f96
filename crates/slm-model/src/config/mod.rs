//! Model configuration, read from `config.json` or the metadata of a GGUF file.
//!
//! [`ModelConfig`] keeps Hugging Face's field names. It is checked on construction, so that the decoder
//! can rely on it: every dimension is in a sane range and the head counts divide each other.

mod heads;
mod json;
mod quantization;

pub(crate) use heads::Heads;
pub(crate) use json::token_ids;
pub(crate) use quantization::{SETTINGS_FILES, refuse_quantised, refuse_quantised_tensors};

use std::fmt;

use thiserror::Error;

use crate::family::Family;

/// Scaling of a model's rotary frequencies beyond the context of its pretraining.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Every frequency divided by `factor`.
    Linear {
        /// Divisor, at least 1.
        factor: f64,
    },
    /// Llama 3.1's: low frequencies divided by `factor`, high ones kept, a smooth transition between them.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Frequencies with a wavelength above `original_max_position_embeddings / low_freq_factor` are low.
        low_freq_factor: f64,
        /// Frequencies with a wavelength below `original_max_position_embeddings / high_freq_factor` are high.
        high_freq_factor: f64,
        /// The context length of the pretraining, in tokens.
        original_max_position_embeddings: usize,
    },
    /// One divisor per frequency: how GGUF files store Llama 3.1's scaling (`rope_freqs.weight`).
    Divisors(Vec<f32>),
}

/// The shape and constants of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The model family.
    pub family: &'static Family,
    /// Rows of the embedding; may exceed the tokenizer's vocabulary (padding rows).
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; divides the number of query heads.
    pub num_key_value_heads: usize,
    /// Width of a head; even.
    pub head_dim: usize,
    /// Added to the mean square in every `RMSNorm`.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Scaling of the rotary frequencies, if any.
    pub rope_scaling: Option<RopeScaling>,
    /// Maximum sequence length, in tokens.
    pub max_position_embeddings: usize,
    /// Whether the output head is the embedding itself.
    pub tie_word_embeddings: bool,
    /// Whether the query, key and value projections have biases.
    pub qkv_bias: bool,
    /// Ids that end a generation, as the model's configuration declares them. The tokenizer knows more of them:
    /// generation uses [`Tokenizer::eos_ids`](crate::tokenizer::Tokenizer::eos_ids).
    pub eos_token_ids: Vec<u32>,
    /// Id that begins a sequence, if the configuration declares one.
    pub bos_token_id: Option<u32>,
}

/// An invalid or unsupported model configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The text is not JSON, or a key has a value of another type.
    #[error("invalid model configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// A family that this crate does not support.
    #[error(
        "unknown architecture `{found}`\nhint: supported architectures: {}",
        supported_families()
    )]
    UnknownArchitecture {
        /// The name in the file.
        found: String,
    },
    /// A required key is missing.
    #[error("key `{key}` is missing")]
    Missing {
        /// The missing key.
        key: String,
    },
    /// A value outside its valid range.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The offending key.
        key: &'static str,
        /// The value found.
        found: String,
        /// The values accepted.
        expected: String,
    },
    /// Weights that were quantised by another program.
    #[error(
        "the weights are quantised by {method} ({found}), which is not supported\nhint: use the repository of the unquantised model, and quantise it on load with `model.quantization: q4` (or q8)"
    )]
    Quantised {
        /// The method, and the number of bits if known.
        method: String,
        /// The key or tensor that shows it.
        found: String,
    },
    /// A variant of the architecture that the decoder does not implement.
    #[error("`{key}` is {found}, which is not supported\nhint: expected {supported}")]
    Unsupported {
        /// The offending key.
        key: &'static str,
        /// The value found.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
}

fn supported_families() -> String {
    let names: Vec<&str> = Family::ALL.iter().map(|family| family.model_type).collect();
    names.join(", ")
}

/// Returns the family, or an error if it is unknown.
pub(crate) fn known_family(
    found: Option<&'static Family>,
    name: &str,
) -> Result<&'static Family, ConfigError> {
    found.ok_or_else(|| ConfigError::UnknownArchitecture {
        found: name.to_owned(),
    })
}

impl ModelConfig {
    /// Checks that every dimension is in its valid range.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        // The bounds are far above any model that fits in memory, and low enough that no product of dimensions
        // overflows and every loop over them ends soon.
        let ranges = [
            ("vocab_size", self.vocab_size, 1 << 24),
            ("hidden_size", self.hidden_size, 1 << 17),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("num_hidden_layers", self.num_hidden_layers, 1 << 10),
            ("num_attention_heads", self.num_attention_heads, 1 << 10),
            ("num_key_value_heads", self.num_key_value_heads, 1 << 10),
            ("head_dim", self.head_dim, 1 << 12),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                1 << 27,
            ),
        ];
        for (key, found, most) in ranges {
            if !(1..=most).contains(&found) {
                return Err(value_error(key, found, format!("1 to {most}")));
            }
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(value_error("head_dim", self.head_dim, "an even number"));
        }
        if !self
            .num_attention_heads
            .is_multiple_of(self.num_key_value_heads)
        {
            return Err(value_error(
                "num_key_value_heads",
                self.num_key_value_heads,
                format!(
                    "a divisor of num_attention_heads, {}",
                    self.num_attention_heads
                ),
            ));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps < 1.0) {
            return Err(value_error(
                "rms_norm_eps",
                self.rms_norm_eps,
                "between 0 and 1",
            ));
        }
        if !(self.rope_theta >= 1.0 && self.rope_theta.is_finite()) {
            return Err(value_error("rope_theta", self.rope_theta, "at least 1"));
        }
        self.check_rope_scaling()
    }

    fn check_rope_scaling(&self) -> Result<(), ConfigError> {
        let divisor = |found: f64| {
            if found.is_finite() && found > 0.0 {
                Ok(())
            } else {
                Err(value_error("rope_scaling", found, "positive factors"))
            }
        };
        match &self.rope_scaling {
            None => Ok(()),
            Some(RopeScaling::Linear { factor }) => divisor(*factor),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => {
                divisor(*factor)?;
                divisor(*low_freq_factor)?;
                divisor(*original_max_position_embeddings as f64)?;
                if high_freq_factor > low_freq_factor && high_freq_factor.is_finite() {
                    Ok(())
                } else {
                    Err(value_error(
                        "high_freq_factor",
                        high_freq_factor,
                        format!("more than low_freq_factor, {low_freq_factor}"),
                    ))
                }
            }
            Some(RopeScaling::Divisors(divisors)) => {
                if divisors.len() != self.head_dim / 2 {
                    let expected = format!("{} factors, half of head_dim", self.head_dim / 2);
                    return Err(value_error("rope_freqs.weight", divisors.len(), expected));
                }
                divisors.iter().try_for_each(|&d| divisor(f64::from(d)))
            }
        }
    }

    /// The rotary frequencies with their scaling, in radians per token.
    ///
    /// Computed in double precision and rounded once, so they differ by at most one unit in the last place from
    /// transformers, which computes them in single precision.
    ///
    /// # Shapes
    /// - returns `[head_dim / 2]`; frequency `i` rotates the elements `i` and `i + head_dim / 2` of a head
    /// # Source
    /// Su et al. 2021, arXiv:2104.09864; Llama 3.1's scaling: Grattafiori et al. 2024, arXiv:2407.21783.
    pub fn inv_freq(&self) -> Vec<f32> {
        (0..self.head_dim / 2)
            .map(|pair| {
                let exponent = (2 * pair) as f64 / self.head_dim as f64;
                let plain = self.rope_theta.powf(exponent).recip();
                self.scaled_frequency(pair, plain) as f32
            })
            .collect()
    }

    fn scaled_frequency(&self, pair: usize, plain: f64) -> f64 {
        match &self.rope_scaling {
            None => plain,
            Some(RopeScaling::Linear { factor }) => plain / factor,
            Some(RopeScaling::Divisors(divisors)) => plain / f64::from(divisors[pair]),
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            }) => {
                // Decided by the number of full turns within the pretraining context.
                let turns =
                    *original_max_position_embeddings as f64 * plain / std::f64::consts::TAU;
                let kept = ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor))
                    .clamp(0.0, 1.0);
                kept * plain + (1.0 - kept) * plain / factor
            }
        }
    }

    /// All tensors of the model with their shapes, in the order of the forward pass.
    ///
    /// Names and layouts (`[out, in]`) are Hugging Face's.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let mut tensors = vec![(
            "model.embed_tokens.weight".to_owned(),
            vec![self.vocab_size, self.hidden_size],
        )];
        for layer in 0..self.num_hidden_layers {
            tensors.extend(
                self.layer_tensors()
                    .into_iter()
                    .map(|(name, shape)| (format!("model.layers.{layer}.{name}"), shape)),
            );
        }
        tensors.push(("model.norm.weight".to_owned(), vec![self.hidden_size]));
        if !self.tie_word_embeddings {
            tensors.push((
                "lm_head.weight".to_owned(),
                vec![self.vocab_size, self.hidden_size],
            ));
        }
        tensors
    }

    /// Returns the shape of the tensor called `name`, or `None` if the model has no such tensor.
    pub fn tensor_shape(&self, name: &str) -> Option<Vec<usize>> {
        let matrix = || Some(vec![self.vocab_size, self.hidden_size]);
        match name {
            "model.embed_tokens.weight" => matrix(),
            "model.norm.weight" => Some(vec![self.hidden_size]),
            "lm_head.weight" if !self.tie_word_embeddings => matrix(),
            _ => {
                let (layer, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
                let layer: usize = layer.parse().ok()?;
                if layer >= self.num_hidden_layers {
                    return None;
                }
                self.layer_tensors()
                    .into_iter()
                    .find_map(|(name, shape)| (name == part).then_some(shape))
            }
        }
    }

    /// Names (within a layer) and shapes of the tensors of one layer.
    fn layer_tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let hidden = self.hidden_size;
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        let mut tensors = vec![
            ("input_layernorm.weight", vec![hidden]),
            ("self_attn.q_proj.weight", vec![queries, hidden]),
            ("self_attn.k_proj.weight", vec![keys, hidden]),
            ("self_attn.v_proj.weight", vec![keys, hidden]),
            ("self_attn.o_proj.weight", vec![hidden, queries]),
            ("post_attention_layernorm.weight", vec![hidden]),
            ("mlp.gate_proj.weight", vec![self.intermediate_size, hidden]),
            ("mlp.up_proj.weight", vec![self.intermediate_size, hidden]),
            ("mlp.down_proj.weight", vec![hidden, self.intermediate_size]),
        ];
        if self.qkv_bias {
            tensors.extend([
                ("self_attn.q_proj.bias", vec![queries]),
                ("self_attn.k_proj.bias", vec![keys]),
                ("self_attn.v_proj.bias", vec![keys]),
            ]);
        }
        tensors
    }

    /// The number of parameters; a tied head is counted once.
    pub fn num_parameters(&self) -> usize {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        let layer: usize = self.layer_tensors().iter().map(|(_, s)| count(s)).sum();
        let matrices = if self.tie_word_embeddings { 1 } else { 2 };
        self.num_hidden_layers * layer
            + matrices * self.vocab_size * self.hidden_size
            + self.hidden_size
    }
}

pub(crate) fn unsupported_rope(kind: &str) -> ConfigError {
    ConfigError::Unsupported {
        key: "rope_scaling",
        found: kind.to_owned(),
        supported: "default, linear and llama3",
    }
}

/// The head width of a model whose configuration does not give it.
pub(crate) fn head_dim_from(hidden_size: usize, heads: usize) -> Result<usize, ConfigError> {
    if heads == 0 || !hidden_size.is_multiple_of(heads) {
        let expected = format!("a divisor of hidden_size, {hidden_size}");
        return Err(value_error("num_attention_heads", heads, expected));
    }
    Ok(hidden_size / heads)
}

fn value_error(
    key: &'static str,
    found: impl fmt::Display,
    expected: impl Into<String>,
) -> ConfigError {
    ConfigError::Value {
        key,
        found: found.to_string(),
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::json::tests::tiny;
    use super::*;

    #[test]
    fn llama3_scaling_keeps_high_frequencies_and_divides_low_ones() {
        // Llama 3.2 1B's settings; the divisors are those that its GGUF conversion stores.
        let config = tiny(
            r#"{"head_dim": 64, "rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 32,
            "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}}"#,
        )
        .expect("valid");
        let plain = ModelConfig {
            rope_scaling: None,
            ..config.clone()
        }
        .inv_freq();
        let scaled = config.inv_freq();
        assert_eq!(plain[0].to_bits(), 1f32.to_bits());
        assert_eq!(scaled[0].to_bits(), plain[0].to_bits());
        let divisor = plain[31] / scaled[31];
        assert!((divisor - 32.0).abs() < 1e-4, "{divisor}");
        assert!(scaled.windows(2).all(|pair| pair[1] < pair[0]));
        let divisors: Vec<f32> = plain.iter().zip(&scaled).map(|(p, s)| p / s).collect();
        let by_divisors = ModelConfig {
            rope_scaling: Some(RopeScaling::Divisors(divisors)),
            ..config
        };
        by_divisors.check().expect("valid");
        for (a, b) in by_divisors.inv_freq().iter().zip(&scaled) {
            assert!((a / b - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_parameter_count_is_the_sum_over_all_tensors() {
        for change in [
            r"{}",
            r#"{"tie_word_embeddings": false}"#,
            r#"{"model_type": "llama"}"#,
        ] {
            let config = tiny(change).expect("valid");
            let sum: usize = config
                .tensors()
                .iter()
                .map(|(_, s)| s.iter().product::<usize>())
                .sum();
            assert_eq!(config.num_parameters(), sum, "{change}");
            for (name, shape) in config.tensors() {
                assert_eq!(config.tensor_shape(&name), Some(shape), "{name}");
            }
        }
        let config = tiny("{}").expect("valid");
        assert_eq!(
            config.tensor_shape("model.layers.2.input_layernorm.weight"),
            None
        );
        assert_eq!(config.tensor_shape("lm_head.weight"), None);
    }
}
