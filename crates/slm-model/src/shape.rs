//! Shapes of well-known models by name, for benchmarks that need no file.

use std::fmt;
use std::str::FromStr;

use crate::config::Family;
use crate::config::{AttentionBias, Biases, LayerKind, ModelConfig, Multipliers, RopeScaling};

/// A named model shape; its weights are random, not read: see [`Weights::synthetic`](crate::Weights::synthetic).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NamedShape(&'static Dimensions);

/// The configuration values that differ between the shapes, named as in Hugging Face transformers.
#[derive(Debug, PartialEq)]
struct Dimensions {
    name: &'static str,
    model_type: &'static str,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    rms_norm_eps: f64,
    rope_theta: f64,
    max_position_embeddings: usize,
    tie_word_embeddings: bool,
}

/// From the models' own `config.json`; the last two are made up, small enough for any device's first test.
const SHAPES: [Dimensions; 10] = [
    Dimensions {
        name: "smollm2-135m",
        model_type: "llama",
        vocab_size: 49_152,
        hidden_size: 576,
        intermediate_size: 1536,
        num_hidden_layers: 30,
        num_attention_heads: 9,
        num_key_value_heads: 3,
        rms_norm_eps: 1e-5,
        rope_theta: 1e5,
        max_position_embeddings: 8192,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "smollm2-360m",
        model_type: "llama",
        vocab_size: 49_152,
        hidden_size: 960,
        intermediate_size: 2560,
        num_hidden_layers: 32,
        num_attention_heads: 15,
        num_key_value_heads: 5,
        rms_norm_eps: 1e-5,
        rope_theta: 1e5,
        max_position_embeddings: 8192,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "qwen2.5-0.5b",
        model_type: "qwen2",
        vocab_size: 151_936,
        hidden_size: 896,
        intermediate_size: 4864,
        num_hidden_layers: 24,
        num_attention_heads: 14,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 32_768,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "qwen2.5-1.5b",
        model_type: "qwen2",
        vocab_size: 151_936,
        hidden_size: 1536,
        intermediate_size: 8960,
        num_hidden_layers: 28,
        num_attention_heads: 12,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 32_768,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "qwen2.5-3b",
        model_type: "qwen2",
        vocab_size: 151_936,
        hidden_size: 2048,
        intermediate_size: 11_008,
        num_hidden_layers: 36,
        num_attention_heads: 16,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 32_768,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "qwen2.5-7b",
        model_type: "qwen2",
        vocab_size: 152_064,
        hidden_size: 3584,
        intermediate_size: 18_944,
        num_hidden_layers: 28,
        num_attention_heads: 28,
        num_key_value_heads: 4,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 32_768,
        tie_word_embeddings: false,
    },
    Dimensions {
        name: "qwen3-0.6b",
        model_type: "qwen3",
        vocab_size: 151_936,
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 8,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 40_960,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "llama-3.2-1b",
        model_type: "llama",
        vocab_size: 128_256,
        hidden_size: 2048,
        intermediate_size: 8192,
        num_hidden_layers: 16,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        rms_norm_eps: 1e-5,
        rope_theta: 5e5,
        max_position_embeddings: 131_072,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "tiny-qwen2",
        model_type: "qwen2",
        vocab_size: 512,
        hidden_size: 64,
        intermediate_size: 160,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 1024,
        tie_word_embeddings: true,
    },
    Dimensions {
        name: "tiny-llama",
        model_type: "llama",
        vocab_size: 384,
        hidden_size: 96,
        intermediate_size: 224,
        num_hidden_layers: 3,
        num_attention_heads: 6,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-5,
        rope_theta: 1e4,
        max_position_embeddings: 1024,
        tie_word_embeddings: false,
    },
];

/// An unknown shape name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown shape `{found}`\nhint: one of {}", NamedShape::names().join(", "))]
pub struct UnknownShape {
    /// The name requested.
    found: String,
}

impl NamedShape {
    /// Returns all names.
    pub fn names() -> Vec<&'static str> {
        SHAPES.iter().map(|shape| shape.name).collect()
    }

    /// Returns the shape's name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the configuration of a model of this shape.
    pub fn config(self) -> ModelConfig {
        let &Dimensions {
            name,
            model_type,
            vocab_size,
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            rms_norm_eps,
            rope_theta,
            max_position_embeddings,
            tie_word_embeddings,
        } = self.0;
        let family = Family::of_model_type(model_type)
            .unwrap_or_else(|| unreachable!("{name}: a shape of an unknown family"));
        // Qwen3's heads are wider than their share of the residual stream.
        let head_dim = match model_type {
            "qwen3" => 128,
            _ => hidden_size / num_attention_heads,
        };
        ModelConfig {
            family,
            vocab_size,
            hidden_size,
            intermediate_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            rotary_dim: head_dim,
            attention_scale: None,
            rms_norm_eps,
            rope_theta,
            rope_scaling: (name == "llama-3.2-1b").then_some(RopeScaling::Llama3 {
                factor: 32.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_max_position_embeddings: 8192,
            }),
            rope_local_theta: None,
            layer_kinds: vec![LayerKind::GLOBAL],
            max_position_embeddings,
            long_context: false,
            tie_word_embeddings,
            activation: family.activation,
            biases: Biases {
                qkv: family.attention_bias == AttentionBias::OfInputs,
                output: false,
                feed_forward: false,
            },
            multipliers: Multipliers::NONE,
            eos_token_ids: Vec::new(),
            bos_token_id: None,
        }
    }
}

impl FromStr for NamedShape {
    type Err = UnknownShape;

    fn from_str(text: &str) -> Result<Self, UnknownShape> {
        let found = SHAPES.iter().find(|shape| shape.name == text);
        found.map(Self).ok_or_else(|| UnknownShape {
            found: text.to_owned(),
        })
    }
}

impl fmt::Display for NamedShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_the_parameters_that_their_publishers_count() {
        for (name, parameters) in [
            ("smollm2-135m", 134_515_008),
            ("smollm2-360m", 361_821_120),
            ("qwen2.5-0.5b", 494_032_768),
            ("qwen2.5-1.5b", 1_543_714_304),
            ("qwen2.5-3b", 3_085_938_688),
            ("qwen2.5-7b", 7_615_616_512),
            ("qwen3-0.6b", 596_049_920),
            ("llama-3.2-1b", 1_235_814_400),
        ] {
            let shape: NamedShape = name.parse().expect("a known shape");
            assert_eq!(shape.config().num_parameters(), parameters, "{name}");
        }
    }

    #[test]
    fn the_peers_measure_the_same_shapes() {
        let text = include_str!("../../../benches/shapes.json");
        let shapes: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).expect("JSON");
        assert_eq!(
            shapes.keys().map(String::as_str).collect::<Vec<_>>(),
            NamedShape::names()
        );
        for (name, fields) in &shapes {
            let shape: NamedShape = name.parse().expect("a known shape");
            let theirs = ModelConfig::from_json(&fields.to_string()).expect("a configuration");
            assert_eq!(shape.config(), theirs, "{name}");
        }
    }

    #[test]
    fn every_shape_makes_sense_and_an_unknown_one_is_answered_with_the_names() {
        for name in NamedShape::names() {
            let shape: NamedShape = name.parse().expect("a known shape");
            assert_eq!(shape.to_string(), name);
            shape.config().check().expect("a sound configuration");
        }
        let error = "qwen".parse::<NamedShape>().expect_err("no such shape");
        assert!(error.to_string().contains("smollm2-135m, "), "{error}");
    }
}
