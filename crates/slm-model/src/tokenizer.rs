//! Text to token ids and back.
//!
//! A thin layer over the `tokenizers` crate that draws one line sharply: a chat template's own text may contain
//! special tokens, what a message of a conversation says may not. [`Tokenizer::encode_text`] turns a literal
//! `<|im_end|>` into ordinary tokens, so no message can end its own turn. A text without turns (a row of `text` or
//! `prompt_completion`, a raw prompt) is encoded as transformers does: [`Tokenizer::encode`] recognises added tokens.

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

/// Tokens that end a turn or a text wherever a vocabulary has them as special tokens. Models often
/// declare only one: Qwen2.5's GGUF files name `<|im_end|>` and not `<|endoftext|>`, which ends the model's
/// plain texts. llama.cpp goes by names too.
const END_TOKENS: [&str; 6] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "</s>",
];

/// The most tokens that one character can span: UTF-8 has at most four bytes, a token at least one.
const MAX_PENDING_CHARS: usize = 3;

/// What went wrong with a tokenizer.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// `tokenizer.json` does not describe a tokenizer.
    #[error("no valid tokenizer.json: {reason}")]
    Json {
        /// The parser's words.
        reason: String,
    },
    /// The library fails on the description of a tokenizer with a panic.
    #[error(
        "the file describes no tokenizer that can be built: {reason}\nhint: it is damaged or for another program; download it again"
    )]
    Unusable {
        /// The library's words.
        reason: String,
    },
    /// A GGUF file's metadata do not describe a tokenizer.
    #[error(transparent)]
    Vocabulary(#[from] VocabularyError),
    /// The text could not be encoded, or the ids not decoded.
    #[error("cannot tokenize: {reason}")]
    Apply {
        /// The library's words.
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
    /// The added vocabulary with everything that looks like markup switched off.
    text_vocabulary: AddedVocabulary,
    /// The steps for text that follows an added token, and for text that follows other text.
    after_token: Steps,
    after_text: Steps,
    markup_ids: BTreeSet<u32>,
    special_ids: BTreeSet<u32>,
    eos_token_ids: Vec<u32>,
}

impl Tokenizer {
    /// Reads Hugging Face's `tokenizer.json`. `declared_eos` are the ids that the model's configuration names.
    ///
    /// # Errors
    /// It is no JSON, or describes no tokenizer that can be built.
    pub fn from_json(json: &[u8], declared_eos: &[u32]) -> Result<Self, TokenizerError> {
        Self::from_files(json, None, declared_eos)
    }

    /// Reads `tokenizer.json`, with what `tokenizer_config.json`, its `config`, says of a space before each text.
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

    /// Builds the tokenizer that a GGUF file's metadata describe.
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
        // A tokenizer.json may ask for padding or truncation; both are the caller's business.
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

    /// Takes every step once: the library panics where a step names a token that is not there. What it reports as an
    /// error may concern this text alone.
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

    /// The tokenizer as Hugging Face's `tokenizer.json`.
    pub fn to_json(&self) -> String {
        self.inner
            .to_string(true)
            .unwrap_or_else(|e| unreachable!("what was read can be written: {e}"))
    }

    /// The ids of `text`, with added tokens recognised, as transformers encodes a text: for text that this program
    /// wrote itself, and for text without turns.
    ///
    /// No token is put before or after it; see [`text_start`](Self::text_start).
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, false).map_err(apply_error)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The ids of a text that continues another, with added tokens recognised: what a tokenizer puts before a text
    /// (a space, `▁`) is not put before it.
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode_continuation(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let placed = self.encode_regions(text, &Regions::default(), Before::Text)?;
        Ok(placed.into_iter().map(|token| token.id).collect())
    }

    /// The ids of `text`, with nothing in it taken for a special token or a tag: for what messages say.
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_plain(text, Before::Nothing)
    }

    /// What the tokenizer puts before a plain text: the begin token of models that were pretrained with one.
    pub fn text_start(&self) -> Result<Vec<u32>, TokenizerError> {
        let empty = self.inner.encode_fast("", true).map_err(apply_error)?;
        let ids = empty.get_ids().iter().copied();
        Ok(ids.filter(|id| !self.eos_token_ids.contains(id)).collect())
    }

    /// The token that ends a plain text, which need not be the one that ends a turn.
    pub fn text_end(&self) -> Option<u32> {
        let known = ["<|endoftext|>", "<|end_of_text|>", "</s>"];
        let by_name = known.iter().find_map(|name| self.token_to_id(name));
        by_name
            .filter(|id| self.eos_token_ids.contains(id))
            .or_else(|| self.eos_token_ids.first().copied())
    }

    /// The text of `ids`; bytes that are no UTF-8 become U+FFFD. Unknown ids count as nothing.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        self.inner.decode(ids, skip_special).map_err(apply_error)
    }

    /// Decodes token by token, for text that is shown or searched while it grows.
    pub fn decode_stream(&self) -> DecodeStream<'_> {
        DecodeStream {
            tokenizer: self,
            context: Vec::new(),
            pending: Vec::new(),
            sent: 0,
        }
    }

    /// The id of the token spelled `token`.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The spelling of the token `id`; bytes appear as the tokenizer spells them.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Number of tokens, special ones included. The model's embedding may have more rows.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// All ids at which a generation ends: those the model declares, then those known by name.
    pub fn eos_ids(&self) -> &[u32] {
        &self.eos_token_ids
    }

    /// Whether `id` is a special token, left out of decoded text on request.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }
}

/// Some models mark tokens such as `<tool_call>` or `<|fim_middle|>` as ordinary; in a user's text they are
/// text nonetheless. Added tokens of other spellings (letters that deepseek's vocabulary lacks) stay.
fn looks_like_markup(token: &str) -> bool {
    (token.starts_with('<') && token.ends_with('>'))
        || (token.starts_with('[') && token.ends_with(']'))
}

/// Text that grows token by token and is never cut within a character.
///
/// The pieces together are exactly the text that [`Tokenizer::decode`] gives for all ids at once, special
/// tokens left out.
#[derive(Debug)]
pub struct DecodeStream<'a> {
    tokenizer: &'a Tokenizer,
    /// Ids already handed out as text; decoders may treat the first token of a text differently, so the ids that
    /// follow are decoded behind these.
    context: Vec<u32>,
    /// Ids whose text is not complete.
    pending: Vec<u32>,
    /// Bytes of the pending text that were handed out.
    sent: usize,
}

impl DecodeStream<'_> {
    /// Takes the next id and returns the text that is certain by now and was not returned before.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        if self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        self.pending.push(id);
        let text = self.pending_text()?;
        // A trailing U+FFFD may be the beginning of a character; at most so many of them can change.
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

    /// Returns what is left, complete or not; for the end of the ids.
    pub fn finish(&mut self) -> Result<String, TokenizerError> {
        let rest = self.pending_text()?.split_off(self.sent);
        self.context.append(&mut self.pending);
        self.sent = 0;
        Ok(rest)
    }

    /// The text of the pending ids, behind their context.
    fn pending_text(&self) -> Result<String, TokenizerError> {
        let context = self.tokenizer.decode(&self.context, true)?;
        let all = [self.context.as_slice(), &self.pending].concat();
        let mut text = self.tokenizer.decode(&all, true)?;
        if !text.starts_with(&context) {
            return Err(TokenizerError::Apply {
                reason: format!("the text of {all:?} does not begin with that of its beginning"),
            });
        }
        Ok(text.split_off(context.len()))
    }
}
