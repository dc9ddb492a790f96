//! The tokens of a GGUF vocabulary and their types.

use std::iter::repeat;

use tokenizers::AddedToken;
use tokenizers::models::bpe::Vocab;

use super::{MAX_ADDED_BYTES, Metadata, VocabularyError, corrupt};

/// The type of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Text that the model composes; also llama.cpp's "undefined".
    Normal,
    /// Represents what the vocabulary cannot spell.
    Unknown,
    /// A special token.
    Control,
    /// Text that is one token wherever it occurs.
    UserDefined,
    /// A row that only pads the embedding.
    Unused,
    /// A byte, spelled `<0x0A>`.
    Byte,
}

/// Tokens in the order of their ids.
#[derive(Debug)]
pub(super) struct TokenList<'a> {
    pub(super) tokens: &'a [String],
    /// One per token, or none: all are normal.
    kinds: Vec<TokenKind>,
}

impl<'a> TokenList<'a> {
    /// Reads tokens and types.
    ///
    /// # Errors
    /// A key is missing or of another type, or the types are not one per token and known.
    pub(super) fn read(metadata: Metadata<'a>) -> Result<Self, VocabularyError> {
        let key = "tokenizer.ggml.tokens";
        let tokens = metadata.require(key, metadata.strings(key)?)?;
        if u32::try_from(tokens.len()).is_err() {
            return Err(corrupt(format!("{} tokens", tokens.len())));
        }
        let types = metadata.integers("tokenizer.ggml.token_type")?;
        if let Some(types) = types.filter(|types| types.len() != tokens.len()) {
            let what = format!("{} tokens and {} token types", tokens.len(), types.len());
            return Err(corrupt(what));
        }
        let kind = |(number, token): (&i64, &String)| match number {
            0 | 1 => Ok(TokenKind::Normal),
            2 => Ok(TokenKind::Unknown),
            3 => Ok(TokenKind::Control),
            4 => Ok(TokenKind::UserDefined),
            5 => Ok(TokenKind::Unused),
            6 => Ok(TokenKind::Byte),
            other => Err(corrupt(format!(
                "token {token:?} is of type {other}, expected 0 to 6"
            ))),
        };
        let kinds = types.unwrap_or(&[]).iter().zip(tokens).map(kind);
        Ok(Self {
            tokens,
            kinds: kinds.collect::<Result<_, _>>()?,
        })
    }

    /// All tokens with id and type.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &'a str, TokenKind)> {
        let kinds = self.kinds.iter().copied().chain(repeat(TokenKind::Normal));
        (0..)
            .zip(self.tokens)
            .zip(kinds)
            .map(|((id, token), kind)| (id, token.as_str(), kind))
    }

    /// Maps tokens to ids. Unused rows and empty tokens, which no text contains, are skipped.
    ///
    /// # Errors
    /// A token occurs twice.
    pub(super) fn vocabulary(&self) -> Result<Vocab, VocabularyError> {
        let mut vocabulary = Vocab::with_capacity(self.tokens.len());
        for (id, token, kind) in self.iter() {
            if kind == TokenKind::Unused || token.is_empty() {
                continue;
            }
            if let Some(first) = vocabulary.insert(token.to_owned(), id) {
                let what = format!("token {token:?} occurs twice, as {first} and {id}");
                return Err(corrupt(what));
            }
        }
        Ok(vocabulary)
    }

    /// Returns the tokens that are matched before a text is split: special and user-defined ones.
    ///
    /// # Errors
    /// Their text is longer than that of any real model.
    pub(super) fn added(&self) -> Result<Vec<AddedToken>, VocabularyError> {
        let is_added = |kind| {
            matches!(
                kind,
                TokenKind::Unknown | TokenKind::Control | TokenKind::UserDefined
            )
        };
        let added: Vec<_> = self
            .iter()
            .filter(|(_, token, kind)| is_added(*kind) && !token.is_empty())
            .map(|(_, token, kind)| {
                let special = kind != TokenKind::UserDefined;
                AddedToken::from(token.to_owned(), special).normalized(false)
            })
            .collect();
        let bytes: usize = added.iter().map(|token| token.content.len()).sum();
        if bytes > MAX_ADDED_BYTES {
            let what =
                format!("special tokens of {bytes} bytes, expected at most {MAX_ADDED_BYTES}");
            return Err(corrupt(what));
        }
        Ok(added)
    }
}
