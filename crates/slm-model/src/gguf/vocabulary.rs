//! The tokenizer in a GGUF file's metadata.
//!
//! The file contains tokens with a type each, and either merges and the name of a pre-tokenizer (`gpt2`, byte-level
//! BPE) or scores (`llama`, `SentencePiece`); the rules behind these names are part of the programs that read such files.
//! The rules below are those of the original `tokenizer.json` if it is known (with NFC for Qwen2, which llama.cpp
//! omits), otherwise llama.cpp's.
//!
//! # Source
//! `src/llama-vocab.cpp` of <https://github.com/ggml-org/llama.cpp>, and the models' `tokenizer.json`.

mod pre_tokenizer;
mod sentence_piece;
mod template;
mod token_list;

use thiserror::Error;
use tokenizers::Tokenizer as HubTokenizer;
use tokenizers::models::bpe::{BPE, Merges};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::error::GgufError;
use super::metadata::Metadata;
use pre_tokenizer::PreTokenizer;
use template::TemplateDefaults;
use token_list::TokenList;

/// Maximum size of all special tokens together, in bytes; real models have a few thousand.
pub(crate) const MAX_ADDED_BYTES: usize = 1 << 20;

/// Metadata of a GGUF file that do not describe a supported tokenizer.
#[derive(Debug, Error)]
pub enum VocabularyError {
    /// A key is missing or has another type.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A tokenizer that is neither byte-level BPE nor `SentencePiece`.
    #[error(
        "tokenizer model `{found}` is not supported\nhint: expected gpt2 (byte-level BPE) or llama (SentencePiece), or a folder with tokenizer.json"
    )]
    UnknownModel {
        /// Its name.
        found: String,
    },
    /// An unknown pre-tokenizer.
    #[error(
        "pre-tokenizer `{found}` is not supported\nhint: expected one of {}, or a folder with tokenizer.json",
        pre_tokenizer_names().collect::<Vec<_>>().join(", ")
    )]
    UnknownPreTokenizer {
        /// Its name.
        found: String,
    },
    /// Tokens, types, scores and merges are inconsistent.
    #[error("corrupt vocabulary: {what}")]
    Corrupt {
        /// The inconsistency.
        what: String,
    },
}

/// The names of all pre-tokenizers; the first of those with the same rule is the most common one.
pub(crate) fn pre_tokenizer_names() -> impl Iterator<Item = &'static str> {
    PreTokenizer::names()
}

/// Builds the tokenizer described by `metadata`.
pub(crate) fn tokenizer_of(metadata: Metadata<'_>) -> Result<HubTokenizer, VocabularyError> {
    let key = "tokenizer.ggml.model";
    let model = metadata.require(key, metadata.string(key)?)?;
    match model {
        "gpt2" => byte_level(metadata),
        "llama" => sentence_piece::tokenizer_of(metadata),
        other => Err(VocabularyError::UnknownModel {
            found: other.to_owned(),
        }),
    }
}

/// Builds a byte-level BPE.
fn byte_level(metadata: Metadata<'_>) -> Result<HubTokenizer, VocabularyError> {
    let name = metadata.string("tokenizer.ggml.pre")?.unwrap_or("default");
    let pre_tokenizer =
        PreTokenizer::of_name(name).ok_or_else(|| VocabularyError::UnknownPreTokenizer {
            found: name.to_owned(),
        })?;
    let tokens = TokenList::read(metadata)?;
    let key = "tokenizer.ggml.merges";
    let merges = metadata.require(key, metadata.strings(key)?)?;
    let bpe = BPE::builder()
        .vocab_and_merges(tokens.vocabulary()?, pairs(merges)?)
        .ignore_merges(pre_tokenizer.ignores_merges)
        .build()
        .map_err(|error| corrupt(format!("merges: {error}")))?;
    let mut tokenizer = HubTokenizer::new(bpe);
    if pre_tokenizer.is_nfc {
        tokenizer.with_normalizer(Some(NFC));
    }
    let steps = pre_tokenizer
        .build()
        .map_err(|error| corrupt(error.to_string()))?;
    tokenizer.with_pre_tokenizer(Some(steps));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    tokenizer.add_tokens(&tokens.added()?);
    let defaults = TemplateDefaults {
        adds_begin: pre_tokenizer.adds_begin,
        ..TemplateDefaults::default()
    };
    tokenizer.with_post_processor(template::of(metadata, &tokens, &defaults)?);
    Ok(tokenizer)
}

/// Parses merges, two tokens separated by a space. Tokens contain no space, except as a first character in files of
/// careless converters.
fn pairs(merges: &[String]) -> Result<Merges, VocabularyError> {
    merges
        .iter()
        .map(|merge| {
            let first_len = merge.chars().next().map_or(0, char::len_utf8);
            let space = merge[first_len..].find(' ').map(|at| at + first_len);
            space
                .map(|at| (merge[..at].to_owned(), merge[at + 1..].to_owned()))
                .ok_or_else(|| corrupt(format!("merge {merge:?} is not a pair of tokens")))
        })
        .collect()
}

fn corrupt(what: String) -> VocabularyError {
    VocabularyError::Corrupt { what }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, opened};
    use super::*;

    fn built(fixture: &Fixture) -> Result<HubTokenizer, VocabularyError> {
        let (_folder, file) = opened(&fixture.bytes()).expect("a valid file");
        tokenizer_of(file.metadata())
    }

    fn refusal(fixture: &Fixture) -> String {
        built(fixture)
            .map(|_| ())
            .expect_err("must be refused")
            .to_string()
    }

    fn vocabulary_of(tokens: &[&str], merges: &[&str]) -> Fixture {
        Fixture::new()
            .string("tokenizer.ggml.model", "gpt2")
            .strings("tokenizer.ggml.tokens", tokens)
            .strings("tokenizer.ggml.merges", merges)
    }

    #[test]
    fn unknown_tokenizers_are_named_with_those_supported() {
        let other = Fixture::new().string("tokenizer.ggml.model", "t5");
        let message = refusal(&other);
        assert!(
            message.contains("`t5` is not supported")
                && message.contains("or llama (SentencePiece)"),
            "{message}"
        );
        let other = vocabulary_of(&["a"], &[]).string("tokenizer.ggml.pre", "kimi-k2");
        let message = refusal(&other);
        assert!(
            message.contains("`kimi-k2`") && message.contains("qwen2, qwen35, deepseek-r1-qwen"),
            "{message}"
        );
    }

    #[test]
    fn vocabularies_that_do_not_fit_together_are_corrupt() {
        for (fixture, expected) in [
            (
                vocabulary_of(&["a", "a"], &[]),
                "token \"a\" occurs twice, as 0 and 1",
            ),
            (vocabulary_of(&["a"], &["a"]), "not a pair of tokens"),
            (vocabulary_of(&["a", "b"], &["a b"]), "merges: "),
            (
                vocabulary_of(&["a"], &[]).integers("tokenizer.ggml.token_type", &[1, 1]),
                "1 tokens and 2",
            ),
            (
                vocabulary_of(&["a"], &[]).integers("tokenizer.ggml.token_type", &[7]),
                "token \"a\" is of type 7, expected 0 to 6",
            ),
            (
                vocabulary_of(&["a"], &[]).integers("tokenizer.ggml.token_type", &[-1]),
                "of type -1",
            ),
            (
                Fixture::new().string("tokenizer.ggml.model", "gpt2"),
                "`tokenizer.ggml.tokens` is missing",
            ),
        ] {
            assert!(
                refusal(&fixture).contains(expected),
                "{}",
                refusal(&fixture)
            );
        }
    }

    #[test]
    fn pre_tokenizers_split_as_their_names_say() {
        let letters = [
            "a", "'", "s", "1", "2", "3", "4", "Ċ", "Ġ", "!", "é", "Ã", "©",
        ];
        for (name, text, expected) in [
            ("gpt-2", "a's 1234!", &["a", "'s", "Ġ1234", "!"][..]),
            (
                "smollm",
                "a's 1234!",
                &["a", "'s", "Ġ", "1", "2", "3", "4", "!"],
            ),
            (
                "qwen2",
                "a's 1234!\n",
                &["a", "'s", "Ġ", "1", "2", "3", "4", "!Ċ"],
            ),
            (
                "llama-bpe",
                "a's 1234!\n",
                &["a", "'s", "Ġ", "123", "4", "!Ċ"],
            ),
            (
                "deepseek-r1-qwen",
                "a's 12!\n",
                &["a", "'s", "Ġ", "1", "2", "!Ċ"],
            ),
            ("mellum", "a's 12!", &["a", "'s", "Ġ12", "!"]),
            ("llama-v3", "a's 12!", &["a", "'s", "Ġ", "12", "!"]),
            (
                "default",
                "a's 1234!",
                &["a", "'", "s", "Ġ", "123", "4", "!"],
            ),
        ] {
            let fixture = vocabulary_of(&letters, &[]).string("tokenizer.ggml.pre", name);
            let tokenizer = built(&fixture).expect("valid");
            let mut pieces = tokenizers::PreTokenizedString::from(text);
            let pre_tokenizer = tokenizer.get_pre_tokenizer().expect("has one");
            tokenizers::PreTokenizer::pre_tokenize(pre_tokenizer, &mut pieces).expect("splits");
            let normalized = tokenizers::OffsetReferential::Normalized;
            let pieces = pieces.get_splits(normalized, tokenizers::OffsetType::Byte);
            let found: Vec<&str> = pieces.iter().map(|(piece, _, _)| *piece).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    /// As in llama.cpp: the key decides, and without it the pre-tokenizer.
    #[test]
    fn the_begin_token_is_put_before_a_text_if_the_file_or_its_pre_tokenizer_asks_for_it() {
        let file = |pre: &str, asked: Option<u8>| {
            let fixture = vocabulary_of(&["a", "<s:1>"], &[])
                .integers("tokenizer.ggml.token_type", &[1, 3])
                .string("tokenizer.ggml.pre", pre)
                .integer("tokenizer.ggml.bos_token_id", 1);
            match asked {
                Some(asked) => fixture.raw_pair("tokenizer.ggml.add_bos_token", 7, &[asked]),
                None => fixture,
            }
        };
        for (pre, asked, expected) in [
            ("llama-bpe", None, &[1, 0][..]),
            ("llama-bpe", Some(1), &[1, 0]),
            ("llama-bpe", Some(0), &[0]),
            ("falcon3", None, &[1, 0]),
            ("qwen2", None, &[0]),
            ("qwen2", Some(1), &[1, 0]),
            ("deepseek-r1-qwen", Some(1), &[1, 0]),
            ("smollm", None, &[0]),
        ] {
            let tokenizer = built(&file(pre, asked)).expect("valid");
            let encoding = tokenizer.encode("a", true).expect("encodes");
            assert_eq!(encoding.get_ids(), expected, "{pre}, {asked:?}");
            // Written to a folder, it is the same tokenizer.
            let json = tokenizer.to_string(false).expect("JSON");
            let read = HubTokenizer::from_bytes(json.as_bytes()).expect("a tokenizer");
            let encoding = read.encode("a", true).expect("encodes");
            assert_eq!(encoding.get_ids(), expected, "{pre}, {asked:?}");
        }
    }

    #[test]
    fn a_begin_token_that_is_asked_for_and_not_there_is_corrupt() {
        let file = || vocabulary_of(&["a"], &[]).raw_pair("tokenizer.ggml.add_bos_token", 7, &[1]);
        assert!(refusal(&file()).contains("`tokenizer.ggml.bos_token_id` is missing"));
        let beyond = file().integer("tokenizer.ggml.bos_token_id", 9);
        assert!(refusal(&beyond).contains("is 9, but there are 1 tokens"));
        // llama.cpp's default, without such a token.
        let default = vocabulary_of(&["a"], &[]).string("tokenizer.ggml.pre", "llama-bpe");
        assert!(built(&default).is_ok());
    }

    #[test]
    fn the_end_token_is_put_after_a_text_if_the_file_asks_for_it() {
        let file = || {
            vocabulary_of(&["a", "<s:1>", "</s:2>"], &[])
                .integers("tokenizer.ggml.token_type", &[1, 3, 3])
                .integer("tokenizer.ggml.bos_token_id", 1)
                .integer("tokenizer.ggml.eos_token_id", 2)
        };
        let flag = |fixture: Fixture, key: &str, value: u8| {
            fixture.raw_pair(&format!("tokenizer.ggml.add_{key}_token"), 7, &[value])
        };
        for (fixture, expected) in [
            (file(), &[0][..]),
            (flag(file(), "eos", 1), &[0, 2]),
            (flag(flag(file(), "eos", 1), "bos", 1), &[1, 0, 2]),
            (flag(file(), "eos", 0), &[0]),
            // Used by llama.cpp for pairs of texts alone.
            (flag(file(), "sep", 1), &[0]),
        ] {
            let tokenizer = built(&fixture).expect("valid");
            let encoding = tokenizer.encode("a", true).expect("encodes");
            assert_eq!(encoding.get_ids(), expected);
        }
        let file = vocabulary_of(&["a"], &[]);
        let message = refusal(&flag(file, "eos", 1));
        assert!(
            message.contains("`tokenizer.ggml.eos_token_id` is missing"),
            "{message}"
        );
    }

    #[test]
    fn rows_that_fill_up_the_embedding_are_no_tokens() {
        let fixture = vocabulary_of(&["a", "<s>", "[PAD2]", "[PAD2]", "", ""], &[])
            .integers("tokenizer.ggml.token_type", &[1, 3, 5, 5, 1, 3]);
        let tokenizer = built(&fixture).expect("valid");
        assert_eq!(tokenizer.get_vocab_size(true), 2);
        assert_eq!(tokenizer.token_to_id("[PAD2]"), None);
        let encoding = tokenizer.encode("a<s>a", false).expect("encodes");
        assert_eq!(encoding.get_ids(), [0, 1, 0]);
    }
}
