//! Pre-tokenization rules of GGUF files, which contain only a rule's name.
//!
//! The rules are those of the models' own `tokenizer.json` where it is known, otherwise llama.cpp's.
//!
//! # Source
//! `src/llama-vocab.cpp` of <https://github.com/ggml-org/llama.cpp>, and the models' `tokenizer.json`.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

/// How a text is prepared before byte pairs are merged.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    /// Names in GGUF files.
    names: &'static [&'static str],
    /// Steps that split the text; each splits the pieces of the previous one.
    steps: &'static [Step],
    /// Whether the text is normalized to NFC first.
    pub(super) is_nfc: bool,
    /// Whether a piece that is in the vocabulary is one token, whatever the merges give.
    pub(super) ignores_merges: bool,
    /// Whether a text starts with the begin token if the file has no `add_bos_token`.
    pub(super) adds_begin: bool,
}

/// One step of splitting.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Matches of a regular expression, and the text between them.
    Regex(&'static str),
    /// Each digit alone.
    EachDigit,
    /// GPT-2's regular expression.
    Gpt2,
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|]+";
const GPT2_WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";

/// A rule without normalization, whose merges decide and which adds no begin token.
const PLAIN: PreTokenizer = PreTokenizer {
    names: &[],
    steps: &[],
    is_nfc: false,
    ignores_merges: false,
    adds_begin: false,
};

/// All rules; a name occurs once.
static PRE_TOKENIZERS: &[PreTokenizer] = &[
    PreTokenizer {
        names: &["default"],
        steps: &[
            Step::Regex(PUNCTUATION),
            Step::Regex(GPT2_WORDS),
            Step::Regex(r"\p{N}+"),
            Step::Regex("[0-9][0-9][0-9]"),
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &[
            "gpt-2",
            "phi-2",
            "gigachat",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "a.x-4.0",
            "mellum",
            "exaone4",
        ],
        steps: &[Step::Gpt2],
        ..PLAIN
    },
    PreTokenizer {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
        ],
        steps: &[Step::Regex(LLAMA3)],
        ignores_merges: true,
        adds_begin: true,
        ..PLAIN
    },
    // llama.cpp omits the normalization that Qwen2 models are published with.
    PreTokenizer {
        names: &["qwen2"],
        steps: &[Step::Regex(QWEN2)],
        is_nfc: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-r1-qwen", "kormo", "megrez"],
        steps: &[Step::Regex(QWEN2)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["smollm"],
        steps: &[Step::EachDigit, Step::Gpt2],
        ..PLAIN
    },
];

impl PreTokenizer {
    /// Returns the rule with this name.
    pub(super) fn of_name(name: &str) -> Option<&'static Self> {
        PRE_TOKENIZERS
            .iter()
            .find(|rule| rule.names.contains(&name))
    }

    /// All names, separated by commas.
    pub(super) fn all_names() -> String {
        let names: Vec<&str> = PRE_TOKENIZERS
            .iter()
            .flat_map(|rule| rule.names)
            .copied()
            .collect();
        names.join(", ")
    }

    /// Builds the steps of the tokenizer, the last of which spells bytes as letters.
    ///
    /// # Errors
    /// The library does not compile a regular expression.
    pub(super) fn build(&self) -> Result<PreTokenizerWrapper, tokenizers::Error> {
        let byte_level =
            |use_regex| PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, use_regex));
        let mut built = Vec::new();
        for step in self.steps {
            built.push(match *step {
                Step::Regex(pattern) => {
                    let pattern = SplitPattern::Regex(pattern.to_owned());
                    let behavior = SplitDelimiterBehavior::Isolated;
                    PreTokenizerWrapper::Split(Split::new(pattern, behavior, false)?)
                }
                Step::EachDigit => PreTokenizerWrapper::Digits(Digits::new(true)),
                Step::Gpt2 => byte_level(true),
            });
        }
        if !matches!(self.steps.last(), Some(Step::Gpt2)) {
            // Without its regular expression, this step only spells bytes.
            built.push(byte_level(false));
        }
        Ok(PreTokenizerWrapper::Sequence(Sequence::new(built)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_has_one_rule_that_compiles() {
        let mut seen = BTreeSet::new();
        for rule in PRE_TOKENIZERS {
            rule.build().expect("valid expressions");
            for name in rule.names {
                assert!(seen.insert(name), "{name} occurs twice");
            }
        }
    }
}
