//! Tokens to text, at once or one by one.
//!
//! Byte tokens such as `<0x0A>` are joined to characters. The library replaces a whole run of byte tokens if one of its
//! bytes does not fit; here each invalid byte alone becomes U+FFFD, as in `SentencePiece`, so that characters already
//! shown stay.

use tokenizers::{Decoder, DecoderWrapper};

use super::{Before, Tokenizer, TokenizerError, apply_error};

/// Maximum number of pending characters of an incomplete one: UTF-8 has at most four bytes, a token at least one.
const MAX_PENDING_CHARS: usize = 3;
const REPLACEMENT: &str = "\u{fffd}";

/// Whether a decoder joins byte tokens.
pub(super) fn joins_bytes(decoder: &DecoderWrapper) -> bool {
    match decoder {
        DecoderWrapper::ByteFallback(_) => true,
        DecoderWrapper::Sequence(steps) => steps.get_decoders().iter().any(joins_bytes),
        _ => false,
    }
}

/// Returns the byte that a token represents, by the library's rule.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Replaces byte tokens that are not part of a character by U+FFFD.
fn replace_invalid_bytes(tokens: &mut [String]) {
    let mut start = 0;
    while start < tokens.len() {
        let run: Vec<u8> = tokens[start..].iter().map_while(|t| byte_of(t)).collect();
        let mut at = start;
        for chunk in run.utf8_chunks() {
            at += chunk.valid().len();
            for token in &mut tokens[at..at + chunk.invalid().len()] {
                REPLACEMENT.clone_into(token);
            }
            at += chunk.invalid().len();
        }
        start += run.len() + 1;
    }
}

impl Tokenizer {
    /// Decodes the ids of a whole text; invalid UTF-8 becomes U+FFFD. Unknown ids are skipped.
    ///
    /// # Errors
    /// The library cannot decode the tokens.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        let decoder = self.inner.get_decoder().filter(|_| self.has_byte_tokens);
        let Some(decoder) = decoder else {
            return self.inner.decode(ids, skip_special).map_err(apply_error);
        };
        let shown = ids
            .iter()
            .filter(|id| !skip_special || !self.is_special(**id));
        let mut tokens: Vec<String> = shown.filter_map(|id| self.id_to_token(*id)).collect();
        replace_invalid_bytes(&mut tokens);
        decoder.decode(tokens).map_err(apply_error)
    }

    /// Decodes ids that continue a text, special tokens included: the space that starts them is kept.
    ///
    /// # Errors
    /// The library cannot decode the tokens.
    pub fn decode_continuation(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let Some(anchor) = self.anchor else {
            return self.decode(ids, false);
        };
        let before = self.decode(&[anchor], false)?;
        let text = self.decode(&[&[anchor], ids].concat(), false)?;
        Ok(text.strip_prefix(&before).unwrap_or(&text).to_owned())
    }

    /// Starts incremental decoding of the text that continues `prompt`, while it grows.
    ///
    /// Decoders omit the space that a tokenizer puts before a text. After text the space is the model's own and is kept;
    /// after an added token it is omitted if the tokenizer puts one there.
    pub fn decode_stream(&self, prompt: &[u32]) -> DecodeStream<'_> {
        let is_added = |id: &u32| {
            let added = self.inner.get_added_vocabulary();
            added.simple_id_to_token(*id).is_some()
        };
        let starts_text = match prompt.last() {
            Some(last) => self.marks_after_token && is_added(last),
            None => true,
        };
        DecodeStream {
            tokenizer: self,
            context: self.anchor.filter(|_| !starts_text).into_iter().collect(),
            pending: Vec::new(),
            sent: 0,
        }
    }

    /// Whether text after an added token starts with the mark of a text's start.
    pub(super) fn marks_after_token(&self) -> bool {
        let after = |before| self.encode_plain("a", before).ok();
        after(Before::Token) != after(Before::Text)
    }

    /// Returns a token that decodes to text by itself.
    pub(super) fn find_anchor(&self) -> Option<u32> {
        let id = *self.encode("a").ok()?.last()?;
        let text = self.decode(&[id], true).ok()?;
        (text == "a").then_some(id)
    }
}

/// Incremental decoder that never splits a character.
///
/// The concatenated pieces are exactly the text that the ids add to a text before them, without special tokens.
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
    ///
    /// # Errors
    /// The library cannot decode the tokens.
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
        if text.is_empty() {
            // Ids without text are no context.
            self.context.append(&mut self.pending);
        } else if certain == text.len() {
            self.context = std::mem::take(&mut self.pending);
            self.sent = 0;
        } else {
            self.sent = certain.max(self.sent);
        }
        Ok(new)
    }

    /// Returns the remaining text, complete or not, after the last id.
    ///
    /// # Errors
    /// The library cannot decode the tokens.
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
