//! Model configuration, read from `config.json` or the metadata of a GGUF file.
//!
//! [`ModelConfig`] keeps Hugging Face's field names. It is checked on construction, so that the decoder
//! can rely on it: every dimension is in a sane range and the head counts divide each other.

mod family;
mod heads;
mod json;
mod keys;
mod layers;
mod operations;
mod quantization;
mod raw;
mod rope;
mod target;
mod write;

pub use family::Family;
pub(crate) use family::{
    AttentionBias, FeedForwardForm, NormKind, OUTER_NAMES, QkNorm, RotaryLayout,
};
pub(crate) use heads::Heads;
pub(crate) use json::token_ids;
pub(crate) use keys::ModelKeys;
pub use layers::LayerKind;
pub(crate) use quantization::{
    FP8_SCALES, Fp8, SETTINGS_FILES, fp8_or_refused, refuse_quantised_tensors,
};
pub(crate) use rope::{
    PerBase, long_rope_attention_factor, unsupported_rope, yarn_attention_factor,
};
pub use rope::{RopeBase, RopeScaling};
pub use target::Target;

use std::fmt;

use thiserror::Error;

/// The norm of the queries, within a layer.
pub(crate) const Q_NORM: &str = "self_attn.q_norm";
/// The norm of the keys, within a layer.
pub(crate) const K_NORM: &str = "self_attn.k_norm";

/// The activation function of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// The approximation of GELU by a hyperbolic tangent.
    GeluTanh,
}

/// Which linear layers have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Biases {
    /// The query, key and value projections.
    pub qkv: bool,
    /// The output projection of attention.
    pub output: bool,
    /// The feed-forward layers.
    pub feed_forward: bool,
}

/// Constants that activations are multiplied by; 1 in most families.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Multipliers {
    /// Multiplies the embeddings of the tokens.
    pub embedding: f64,
    /// Multiplies the output of each block before it is added to the residual stream.
    pub residual: f64,
    /// Divides the logits.
    pub logits_divisor: f64,
}

impl Multipliers {
    /// No multiplication.
    pub const NONE: Self = Self {
        embedding: 1.0,
        residual: 1.0,
        logits_divisor: 1.0,
    };
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
    /// The rotated elements of a head, from the first on; even.
    pub rotary_dim: usize,
    /// The factor of attention scores; `1 / sqrt(head_dim)` if `None`.
    pub attention_scale: Option<f64>,
    /// Added to the mean square, or to the variance, in every norm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Scaling of the rotary frequencies, if any.
    pub rope_scaling: Option<RopeScaling>,
    /// Base of the rotary frequencies of layers with [`RopeBase::Local`], which are not scaled.
    pub rope_local_theta: Option<f64>,
    /// How each layer sees positions; repeats from its start in a model of more layers.
    pub layer_kinds: Vec<LayerKind>,
    /// Maximum sequence length, in tokens, with every scaling of the rotary frequencies; see also
    /// [`Self::context_length`].
    pub max_position_embeddings: usize,
    /// Whether a model with [`RopeScaling::LongRope`] has the frequencies of contexts beyond the original one.
    pub long_context: bool,
    /// Whether the output head is the embedding itself.
    pub tie_word_embeddings: bool,
    /// The activation of the feed-forward blocks.
    pub activation: Activation,
    /// Which linear layers have biases.
    pub biases: Biases,
    /// Constants that activations are multiplied by.
    pub multipliers: Multipliers,
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
        "unknown architecture `{found}`\nhint: {}supported architectures: {}",
        kin.map(|kin| format!("its nearest supported kin is `{kin}`; ")).unwrap_or_default(),
        supported_families()
    )]
    UnknownArchitecture {
        /// The name in the file.
        found: String,
        /// The supported family whose name or design is nearest, if any is near.
        kin: Option<&'static str>,
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
    /// The file with the metadata cannot be read, or a key of it has another type.
    #[error(transparent)]
    Keys(Box<dyn std::error::Error + Send + Sync>),
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
        kin: Family::nearest(name),
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
        self.check_rope()?;
        if self.rotary_dim != self.head_dim && self.family.gguf_rotary == RotaryLayout::Interleaved
        {
            return Err(ConfigError::Unsupported {
                key: "partial_rotary_factor",
                found: format!(
                    "rotation of {} of {} elements",
                    self.rotary_dim, self.head_dim
                ),
                supported: "rotation of whole heads in this family",
            });
        }
        let Multipliers {
            embedding,
            residual,
            logits_divisor,
        } = self.multipliers;
        for (key, found) in [
            ("embedding_multiplier", embedding),
            ("residual_multiplier", residual),
            ("logits_scaling", logits_divisor),
            ("attention_multiplier", self.attention_scale.unwrap_or(1.0)),
        ] {
            if !(found.is_finite() && found > 0.0) {
                return Err(value_error(key, found, "a positive number"));
            }
        }
        if self.layer_kinds.iter().any(|kind| kind.window == Some(0)) {
            return Err(value_error("sliding_window", 0, "at least 1"));
        }
        Ok(())
    }

    /// The maximum sequence length in tokens; with [`RopeScaling::LongRope`], the original context unless
    /// [`Self::long_context`] is on.
    pub fn context_length(&self) -> usize {
        match &self.rope_scaling {
            Some(RopeScaling::LongRope {
                original_max_position_embeddings,
                ..
            }) if !self.long_context => {
                (*original_max_position_embeddings).min(self.max_position_embeddings)
            }
            _ => self.max_position_embeddings,
        }
    }

    /// The factor of queries, so that products with keys are attention scores.
    pub(crate) fn query_scale(&self) -> f32 {
        match self.attention_scale {
            Some(scale) => scale as f32,
            None => Heads::of(self).scale(),
        }
    }

    /// The linear layers of a decoder layer, in the order of a forward pass.
    pub fn targets(&self) -> &'static [Target] {
        self.family.targets
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
        for kind in self.family.norm.parts() {
            tensors.push((format!("model.norm.{kind}"), vec![self.hidden_size]));
        }
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
            "model.norm.bias" if self.family.norm == NormKind::Layer => {
                Some(vec![self.hidden_size])
            }
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
    fn layer_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let Family { norm, norms, .. } = self.family;
        let norm = |name: Option<&'static str>| {
            let parts = name.into_iter().flat_map(|name| {
                let parts = norm.parts().iter();
                parts.map(move |part| (format!("{name}.{part}"), vec![self.hidden_size]))
            });
            parts.collect::<Vec<_>>()
        };
        let mut tensors = norm(norms.before_attention);
        let mut biases = Vec::new();
        for &target in self.targets() {
            let (out_features, in_features) = target.shape(self);
            let name = target.path_in_layer();
            tensors.push((format!("{name}.weight"), vec![out_features, in_features]));
            if target.has_bias(self) {
                biases.push((format!("{name}.bias"), vec![out_features]));
            }
            if target == Target::OProj {
                tensors.extend(norm(norms.after_attention));
                tensors.extend(norm(norms.before_feed_forward));
            }
        }
        tensors.extend(norm(norms.after_feed_forward));
        tensors.extend(biases);
        if let Some([query, key]) = self.qk_norm_widths() {
            tensors.push((format!("{Q_NORM}.weight"), vec![query]));
            tensors.push((format!("{K_NORM}.weight"), vec![key]));
        }
        tensors
    }

    /// Widths of the norms of queries and keys, if the family has them.
    pub(crate) fn qk_norm_widths(&self) -> Option<[usize; 2]> {
        Some(match self.family.qk_norm? {
            QkNorm::PerHead => [self.head_dim; 2],
            QkNorm::FullWidth => {
                [self.num_attention_heads, self.num_key_value_heads].map(|n| n * self.head_dim)
            }
        })
    }

    /// The number of parameters; a tied head is counted once.
    pub fn num_parameters(&self) -> usize {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        let layer: usize = self.layer_tensors().iter().map(|(_, s)| count(s)).sum();
        let matrices = if self.tie_word_embeddings { 1 } else { 2 };
        self.num_hidden_layers * layer
            + matrices * self.vocab_size * self.hidden_size
            + self.family.norm.parts().len() * self.hidden_size
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

    #[test]
    fn the_parameter_count_is_the_sum_over_all_tensors() {
        for change in [
            r"{}",
            r#"{"tie_word_embeddings": false}"#,
            r#"{"model_type": "llama"}"#,
            r#"{"model_type": "llama", "attention_bias": true, "mlp_bias": true}"#,
            r#"{"model_type": "qwen3"}"#,
            r#"{"model_type": "starcoder2"}"#,
            r#"{"model_type": "olmo2"}"#,
            r#"{"model_type": "phi3"}"#,
            r#"{"model_type": "gemma3_text", "head_dim": 16}"#,
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
