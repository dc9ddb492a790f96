//! Model families: one record per family for what differs in names, biases, defaults and tokenizers. All of them
//! compute with the same operations.
//!
//! To add a family with these operations, add a file with its record, a line in [`Family::ALL`], and a golden
//! (`tests/it/golden/tiny-MODEL_TYPE`, and the GGUF file made from it).

mod llama;
mod pre_tokenizer;
mod qwen2;

use std::fmt;

pub(crate) use pre_tokenizer::PreTokenizer;

/// The differences of one decoder family from the others.
#[derive(Debug)]
pub struct Family {
    /// `model_type` in `config.json`.
    pub model_type: &'static str,
    /// The class in `architectures` of `config.json`.
    pub class: &'static str,
    /// `general.architecture` of GGUF files, which is also the prefix of their metadata keys.
    pub gguf_architecture: &'static str,
    /// Tensor names in GGUF files.
    pub(crate) gguf_names: GgufNames,
    /// Order of the rows of query and key projections in GGUF files.
    pub(crate) gguf_rotary: RotaryLayout,
    /// Whether the query, key and value projections have biases.
    pub(crate) qkv_bias: bool,
    /// Default of `rms_norm_eps` if `config.json` has none.
    pub(crate) rms_norm_eps: f64,
    /// Default of `rope_theta` if `config.json` or the GGUF file has none.
    pub(crate) rope_theta: f64,
    /// Default of `tie_word_embeddings` if `config.json` has none.
    pub(crate) tie_word_embeddings: bool,
    /// Names of pre-tokenizers in GGUF files of this family and of models derived from it, and their rules.
    pub(crate) pre_tokenizers: &'static [(&'static str, PreTokenizer)],
}

/// Order of the rows of a query or key projection within a head, for rotary embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RotaryLayout {
    /// Element `i` is rotated with element `i + head_dim / 2`, as in Hugging Face's layout.
    HalfSplit,
    /// Element `2 i` is rotated with element `2 i + 1`: the converter has permuted the rows.
    Interleaved,
}

/// Tensor names in GGUF files.
#[derive(Debug)]
pub(crate) struct GgufNames {
    /// `model.embed_tokens.weight`.
    pub(crate) embedding: &'static str,
    /// `model.norm.weight`.
    pub(crate) norm: &'static str,
    /// `lm_head.weight`.
    pub(crate) head: &'static str,
    /// Hugging Face's and GGUF's names within a layer, without `.weight` or `.bias`.
    pub(crate) layer: [(&'static str, &'static str); 9],
}

/// The tensor names that llama.cpp uses for most families.
const LLAMA_CPP_NAMES: GgufNames = GgufNames {
    embedding: "token_embd.weight",
    norm: "output_norm.weight",
    head: "output.weight",
    layer: [
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ],
};

impl Family {
    /// All supported families.
    pub const ALL: &[&Self] = &[&llama::LLAMA, &qwen2::QWEN2];

    /// Returns the family with this `model_type`.
    pub fn of_model_type(model_type: &str) -> Option<&'static Self> {
        Self::find(|family| family.model_type == model_type)
    }

    /// Returns the family with this `general.architecture` in GGUF files.
    pub fn of_gguf_architecture(architecture: &str) -> Option<&'static Self> {
        Self::find(|family| family.gguf_architecture == architecture)
    }

    fn find(is_it: impl Fn(&Self) -> bool) -> Option<&'static Self> {
        Self::ALL.iter().copied().find(|family| is_it(family))
    }
}

impl GgufNames {
    /// Hugging Face's and GGUF's tensor names outside the layers.
    pub(crate) fn outer(&self) -> [(&'static str, &'static str); 3] {
        [
            ("model.embed_tokens.weight", self.embedding),
            ("model.norm.weight", self.norm),
            ("lm_head.weight", self.head),
        ]
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
    fn a_name_stands_once_in_the_table() {
        let mut seen = BTreeSet::new();
        for family in Family::ALL {
            assert!(seen.insert(("model", family.model_type)), "{family} twice");
            for (name, _) in family.pre_tokenizers {
                assert!(seen.insert(("pre-tokenizer", name)), "{name} twice");
            }
        }
    }
}
