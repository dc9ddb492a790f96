//! Tokenization and decoding.
//!
//! A thin layer over the `tokenizers` crate with one strict rule: a chat template's own text may contain special
//! tokens, the text of a conversation's messages may not. [`Tokenizer::encode_text`] encodes a literal `<|im_end|>` as
//! ordinary tokens, so no message can end its own turn. A text without turns (a row of `text` or `prompt_completion`,
//! a raw prompt) is encoded as in transformers: [`Tokenizer::encode`] recognises added tokens.

mod decoding;
mod read;
mod rendered;
mod token_names;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use thiserror::Error;
use tokenizers::{AddedToken, AddedVocabulary, Tokenizer as HubTokenizer};

use crate::gguf::GgufFile;
use crate::gguf::metadata::Metadata;
use crate::gguf::vocabulary::{self, VocabularyError};
use rendered::Steps;

pub use decoding::DecodeStream;
pub(crate) use rendered::{Before, Regions, TokenSpan};

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
    /// A folder has `SentencePiece`'s model alone.
    #[error(
        "found tokenizer.model, expected tokenizer.json\nhint: convert it, in this folder:\n  pip install transformers sentencepiece protobuf\n  python -c 'from transformers import AutoTokenizer; AutoTokenizer.from_pretrained(\".\").save_pretrained(\".\")'"
    )]
    SentencePieceAlone,
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
    /// Whether decoding joins byte tokens such as `<0x0A>` to characters.
    has_byte_tokens: bool,
    /// A token that a text can continue: decoders may treat the first token of a text differently.
    anchor: Option<u32>,
    /// Whether text after an added token starts with the mark of a text's start.
    marks_after_token: bool,
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

    /// Reads the tokenizer in a GGUF file's metadata; the file may contain no tensors.
    ///
    /// # Errors
    /// The file cannot be read, is not a GGUF file, or does not describe a supported tokenizer.
    pub fn from_gguf_file(path: &Path, declared_eos: &[u32]) -> Result<Self, TokenizerError> {
        let file = GgufFile::open(path).map_err(VocabularyError::from)?;
        Self::from_gguf(file.metadata(), declared_eos)
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
            if token_names::ends(&token) && !eos_token_ids.contains(&id) {
                eos_token_ids.push(id);
            }
            if token_names::is_markup(&token) {
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
        let mut tokenizer = Self {
            after_token: steps(Before::Token),
            after_text: steps(Before::Text),
            has_byte_tokens: inner.get_decoder().is_some_and(decoding::joins_bytes),
            inner,
            text_vocabulary,
            markup_ids,
            special_ids,
            eos_token_ids,
            anchor: None,
            marks_after_token: false,
        };
        tokenizer.anchor = tokenizer.find_anchor();
        tokenizer.marks_after_token = tokenizer.marks_after_token();
        tokenizer
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
            drop(
                self.decode_stream(&ids)
                    .push(ids.first().copied().unwrap_or(0)),
            );
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

    /// Encodes a text that continues another, with nothing recognised as a special token or a tag: as
    /// [`Self::encode_continuation`] for text that is literal.
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode_text_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_plain(text, Before::Text)
    }

    /// Returns the tokens that the tokenizer puts before a plain text: the begin token of models pretrained with one.
    ///
    /// # Errors
    /// The library cannot tokenize a text of one letter.
    pub fn text_start(&self) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.around_text()?.0)
    }

    /// Returns the token that ends a plain text, which may differ from the one that ends a turn: the one that the
    /// tokenizer puts after a text, otherwise one known by name, otherwise the first that the model declares.
    pub fn text_end(&self) -> Option<u32> {
        let added = self
            .around_text()
            .ok()
            .and_then(|(_, end)| end.first().copied());
        let by_name = || {
            token_names::TEXT_ENDS
                .iter()
                .filter_map(|name| self.token_to_id(name))
                .find(|id| self.eos_token_ids.contains(id))
        };
        added
            .or_else(by_name)
            .or_else(|| self.eos_token_ids.first().copied())
    }

    /// Returns the tokens that the tokenizer puts before and after a text.
    fn around_text(&self) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
        let encoding = self.inner.encode_fast("a", true).map_err(apply_error)?;
        let ids = encoding.get_ids();
        let is_text: Vec<bool> = encoding
            .get_sequence_ids()
            .iter()
            .map(Option::is_some)
            .collect();
        let first = is_text.iter().position(|is_text| *is_text);
        let last = is_text.iter().rposition(|is_text| *is_text);
        if let (Some(first), Some(last)) = (first, last) {
            return Ok((ids[..first].to_vec(), ids[last + 1..].to_vec()));
        }
        // The vocabulary cannot spell the letter.
        let is_end = |id: &u32| self.eos_token_ids.contains(id);
        let (end, start) = ids.iter().copied().partition(is_end);
        Ok((start, end))
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

    /// Whether `id` is a special token, or an added token that looks like a tag (`<tool_call>`).
    pub fn is_markup(&self, id: u32) -> bool {
        self.markup_ids.contains(&id)
    }

    /// Whether `id` is a special token, which decoding can skip.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }
}
