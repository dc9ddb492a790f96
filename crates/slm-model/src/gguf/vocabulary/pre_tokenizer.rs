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
    /// Whether a piece that is in the vocabulary is one token, even if merges give others.
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

/// Characters that the models of `DeepSeek` keep together.
const CJK: &str = "[一-龥ࠀ-一가-퟿]+";
const CJK_AND_KANA: &str = "[一-龥\u{3040}-ゟ゠-ヿ]+";
/// Letters with upper and lower case, as `DeepSeek` LLM lists them, after one white space.
const DEEPSEEK_WORDS: &str = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u{1f7d}ᾀ-ᾴᾶ-ᾼ\u{1fbe}ῂ-ῄῆ-ῌῐ-\u{1fd3}ῖ-\u{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
const DEEPSEEK_PUNCTUATION: &str = "\\s?[!-/:-~！-／：-～‘-‟　-。]+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
/// Words of one case or capitalised, each with an English contraction; one to three digits.
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As [`GPT4O`], without contractions and with single digits.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As [`QWEN2`], with combining marks among the letters.
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As [`QWEN2`], but punctuation takes no line breaks with it.
const SEED_CODER: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
const BAILING: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const MINICPM5: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

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
            "modern-bert",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
        ],
        steps: &[Step::Gpt2],
        ..PLAIN
    },
    // Granite's files have `refact`.
    PreTokenizer {
        names: &[
            "smollm",
            "starcoder",
            "refact",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
        steps: &[Step::EachDigit, Step::Gpt2],
        ..PLAIN
    },
    PreTokenizer {
        names: &["command-r"],
        steps: &[Step::EachDigit, Step::Gpt2],
        is_nfc: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["falcon"],
        steps: &[
            Step::Regex(r"[\p{P}\$\+<=>\^~\|`]+"),
            Step::Regex(GPT2_WORDS),
            Step::Regex("[0-9][0-9][0-9]"),
        ],
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
            "jina-v5-nano",
        ],
        steps: &[Step::Regex(LLAMA3)],
        ignores_merges: true,
        adds_begin: true,
        ..PLAIN
    },
    // OLMo 2 has `dbrx`, SmolLM3 `smaug-bpe`.
    PreTokenizer {
        names: &["dbrx", "smaug-bpe", "chatglm-bpe"],
        steps: &[Step::Regex(LLAMA3)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["glm4", "glm5"],
        steps: &[Step::Regex(LLAMA3)],
        ignores_merges: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["minicpm5"],
        steps: &[Step::Regex(r"\p{N}{1,3}"), Step::Regex(MINICPM5)],
        ignores_merges: true,
        ..PLAIN
    },
    // llama.cpp omits the normalization that Qwen's and Cohere's models are published with.
    PreTokenizer {
        names: &["qwen2"],
        steps: &[Step::Regex(QWEN2)],
        is_nfc: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["qwen35"],
        steps: &[Step::Regex(QWEN35)],
        is_nfc: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &[
            "deepseek-r1-qwen",
            "kormo",
            "megrez",
            "f2llmv2",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        steps: &[Step::Regex(QWEN2)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["seed-coder"],
        steps: &[Step::Regex(SEED_CODER)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["bailingmoe", "bailingmoe2", "llada-moe"],
        steps: &[Step::Regex(BAILING)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        steps: &[
            Step::Regex(r"[\r\n]"),
            Step::Regex(r"\s?\p{L}+"),
            Step::Regex(r"\s?\p{P}+"),
            Step::Regex(CJK),
            Step::EachDigit,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-llm"],
        steps: &[
            Step::Regex(r"[\r\n]"),
            Step::Regex(DEEPSEEK_WORDS),
            Step::Regex(DEEPSEEK_PUNCTUATION),
            Step::Regex(r"\s+$"),
            Step::Regex(CJK),
            Step::Regex(r"\p{N}+"),
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        steps: &[
            Step::Regex(r"\p{N}{1,3}"),
            Step::Regex(CJK_AND_KANA),
            Step::Regex(DEEPSEEK3),
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["tekken"],
        steps: &[Step::Regex(TEKKEN)],
        ignores_merges: true,
        adds_begin: true,
        ..PLAIN
    },
    // Phi-4-mini has `gpt-4o`.
    PreTokenizer {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        steps: &[Step::Regex(GPT4O)],
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

    /// All names.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        PRE_TOKENIZERS.iter().flat_map(|rule| rule.names).copied()
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
