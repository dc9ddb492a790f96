//! Tokenization and decoding.
//!
//! A thin layer over the `tokenizers` crate with one strict rule: a chat template's own text may contain special
//! tokens, the text of a conversation's messages may not. [`Tokenizer::encode_text`] encodes a literal `<|im_end|>` as
//! ordinary tokens, so no message can end its own turn. A text without turns (a row of `text` or `prompt_completion`,
//! a raw prompt) is encoded as in transformers: [`Tokenizer::encode`] recognises added tokens.

mod read;
mod rendered;

use std::collections::BTreeSet;

use serde_json::Value;
use thiserror::Error;
use tokenizers::{AddedToken, AddedVocabulary, Tokenizer as HubTokenizer};

use crate::gguf::metadata::Metadata;
use crate::gguf::vocabulary::{self, VocabularyError};
use rendered::Steps;

pub(crate) use rendered::{Before, Regions, TokenSpan};

/// Tokens that end a turn or a text in every vocabulary with them as special tokens. Models often declare only one:
/// Qwen2.5's GGUF files name `<|im_end|>` but not `<|endoftext|>`, which ends the model's plain texts. llama.cpp uses
/// names too.
const END_TOKENS: [&str; 6] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "</s>",
];

/// Maximum number of pending characters of an incomplete one: UTF-8 has at most four bytes, a token at least one.
const MAX_PENDING_CHARS: usize = 3;

/// An error of a tokenizer.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// `tokenizer.json` is invalid.
    #[error("invalid tokenizer.json: {reason}")]
    Json {
        /// The parser's message.
        reason: String,
    },
    /// The library panics on the description of the tokenizer.
    #[error(
        "no tokenizer can be built from the file: {reason}\nhint: the file is damaged or for another program; download it again"
    )]
    Unusable {
        /// The library's message.
        reason: String,
    },
    /// A GGUF file's metadata do not describe a tokenizer.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// Encoding or decoding failed.
    #[error("cannot tokenize: {reason}")]
    Apply {
        /// The library's message.
        reason: String,
    },
}

fn apply_error(error: tokenizers::Error) -> TokenizerError {
    TokenizerError::Apply {
        reason: error.to_string(),
    }
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: HubTokenizer,
    /// The added vocabulary with all markup disabled.
    text_vocabulary: AddedVocabulary,
    /// The steps for text after an added token, and for text after other text.
    after_token: Steps,
    after_text: Steps,
    markup_ids: BTreeSet<u32>,
    special_ids: BTreeSet<u32>,
    eos_token_ids: Vec<u32>,
}

impl Tokenizer {
    /// Reads Hugging Face's `tokenizer.json`. `declared_eos` are the end tokens in the model's configuration.
    ///
    /// # Errors
    /// The text is not JSON, or no tokenizer can be built from it.
    pub fn from_json(json: &[u8], declared_eos: &[u32]) -> Result<Self, TokenizerError> {
        Self::from_files(json, None, declared_eos)
    }

    /// Reads `tokenizer.json`, and `add_prefix_space` of `config`, the `tokenizer_config.json`.
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub(crate) fn from_files(
        json: &[u8],
        config: Option<&Value>,
        declared_eos: &[u32],
    ) -> Result<Self, TokenizerError> {
        read::guarded(|| {
            let mut inner = read::tokenizer(json)?;
            if let Some(add) = config.and_then(|config| config["add_prefix_space"].as_bool()) {
                read::set_prefix_space(&mut inner, add);
            }
            let tokenizer = Self::new(inner, declared_eos);
            tokenizer.try_out();
            Ok(tokenizer)
        })
    }

    /// Builds the tokenizer described by a GGUF file's metadata.
    pub(crate) fn from_gguf(
        metadata: Metadata<'_>,
        declared_eos: &[u32],
    ) -> Result<Self, TokenizerError> {
        read::guarded(|| {
            let tokenizer = Self::new(vocabulary::tokenizer_of(metadata)?, declared_eos);
            tokenizer.try_out();
            Ok(tokenizer)
        })
    }

    fn new(mut inner: HubTokenizer, declared_eos: &[u32]) -> Self {
        // A tokenizer.json may enable padding or truncation, which are up to the caller.
        inner.with_padding(None);
        if inner.with_truncation(None).is_err() {
            unreachable!("switching truncation off cannot fail");
        }
        let added = inner.get_added_tokens_decoder();
        let mut special_ids = BTreeSet::new();
        let mut markup = Vec::new();
        let mut markup_ids = BTreeSet::new();
        let mut eos_token_ids = declared_eos.to_vec();
        let mut by_id: Vec<_> = added.into_iter().collect();
        by_id.sort_by_key(|(id, _)| *id);
        for (id, token) in by_id {
            if token.special {
                special_ids.insert(id);
            }
            if END_TOKENS.contains(&token.content.as_str()) && !eos_token_ids.contains(&id) {
                eos_token_ids.push(id);
            }
            if token.special || looks_like_markup(&token.content) {
                markup_ids.insert(id);
                markup.push(AddedToken {
                    special: true,
                    ..token
                });
            }
        }
        let mut text_vocabulary = inner.get_added_vocabulary().clone();
        text_vocabulary.add_tokens(&markup, inner.get_model(), inner.get_normalizer());
        text_vocabulary.set_encode_special_tokens(true);
        let steps = |before| Steps::of(inner.get_normalizer(), inner.get_pre_tokenizer(), before);
        Self {
            after_token: steps(Before::Token),
            after_text: steps(Before::Text),
            inner,
            text_vocabulary,
            markup_ids,
            special_ids,
            eos_token_ids,
        }
    }

    /// Runs every step once, because the library panics if a step names a missing token. Errors it returns are ignored:
    /// they may concern only this text.
    fn try_out(&self) {
        const TEXT: &str = "def f(x):\n\treturn x  # é 🙂 <s> [x] 1234\r\n";
        let ids = [
            self.text_start(),
            self.encode(TEXT),
            self.encode_continuation(TEXT),
            self.encode_text(TEXT),
        ];
        for ids in ids.into_iter().flatten() {
            drop(self.decode(&ids, false));
        }
    }

    /// Serializes the tokenizer as Hugging Face's `tokenizer.json`.
    pub fn to_json(&self) -> String {
        self.inner
            .to_string(true)
            .unwrap_or_else(|e| unreachable!("what was read can be written: {e}"))
    }

    /// Encodes `text` with added tokens recognised, as transformers does: for text that this program wrote itself, and
    /// for text without turns.
    ///
    /// No tokens are added at the start or end; see [`text_start`](Self::text_start).
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(apply_error)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Encodes a text that continues another, with added tokens recognised: the prefix that a tokenizer adds to a text
    /// (a space, `▁`) is omitted.
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let placed = self.encode_regions(text, &Regions::default(), Before::Text)?;
        Ok(placed.into_iter().map(|token| token.id).collect())
    }

    /// Encodes `text` with nothing recognised as a special token or a tag: for the text of messages.
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_plain(text, Before::Nothing)
    }

    /// Returns the tokens that the tokenizer puts before a plain text: the begin token of models pretrained with one.
    pub fn text_start(&self) -> Result<Vec<u32>, TokenizerError> {
        let empty = self.inner.encode_fast("", true).map_err(apply_error)?;
        let ids = empty.get_ids().iter().copied();
        Ok(ids.filter(|id| !self.eos_token_ids.contains(id)).collect())
    }

    /// Returns the token that ends a plain text, which may differ from the one that ends a turn.
    pub fn text_end(&self) -> Option<u32> {
        let known = ["<|endoftext|>", "<|end_of_text|>", "</s>"];
        let by_name = known.iter().find_map(|name| self.token_to_id(name));
        by_name
            .filter(|id| self.eos_token_ids.contains(id))
            .or_else(|| self.eos_token_ids.first().copied())
    }

    /// Decodes `ids`; invalid UTF-8 becomes U+FFFD. Unknown ids are skipped.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner.decode(ids, skip_special).map_err(apply_error)
    }

    /// Starts incremental decoding, for text that is shown or searched while it grows.
    pub fn decode_stream(&self) -> DecodeStream<'_> {
        DecodeStream {
            tokenizer: self,
            context: Vec::new(),
            pending: Vec::new(),
            sent: 0,
        }
    }

    /// Returns the id of the token spelled `token`.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Returns the spelling of the token `id`; bytes appear in the tokenizer's spelling.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The number of tokens, including special ones. The model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// All ids that end a generation: those that the model declares, then those known by name.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_token_ids
    }

    /// Whether `id` is a special token, which decoding can skip.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }
}

/// Whether an added token is treated as markup. Some models mark tokens such as `<tool_call>` or `<|fim_middle|>` as
/// ordinary; in a user's text they are text nonetheless. Added tokens of other spellings (letters that deepseek's
/// vocabulary lacks) are not markup.
fn looks_like_markup(token: &str) -> bool {
    (token.starts_with('<') && token.ends_with('>'))
        || (token.starts_with('[') && token.ends_with(']'))
}

/// Incremental decoder that never splits a character.
///
/// The concatenated pieces are exactly the text of [`Tokenizer::decode`] for all ids at once, without special
/// tokens.
#[derive(Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a Tokenizer,
    /// Ids whose text has been returned. Decoders may treat the first token of a text differently, so the following ids
    /// are decoded after these.
    context: Vec<u32>,
    /// Ids whose text is incomplete.
    pending: Vec<u32>,
    /// Number of bytes of the pending text that have been returned.
    sent: usize,
}

impl DecodeStream<'_> {
    /// Adds an id and returns the new text that can no longer change.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        if self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        self.pending.push(id);
        let text = self.pending_text()?;
        // A trailing U+FFFD may be the start of a character; at most `MAX_PENDING_CHARS` of them can change.
        let certain = text
            .char_indices()
            .rev()
            .take(MAX_PENDING_CHARS)
            .take_while(|(_, character)| *character == char::REPLACEMENT_CHARACTER)
            .last()
            .map_or(text.len(), |(at, _)| at);
        let new = text[self.sent.min(certain)..certain].to_owned();
        if certain == text.len() {
            self.context = std::mem::take(&mut self.pending);
            self.sent = 0;
        } else {
            self.sent = certain.max(self.sent);
        }
        Ok(new)
    }

    /// Returns the remaining text, complete or not, after the last id.
    pub fn finish(&mut self) -> Result<String, TokenizerError> {
        let rest = self.pending_text()?.split_off(self.sent);
        self.context.append(&mut self.pending);
        self.sent = 0;
        Ok(rest)
    }

    /// The text of the pending ids after their context.
    fn pending_text(&self) -> Result<String, TokenizerError> {
        let context = self.tokenizer.decode(&self.context, true)?;
        let all = [self.context.as_slice(), &self.pending].concat();
        let mut text = self.tokenizer.decode(&all, true)?;
        if !text.starts_with(&context) {
            return Err(TokenizerError::Apply {
                reason: format!("the text of ids {all:?} does not begin with that of their prefix"),
            });
        }
        Ok(text.split_off(context.len()))
    }
}
