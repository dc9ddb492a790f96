//! The tokenizer in a GGUF file's metadata.
//!
//! The file contains tokens, merges, a type for each token, and the name of a pre-tokenizer; the rules behind
//! that name are part of the programs that read such files. The rules below are those of the original
//! `tokenizer.json` if it is known (with NFC for Qwen2, which llama.cpp omits), otherwise llama.cpp's.
//!
//! # Source
//! `src/llama-vocab.cpp` of <https://github.com/ggml-org/llama.cpp>, and the models' `tokenizer.json`.

use std::iter::repeat;

use thiserror::Error;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::template::{SpecialToken, TemplateProcessing};
use tokenizers::{AddedToken, Tokenizer as HubTokenizer};

use super::error::GgufError;
use super::metadata::Metadata;
use super::pre_tokenizer::PreTokenizer;

// Token types, by llama.cpp's numbers.
const NORMAL: i64 = 1;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// Maximum size of all special tokens together, in bytes; real models have a few thousand.
pub(crate) const MAX_ADDED_BYTES: usize = 1 << 20;

/// Metadata of a GGUF file that do not describe a supported tokenizer.
#[derive(Debug, Error)]
pub enum VocabularyError {
    /// A key is missing or has another type.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A tokenizer that is not byte-level BPE.
    #[error(
        "tokenizer model `{found}` is not supported\nhint: expected gpt2 (byte-level BPE), or a folder with tokenizer.json"
    )]
    UnknownModel {
        /// Its name.
        found: String,
    },
    /// An unknown pre-tokenizer.
    #[error(
        "pre-tokenizer `{found}` is not supported\nhint: expected one of {}, or a folder with tokenizer.json",
        PreTokenizer::all_names()
    )]
    UnknownPreTokenizer {
        /// Its name.
        found: String,
    },
    /// Tokens, types and merges are inconsistent.
    #[error("corrupt vocabulary: {what}")]
    Corrupt {
        /// The inconsistency.
        what: String,
    },
}

/// Builds the tokenizer described by `metadata`.
pub(crate) fn tokenizer_of(metadata: Metadata<'_>) -> Result<HubTokenizer, VocabularyError> {
    let key = "tokenizer.ggml.model";
    let model = metadata.require(key, metadata.string(key)?)?;
    if model != "gpt2" {
        return Err(VocabularyError::UnknownModel {
            found: model.to_owned(),
        });
    }
    let name = metadata.string("tokenizer.ggml.pre")?.unwrap_or("default");
    let pre_tokenizer =
        PreTokenizer::of_name(name).ok_or_else(|| VocabularyError::UnknownPreTokenizer {
            found: name.to_owned(),
        })?;
    let key = "tokenizer.ggml.tokens";
    let tokens = metadata.require(key, metadata.strings(key)?)?;
    let key = "tokenizer.ggml.merges";
    let merges = metadata.require(key, metadata.strings(key)?)?;

    let types = metadata.integers("tokenizer.ggml.token_type")?;
    if let Some(types) = types.filter(|types| types.len() != tokens.len()) {
        let what = format!("{} tokens and {} token types", tokens.len(), types.len());
        return Err(corrupt(what));
    }
    let typed = || {
        tokens
            .iter()
            .zip(types.unwrap_or(&[]).iter().chain(repeat(&NORMAL)))
    };

    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary(typed())?, pairs(merges)?)
        .ignore_merges(pre_tokenizer.ignores_merges)
        .build()
        .map_err(|error| corrupt(format!("merges: {error}")))?;
    let built = pre_tokenizer
        .build()
        .map_err(|error| corrupt(error.to_string()))?;
    let mut tokenizer = HubTokenizer::new(bpe);
    if pre_tokenizer.is_nfc {
        tokenizer.with_normalizer(Some(NFC));
    }
    tokenizer.with_pre_tokenizer(Some(built));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    tokenizer.add_tokens(&added_tokens(typed())?);
    if let Some(begin) = begin_token(metadata, tokens, pre_tokenizer)? {
        tokenizer.with_post_processor(Some(begin));
    }
    Ok(tokenizer)
}

/// Returns the post-processor that prepends the begin token, if the file requests it, or has no such key and llama.cpp
/// does so for its pre-tokenizer.
fn begin_token(
    metadata: Metadata<'_>,
    tokens: &[String],
    pre_tokenizer: &PreTokenizer,
) -> Result<Option<TemplateProcessing>, VocabularyError> {
    let asked = metadata.boolean("tokenizer.ggml.add_bos_token")?;
    if !asked.unwrap_or(pre_tokenizer.adds_begin) {
        return Ok(None);
    }
    let key = "tokenizer.ggml.bos_token_id";
    let id = match metadata.unsigned::<usize>(key)? {
        Some(id) => id,
        None if asked.is_none() => return Ok(None),
        None => metadata.require(key, None)?,
    };
    let token = tokens.get(id).ok_or_else(|| {
        corrupt(format!(
            "`{key}` is {id}, but there are {} tokens",
            tokens.len()
        ))
    })?;
    let id = u32::try_from(id).map_err(|_| corrupt(format!("`{key}` is {id}")))?;
    let begin = SpecialToken::new("begin".to_owned(), vec![id], vec![token.clone()])
        .map_err(|error| corrupt(error.to_string()))?;
    TemplateProcessing::builder()
        .try_single(vec!["begin", "$A"])
        .map_err(corrupt)?
        .special_tokens(vec![begin])
        .build()
        .map(Some)
        .map_err(|error| corrupt(error.to_string()))
}

/// Maps tokens to ids. Unused rows, which only pad the embedding, are skipped.
fn vocabulary<'a>(
    tokens: impl Iterator<Item = (&'a String, &'a i64)>,
) -> Result<Vocab, VocabularyError> {
    let mut vocabulary = Vocab::new();
    for ((token, kind), id) in tokens.zip(0..) {
        if *kind != UNUSED && vocabulary.insert(token.clone(), id).is_some() {
            return Err(corrupt(format!("token {token:?} occurs twice")));
        }
    }
    Ok(vocabulary)
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

/// Returns the tokens that are matched before a text is split: special and user-defined ones.
fn added_tokens<'a>(
    tokens: impl Iterator<Item = (&'a String, &'a i64)>,
) -> Result<Vec<AddedToken>, VocabularyError> {
    let added: Vec<_> = tokens
        .filter(|(_, kind)| matches!(**kind, UNKNOWN | CONTROL | USER_DEFINED))
        .map(|(token, kind)| {
            let special = *kind != USER_DEFINED;
            AddedToken::from(token.clone(), special).normalized(false)
        })
        .collect();
    let bytes: usize = added.iter().map(|token| token.content.len()).sum();
    if bytes > MAX_ADDED_BYTES {
        let what = format!("special tokens of {bytes} bytes, expected at most {MAX_ADDED_BYTES}");
        return Err(corrupt(what));
    }
    Ok(added)
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
        let other = Fixture::new().string("tokenizer.ggml.model", "llama");
        assert!(refusal(&other).contains("`llama` is not supported"));
        let other = vocabulary_of(&["a"], &[]).string("tokenizer.ggml.pre", "tekken");
        let message = refusal(&other);
        assert!(
            message.contains("`tekken`") && message.contains("qwen2, deepseek-r1-qwen"),
            "{message}"
        );
    }

    #[test]
    fn vocabularies_that_do_not_fit_together_are_corrupt() {
        for (fixture, expected) in [
            (vocabulary_of(&["a", "a"], &[]), "occurs twice"),
            (vocabulary_of(&["a"], &["a"]), "not a pair of tokens"),
            (vocabulary_of(&["a", "b"], &["a b"]), "merges: "),
            (
                vocabulary_of(&["a"], &[]).integers("tokenizer.ggml.token_type", &[1, 1]),
                "1 tokens and 2",
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
    fn rows_that_fill_up_the_embedding_are_no_tokens() {
        let fixture = vocabulary_of(&["a", "<s>", "[PAD2]"], &[])
            .integers("tokenizer.ggml.token_type", &[1, 3, 5]);
        let tokenizer = built(&fixture).expect("valid");
        assert_eq!(tokenizer.get_vocab_size(true), 2);
        assert_eq!(tokenizer.token_to_id("[PAD2]"), None);
        let encoding = tokenizer.encode("a<s>a", false).expect("encodes");
        assert_eq!(encoding.get_ids(), [0, 1, 0]);
    }
}
