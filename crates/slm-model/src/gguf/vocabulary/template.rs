//! The tokens that a GGUF file requests before and after a text.
//!
//! `add_sep_token` has no effect: llama.cpp uses it only to rank pairs of texts.

use tokenizers::processors::template::{SpecialToken, TemplateProcessing};

use super::token_list::TokenList;
use super::{Metadata, VocabularyError, corrupt};

/// What applies where the file has no key.
#[derive(Debug, Default)]
pub(super) struct TemplateDefaults {
    /// Whether a text starts with the begin token.
    pub(super) adds_begin: bool,
    /// The begin token.
    pub(super) begin: Option<usize>,
    /// The end token.
    pub(super) end: Option<usize>,
}

/// Returns the post-processor that adds the begin and the end token, if the file or its defaults request one of them.
///
/// # Errors
/// A key is of another type, or the file requests a token that it does not have.
pub(super) fn of(
    metadata: Metadata<'_>,
    tokens: &TokenList,
    defaults: &TemplateDefaults,
) -> Result<Option<TemplateProcessing>, VocabularyError> {
    let mut template = Vec::new();
    let mut special = Vec::new();
    let begin = Edge {
        name: "begin",
        add_key: "tokenizer.ggml.add_bos_token",
        id_key: "tokenizer.ggml.bos_token_id",
        is_added: defaults.adds_begin,
        default_id: defaults.begin,
    };
    let end = Edge {
        name: "end",
        add_key: "tokenizer.ggml.add_eos_token",
        id_key: "tokenizer.ggml.eos_token_id",
        is_added: false,
        default_id: defaults.end,
    };
    if let Some(token) = begin.token(metadata, tokens)? {
        template.push(begin.name);
        special.push(token);
    }
    template.push("$A");
    if let Some(token) = end.token(metadata, tokens)? {
        template.push(end.name);
        special.push(token);
    }
    if special.is_empty() {
        return Ok(None);
    }
    TemplateProcessing::builder()
        .try_single(template)
        .map_err(corrupt)?
        .special_tokens(special)
        .build()
        .map(Some)
        .map_err(|error| corrupt(error.to_string()))
}

/// One side of a text.
struct Edge {
    name: &'static str,
    add_key: &'static str,
    id_key: &'static str,
    is_added: bool,
    default_id: Option<usize>,
}

impl Edge {
    fn token(
        &self,
        metadata: Metadata<'_>,
        tokens: &TokenList,
    ) -> Result<Option<SpecialToken>, VocabularyError> {
        let asked = metadata.boolean(self.add_key)?;
        if !asked.unwrap_or(self.is_added) {
            return Ok(None);
        }
        let n_tokens = tokens.tokens.len();
        let id = match metadata.unsigned::<usize>(self.id_key)? {
            Some(id) => id,
            None => match self.default_id.filter(|id| *id < n_tokens) {
                Some(id) => id,
                None if asked.is_none() => return Ok(None),
                None => metadata.require(self.id_key, None)?,
            },
        };
        let key = self.id_key;
        let token = tokens
            .tokens
            .get(id)
            .ok_or_else(|| corrupt(format!("`{key}` is {id}, but there are {n_tokens} tokens")))?;
        let id = u32::try_from(id).map_err(|_| corrupt(format!("`{key}` is {id}")))?;
        SpecialToken::new(self.name.to_owned(), vec![id], vec![token.clone()])
            .map(Some)
            .map_err(|error| corrupt(error.to_string()))
    }
}
