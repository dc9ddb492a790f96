//! The keys of `config.json` as they are written, for all families.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{
    ConfigError, LayerKind, ModelConfig, RopeScaling, long_rope_attention_factor, unsupported_rope,
    yarn_attention_factor,
};

/// The keys of `config.json` that are read. Keys without effect on the decoder are ignored.
#[derive(Deserialize)]
pub(crate) struct RawConfig {
    pub(super) model_type: Option<String>,
    pub(super) vocab_size: Option<usize>,
    pub(super) hidden_size: Option<usize>,
    pub(super) intermediate_size: Option<usize>,
    pub(super) num_hidden_layers: Option<usize>,
    pub(super) num_attention_heads: Option<usize>,
    pub(super) num_key_value_heads: Option<usize>,
    pub(crate) head_dim: Option<usize>,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) rope_theta: Option<f64>,
    pub(super) rope_scaling: Option<RawRope>,
    /// Newer releases of transformers write theta and scaling together under this key.
    pub(super) rope_parameters: Option<RawRope>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) max_position_embeddings: Option<usize>,
    pub(super) original_max_position_embeddings: Option<usize>,
    pub(super) tie_word_embeddings: Option<bool>,
    pub(super) attention_bias: Option<bool>,
    pub(super) mlp_bias: Option<bool>,
    pub(super) hidden_act: Option<String>,
    pub(super) hidden_activation: Option<String>,
    pub(crate) use_sliding_window: Option<bool>,
    #[serde(default)]
    sliding_window: WindowKey,
    pub(crate) max_window_layers: Option<usize>,
    pub(super) sliding_window_pattern: Option<usize>,
    /// The name that transformers 5 writes.
    #[serde(rename = "_sliding_window_pattern")]
    pub(super) private_sliding_window_pattern: Option<usize>,
    pub(crate) layer_types: Option<Vec<String>>,
    pub(crate) no_rope_layers: Option<Vec<i64>>,
    pub(crate) no_rope_layer_interval: Option<usize>,
    pub(super) rope_local_base_freq: Option<f64>,
    pub(crate) query_pre_attn_scalar: Option<f64>,
    pub(crate) final_logit_softcapping: Option<f64>,
    pub(crate) attn_logit_softcapping: Option<f64>,
    pub(crate) use_bidirectional_attention: Option<bool>,
    pub(crate) embedding_multiplier: Option<f64>,
    pub(crate) residual_multiplier: Option<f64>,
    pub(crate) attention_multiplier: Option<f64>,
    pub(crate) logits_scaling: Option<f64>,
    pub(crate) num_local_experts: Option<usize>,
    pub(crate) shared_intermediate_size: Option<usize>,
    pub(crate) position_embedding_type: Option<String>,
    pub(crate) use_bias: Option<bool>,
    pub(crate) norm_epsilon: Option<f64>,
    pub(super) bos_token_id: Option<Value>,
    pub(super) eos_token_id: Option<Value>,
}

/// The key `sliding_window`, whose absence means a default in some families.
#[derive(Clone, Copy, Default)]
enum WindowKey {
    #[default]
    Missing,
    Null,
    Tokens(usize),
}

impl<'de> Deserialize<'de> for WindowKey {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        let found = Option::<usize>::deserialize(value)?;
        Ok(found.map_or(Self::Null, Self::Tokens))
    }
}

/// Settings of rotary embedding, in either layout.
#[derive(Deserialize)]
pub(super) struct RawRope {
    pub(super) rope_theta: Option<f64>,
    rope_type: Option<String>,
    /// The older spelling of `rope_type`.
    #[serde(rename = "type")]
    kind: Option<String>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    pub(super) partial_rotary_factor: Option<f64>,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    mscale: Option<f64>,
    mscale_all_dim: Option<f64>,
    truncate: Option<bool>,
    short_factor: Option<Vec<f64>>,
    long_factor: Option<Vec<f64>>,
    /// Models with two rotary bases have the parameters of each kind of layer.
    full_attention: Option<Box<RawRope>>,
    sliding_attention: Option<Box<RawRope>>,
}

impl RawConfig {
    /// The window, or a default if the key is missing; `None` if it is null.
    pub(crate) fn window_or(&self, default: usize) -> Option<usize> {
        match self.sliding_window {
            WindowKey::Missing => Some(default),
            WindowKey::Null => None,
            WindowKey::Tokens(tokens) => Some(tokens),
        }
    }

    /// The window, if the key has one.
    pub(crate) fn window(&self) -> Option<usize> {
        match self.sliding_window {
            WindowKey::Missing | WindowKey::Null => None,
            WindowKey::Tokens(tokens) => Some(tokens),
        }
    }

    /// The number of layers after which the windows repeat, of which the last has none.
    pub(crate) fn sliding_window_pattern(&self) -> Option<usize> {
        self.sliding_window_pattern
            .or(self.private_sliding_window_pattern)
    }

    /// The base of the rotary frequencies of layers with a window.
    pub(crate) fn local_theta(&self) -> Option<f64> {
        let parameters = self.rope_parameters.as_ref();
        let local = parameters.and_then(|rope| rope.sliding_attention.as_deref());
        let theta = local.and_then(|rope| rope.rope_theta);
        theta.or(self.rope_local_base_freq)
    }

    /// Gives a window to the layers that `layer_types` lists as sliding or, without this list, that `has_window` selects.
    ///
    /// # Errors
    /// A type of layer that is neither full nor sliding attention.
    pub(crate) fn set_windows(
        &self,
        config: &mut ModelConfig,
        window: Option<usize>,
        has_window: impl Fn(usize) -> bool,
    ) -> Result<(), ConfigError> {
        let listed = self.layer_types.as_deref();
        let kind = |layer: usize| {
            let slides = match listed
                .and_then(|types| types.get(layer))
                .map(String::as_str)
            {
                Some("full_attention" | "attention") => false,
                Some("sliding_attention") => true,
                Some(other) => {
                    return Err(ConfigError::Unsupported {
                        key: "layer_types",
                        found: other.to_owned(),
                        supported: "full_attention and sliding_attention",
                    });
                }
                None => has_window(layer),
            };
            Ok(LayerKind {
                window: window.filter(|_| slides),
                ..config.layer_kind(layer)
            })
        };
        let kinds = (0..config.num_hidden_layers).map(kind);
        config.layer_kinds = kinds.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The rotary parameters of layers without a window, in either layout.
    pub(super) fn rope(&self) -> Option<&RawRope> {
        let nested = |rope: &'_ RawRope| rope.full_attention.is_some();
        match &self.rope_parameters {
            Some(rope) if nested(rope) => rope.full_attention.as_deref(),
            Some(rope) => Some(rope),
            None => self.rope_scaling.as_ref(),
        }
    }
}

impl RawRope {
    pub(super) fn scaling(
        &self,
        raw: &RawConfig,
        context: usize,
    ) -> Result<Option<RopeScaling>, ConfigError> {
        let original = self
            .original_max_position_embeddings
            .or(raw.original_max_position_embeddings);
        let factor = || required(self.factor, "rope_scaling.factor");
        let original_key = "rope_scaling.original_max_position_embeddings";
        let kind = self.rope_type.as_ref().or(self.kind.as_ref());
        match kind.map(String::as_str) {
            None | Some("default") => Ok(None),
            Some("linear") => Ok(Some(RopeScaling::Linear { factor: factor()? })),
            Some("llama3") => Ok(Some(RopeScaling::Llama3 {
                factor: factor()?,
                low_freq_factor: required(self.low_freq_factor, "rope_scaling.low_freq_factor")?,
                high_freq_factor: required(self.high_freq_factor, "rope_scaling.high_freq_factor")?,
                original_max_position_embeddings: required(original, original_key)?,
            })),
            // Phi-3's first files call `LongRoPE` so.
            Some("longrope" | "su") => self.long_rope(original, context).map(Some),
            Some("yarn") if self.short_factor.is_some() => {
                self.long_rope(original, context).map(Some)
            }
            Some("yarn") => {
                // Without it, the context is the original one, as in transformers.
                let original = original.unwrap_or(context);
                let factor = match self.factor {
                    Some(factor) => factor,
                    None => context as f64 / original.max(1) as f64,
                };
                let attention_factor =
                    match (self.attention_factor, self.mscale, self.mscale_all_dim) {
                        (Some(given), _, _) => given,
                        (None, Some(numerator), Some(denominator))
                            if numerator != 0.0 && denominator != 0.0 =>
                        {
                            yarn_attention_factor(factor, numerator)
                                / yarn_attention_factor(factor, denominator)
                        }
                        _ => yarn_attention_factor(factor, 1.0),
                    };
                let given = |value: Option<f64>| value.filter(|value| *value != 0.0);
                Ok(Some(RopeScaling::Yarn {
                    factor,
                    beta_fast: given(self.beta_fast).unwrap_or(32.0),
                    beta_slow: given(self.beta_slow).unwrap_or(1.0),
                    original_max_position_embeddings: original,
                    attention_factor,
                    truncate: self.truncate.unwrap_or(true),
                }))
            }
            Some(other) => Err(unsupported_rope(other)),
        }
    }

    fn long_rope(
        &self,
        original: Option<usize>,
        context: usize,
    ) -> Result<RopeScaling, ConfigError> {
        let original = original.unwrap_or(context);
        let ratio = match self.factor {
            Some(factor) => factor,
            None => context as f64 / original.max(1) as f64,
        };
        let derived = || long_rope_attention_factor(ratio, original);
        Ok(RopeScaling::LongRope {
            short: required(self.short_factor.clone(), "rope_scaling.short_factor")?,
            long: required(self.long_factor.clone(), "rope_scaling.long_factor")?,
            original_max_position_embeddings: original,
            attention_factor: self.attention_factor.unwrap_or_else(derived),
        })
    }
}

pub(super) fn required<T>(value: Option<T>, key: &str) -> Result<T, ConfigError> {
    value.ok_or_else(|| ConfigError::Missing {
        key: key.to_owned(),
    })
}
