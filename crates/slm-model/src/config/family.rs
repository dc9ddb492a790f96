//! Model families: one record per family for what differs in names, operations, defaults and configuration keys.
//!
//! To add a family with the operations that exist, add a file with its record, a line in [`Family::ALL`], and a golden
//! (`tests/it/golden/families`). A new operation has two places more: the decoder's layer and the engine's.

mod gemma3;
mod granite;
mod granite_hybrid;
mod llama;
mod mistral;
mod olmo2;
mod phi3;
mod qwen2;
mod qwen3;
mod smollm3;
mod starcoder2;

use std::fmt;

use super::keys::ModelKeys;
use super::raw::RawConfig;
use super::target::Target;
use super::{Activation, ConfigError, ModelConfig};

/// The differences of one decoder family from the others.
#[derive(Debug)]
pub struct Family {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// The class in `architectures` of `config.json`.
    pub class: &'static str,
    /// `general.architecture` of GGUF files, which is also the prefix of their metadata keys. Families that llama.cpp
    /// converts to another one have that one's.
    pub gguf_architecture: &'static str,
    /// Hugging Face's and GGUF's names within a layer, without `.weight` or `.bias`.
    pub(crate) gguf_names: &'static [(&'static str, &'static str)],
    /// Order of the rows of query and key projections in GGUF files.
    pub(crate) gguf_rotary: RotaryLayout,
    /// The linear layers of a decoder layer, in the order of a forward pass.
    pub(crate) targets: &'static [Target],
    /// The kind of all norms of the residual stream.
    pub(crate) norm: NormKind,
    /// Where a layer has norms.
    pub(crate) norms: LayerNorms,
    /// Norms of queries and keys before the rotary embedding.
    pub(crate) qk_norm: Option<QkNorm>,
    /// Biases of the projections of attention.
    pub(crate) attention_bias: AttentionBias,
    /// Whether `mlp_bias` in `config.json` adds biases to the feed-forward layers.
    pub(crate) reads_mlp_bias: bool,
    /// The activation if `config.json` names none, and in GGUF files.
    pub(crate) activation: Activation,
    /// Default of `rms_norm_eps` if `config.json` has none.
    pub(crate) rms_norm_eps: f64,
    /// Default of `rope_theta` if `config.json` or the GGUF file has none.
    pub(crate) rope_theta: f64,
    /// Default of `tie_word_embeddings` if `config.json` has none.
    pub(crate) tie_word_embeddings: bool,
    /// Whether the embedding's module multiplies by the factor of the embeddings, so that `NEFTune`'s noise is added after it.
    pub(crate) scales_in_embedding: bool,
    /// Reads the family's own keys of `config.json`.
    pub(crate) read_json: fn(&RawConfig, &mut ModelConfig) -> Result<(), ConfigError>,
    /// Reads the family's own keys of a GGUF file.
    pub(crate) read_gguf: fn(&dyn ModelKeys, &mut ModelConfig) -> Result<(), ConfigError>,
}

/// When the projections of attention have biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttentionBias {
    /// All four, if `attention_bias` in `config.json` is true.
    IfConfigured,
    /// Those of queries, keys and values, always.
    OfInputs,
    /// None, or as the family's own keys have it.
    Never,
}

/// The kind of the norms of the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// `RMSNorm`.
    Rms,
    /// `RMSNorm` whose stored weights are differences from one; GGUF files contain the sums.
    RmsFromOne,
    /// `LayerNorm` with a bias.
    Layer,
}

impl NormKind {
    /// The tensors of a norm.
    pub(crate) fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Rms | Self::RmsFromOne => &["weight"],
            Self::Layer => &["weight", "bias"],
        }
    }
}

/// Names of the norms of a layer, by their place; `None` where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerNorms {
    /// Of the input of attention.
    pub(crate) before_attention: Option<&'static str>,
    /// Of the output of attention, before it is added to the residual stream.
    pub(crate) after_attention: Option<&'static str>,
    /// Of the input of the feed-forward block.
    pub(crate) before_feed_forward: Option<&'static str>,
    /// Of the output of the feed-forward block, before it is added to the residual stream.
    pub(crate) after_feed_forward: Option<&'static str>,
}

impl LayerNorms {
    /// The norms of most families: of the inputs of both blocks.
    const BEFORE: Self = Self {
        before_attention: Some("input_layernorm"),
        after_attention: None,
        before_feed_forward: Some("post_attention_layernorm"),
        after_feed_forward: None,
    };
}

/// What a norm of queries and keys is computed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// Each head by itself.
    PerHead,
    /// All heads of a token.
    FullWidth,
}

/// Order of the rows of a query or key projection within a head, for rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RotaryLayout {
    /// Element `i` is rotated with element `i + head_dim / 2`, as in Hugging Face's layout.
    HalfSplit,
    /// Element `2 i` is rotated with element `2 i + 1`: the converter has permuted the rows.
    Interleaved,
}

/// The forms of a feed-forward block, with the linear layers of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedForwardForm {
    /// `down(act(gate(x)) * up(x))`.
    Gated {
        gate: Target,
        up: Target,
        down: Target,
    },
    /// The same, with gate and up in one matrix, in this order.
    FusedGated { gate_up: Target, down: Target },
    /// `down(act(up(x)))`.
    Plain { up: Target, down: Target },
}

/// Tensor names outside the layers: Hugging Face's and GGUF's.
pub(crate) const OUTER_NAMES: [(&str, &str); 4] = [
    ("model.embed_tokens.weight", "token_embd.weight"),
    ("model.norm.weight", "output_norm.weight"),
    ("model.norm.bias", "output_norm.bias"),
    ("lm_head.weight", "output.weight"),
];

impl Family {
    /// All supported families.
    pub const ALL: &[&Self] = &[
        &llama::LLAMA,
        &qwen2::QWEN2,
        &qwen3::QWEN3,
        &smollm3::SMOLLM3,
        &granite::GRANITE,
        &granite_hybrid::GRANITE_HYBRID,
        &mistral::MISTRAL,
        &phi3::PHI3,
        &starcoder2::STARCODER2,
        &olmo2::OLMO2,
        &gemma3::GEMMA3_TEXT,
    ];

    /// Unsupported names with the supported family of the nearest design.
    const KIN: &[(&str, &str)] = &[
        ("qwen3_5", "qwen3"),
        ("qwen3_moe", "qwen3"),
        ("qwen2_moe", "qwen2"),
        ("qwen2_vl", "qwen2"),
        ("qwen2_5_vl", "qwen2"),
        ("ministral", "mistral"),
        ("mistral3", "mistral"),
        ("mixtral", "mistral"),
        ("gemma", "gemma3_text"),
        ("gemma2", "gemma3_text"),
        ("gemma3n", "gemma3_text"),
        ("gemma4", "gemma3_text"),
        ("phi", "phi3"),
        ("phimoe", "phi3"),
        ("olmo", "olmo2"),
        ("olmo3", "olmo2"),
        ("granitemoe", "granite"),
        ("granitehybrid", "granite"),
        ("starcoder", "starcoder2"),
        ("gpt_bigcode", "starcoder2"),
        ("llama4", "llama"),
        ("exaone4", "qwen3"),
        ("ernie4_5", "llama"),
        ("hunyuan_v1_dense", "qwen3"),
        ("lfm2", "qwen3"),
        ("minicpm", "granite"),
    ];

    /// Returns the family with this `model_type`.
    pub fn of_model_type(model_type: &str) -> Option<&'static Self> {
        Self::find(|family| family.model_type == model_type)
    }

    /// Returns the family with this `general.architecture` in GGUF files.
    pub fn of_gguf_architecture(architecture: &str) -> Option<&'static Self> {
        Self::find(|family| family.gguf_architecture == architecture)
    }

    /// Returns the supported family whose design is nearest to that of an unsupported one, if it is known.
    pub(crate) fn nearest(name: &str) -> Option<&'static str> {
        let name = name.to_lowercase().replace('-', "_");
        let exact = Self::KIN.iter().find(|(unknown, _)| *unknown == name);
        let begun = || {
            let longest = Self::KIN
                .iter()
                .filter(|(unknown, _)| name.starts_with(unknown));
            longest.max_by_key(|(unknown, _)| unknown.len())
        };
        if let Some((_, kin)) = exact.or_else(begun) {
            return Some(kin);
        }
        let begins = |family: &&&Self| name.starts_with(family.model_type);
        let begun = Self::ALL.iter().filter(begins);
        let longest = begun.max_by_key(|family| family.model_type.len());
        longest.map(|family| family.model_type)
    }

    fn find(is_it: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        Self::ALL.iter().copied().find(|family| is_it(family))
    }

    /// The form of the feed-forward blocks.
    pub(crate) fn feed_forward(&self) -> FeedForwardForm {
        match *self.targets {
            [.., gate @ Target::GateProj, up, down] => FeedForwardForm::Gated { gate, up, down },
            [.., up @ Target::CFc, down] => FeedForwardForm::Plain { up, down },
            [.., gate_up, down] => FeedForwardForm::FusedGated { gate_up, down },
            _ => unreachable!("{self}: a layer has linear layers"),
        }
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.model_type == other.model_type
    }
}

impl Eq for Family {}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.model_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn families_are_found_by_both_of_their_names() {
        for &family in Family::ALL {
            assert_eq!(Family::of_model_type(family.model_type), Some(family));
            let by_gguf = Family::of_gguf_architecture(family.gguf_architecture);
            assert!(by_gguf.is_some(), "{family}");
        }
        assert_eq!(Family::of_model_type("mamba"), None);
        assert_eq!(Family::of_gguf_architecture("mamba"), None);
    }

    #[test]
    fn a_model_type_is_listed_once_and_kin_are_supported() {
        let mut seen = BTreeSet::new();
        for family in Family::ALL {
            assert!(seen.insert(family.model_type), "{family} twice");
        }
        for (unknown, kin) in Family::KIN {
            assert!(seen.contains(kin), "{kin}");
            assert!(!seen.contains(unknown), "{unknown}");
        }
        assert_eq!(Family::nearest("qwen3_5_text"), Some("qwen3"));
        assert_eq!(Family::nearest("phi3small"), Some("phi3"));
        assert_eq!(Family::nearest("rwkv7"), None);
    }

    #[test]
    fn every_linear_layer_has_a_place_and_most_have_a_gguf_name() {
        for family in Family::ALL {
            let named = |target: &Target| {
                let path = target.path_in_layer();
                family.gguf_names.iter().any(|(hub, _)| *hub == path)
            };
            let unnamed: Vec<&str> = family
                .targets
                .iter()
                .filter(|target| !named(target))
                .map(|target| target.name())
                .collect();
            // llama.cpp splits this family's fused layer.
            let expected: &[&str] = if family.model_type == "granitemoehybrid" {
                &["input_linear"]
            } else {
                &[]
            };
            assert_eq!(unnamed, expected, "{family}");
        }
    }
}
