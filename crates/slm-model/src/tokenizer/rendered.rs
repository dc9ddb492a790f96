//! Tokenization of a text with regions that must stay text, with the byte range of each token.
//!
//! The library tokenizes between added tokens, so the ids of a piece of text depend on its position: a
//! `Metaspace` of scheme `first` adds its mark only before the text, a `Prepend` after each added token too. A text
//! that is split (a prompt and its completion) is still one text: nothing is added after the split.

use std::ops::Range;

use tokenizers::normalizers::Sequence as NormalizerSequence;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{
    Model, NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizer, PreTokenizerWrapper,
};

use super::{Tokenizer, TokenizerError, apply_error};

/// What precedes a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: it is the start of the text.
    Nothing,
    /// An added token.
    Token,
    /// Text that is tokenized separately.
    Text,
}

/// A token and its byte range in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenSpan {
    /// The token.
    pub(crate) id: u32,
    /// The bytes covered; for an added token only its spelling, without the white space that it absorbs.
    pub(crate) range: Range<usize>,
    /// Whether it is markup: a special token, or an added token that looks like a tag.
    pub(crate) is_markup: bool,
}

/// Constraints on parts of a text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Regions {
    /// Ranges without markup, in the text's order.
    pub(crate) text: Vec<Range<usize>>,
    /// Positions that no token may span.
    pub(crate) breaks: Vec<usize>,
}

/// The steps before the model, for text that is not the start of a text.
#[derive(Debug)]
pub(super) struct Steps {
    normalizer: Option<NormalizerWrapper>,
    pre_tokenizer: Option<PreTokenizerWrapper>,
}

impl Steps {
    /// Returns the steps of a tokenizer for text after `before`.
    pub(super) fn of(
        normalizer: Option<&NormalizerWrapper>,
        pre_tokenizer: Option<&PreTokenizerWrapper>,
        before: Before,
    ) -> Self {
        let normalizer = match before {
            Before::Text => normalizer.and_then(without_prepend),
            Before::Nothing | Before::Token => normalizer.cloned(),
        };
        let mut pre_tokenizer = pre_tokenizer.cloned();
        if let Some(pre_tokenizer) = pre_tokenizer.as_mut() {
            begin_after(pre_tokenizer, before, true);
        }
        Self {
            normalizer,
            pre_tokenizer,
        }
    }
}

/// Removes the steps of a normalizer that add a prefix; `None` if no step remains.
fn without_prepend(normalizer: &NormalizerWrapper) -> Option<NormalizerWrapper> {
    match normalizer {
        NormalizerWrapper::Prepend(_) => None,
        NormalizerWrapper::Sequence(steps) => {
            let steps = steps.as_ref().iter().filter_map(without_prepend).collect();
            Some(NormalizerWrapper::Sequence(NormalizerSequence::new(steps)))
        }
        other => Some(other.clone()),
    }
}

/// Changes a pre-tokenizer to treat its text as a continuation. `is_first` means that no earlier step has split the
/// text; prefixes of every piece, in any position, are kept.
fn begin_after(pre_tokenizer: &mut PreTokenizerWrapper, before: Before, is_first: bool) {
    match pre_tokenizer {
        PreTokenizerWrapper::Metaspace(step) => {
            let scheme = step.get_prepend_scheme();
            let is_put = match before {
                Before::Nothing => true,
                Before::Token => scheme != PrependScheme::First,
                Before::Text => scheme != PrependScheme::First && !is_first,
            };
            if !is_put {
                step.set_prepend_scheme(PrependScheme::Never);
            }
        }
        PreTokenizerWrapper::ByteLevel(step) if before == Before::Text && is_first => {
            step.add_prefix_space = false;
        }
        PreTokenizerWrapper::Sequence(steps) => begin_sequence_after(steps, before, is_first),
        _ => {}
    }
}

fn begin_sequence_after(steps: &mut Sequence, before: Before, is_first: bool) {
    for (at, step) in steps.as_mut().iter_mut().enumerate() {
        begin_after(step, before, is_first && at == 0);
    }
}

impl Tokenizer {
    /// Encodes a text with markup recognised outside the given regions, as if it were encoded as a whole.
    ///
    /// # Errors
    /// The library cannot tokenize the text.
    pub(crate) fn encode_regions(
        &self,
        text: &str,
        regions: &Regions,
        before: Before,
    ) -> Result<Vec<TokenSpan>, TokenizerError> {
        let mut placed = Vec::new();
        let mut at = 0;
        let mut before = before;
        for (whole, token) in self.markup_of(text, regions) {
            self.encode_between(text, at..whole.start, before, &regions.breaks, &mut placed)?;
            placed.push(token);
            at = whole.end;
            before = Before::Token;
        }
        self.encode_between(text, at..text.len(), before, &regions.breaks, &mut placed)?;
        Ok(placed)
    }

    /// Finds the added tokens of a text that are markup, each with the byte range that it takes from the text.
    fn markup_of(&self, text: &str, regions: &Regions) -> Vec<(Range<usize>, TokenSpan)> {
        let masked = masked(text, &regions.text);
        let overlaps = |range: &Range<usize>| {
            let first = regions.text.partition_point(|text| text.end <= range.start);
            regions
                .text
                .get(first)
                .is_some_and(|text| text.start < range.end)
        };
        self.inner
            .get_added_vocabulary()
            .extract_and_normalize(self.inner.get_normalizer(), &masked)
            .get_splits(OffsetReferential::Original, OffsetType::Byte)
            .into_iter()
            .filter_map(|(_, (start, end), tokens)| match tokens.as_deref() {
                Some([token]) if self.markup_ids.contains(&token.id) => {
                    let taken = text.get(start..end)?;
                    let lead = taken.len() - taken.trim_start().len();
                    let spelled = start + lead..start + lead + taken.trim().len();
                    let placed = TokenSpan {
                        id: token.id,
                        range: spelled,
                        is_markup: true,
                    };
                    Some((start..end, placed))
                }
                _ => None,
            })
            .filter(|(_, token)| !overlaps(&token.range))
            .collect()
    }

    /// Encodes the text in `range`, which contains no markup.
    fn encode_between(
        &self,
        text: &str,
        range: Range<usize>,
        before: Before,
        breaks: &[usize],
        placed: &mut Vec<TokenSpan>,
    ) -> Result<(), TokenizerError> {
        let inner = |at: &&usize| range.start < **at && **at < range.end;
        let mut start = range.start;
        let mut before = before;
        for end in breaks.iter().filter(inner).copied().chain([range.end]) {
            self.encode_piece(&text[start..end], before, |id, (from, to)| {
                placed.push(TokenSpan {
                    id,
                    range: start + from..start + to,
                    is_markup: false,
                });
            })?;
            start = end;
            before = Before::Text;
        }
        Ok(())
    }

    /// Tokenizes text without markup, and passes each id with its byte range to `give`.
    fn encode_piece(
        &self,
        text: &str,
        before: Before,
        mut give: impl FnMut(u32, (usize, usize)),
    ) -> Result<(), TokenizerError> {
        // The library's own steps with another added vocabulary.
        let steps = match before {
            Before::Nothing => None,
            Before::Token => Some(&self.after_token),
            Before::Text => Some(&self.after_text),
        };
        let normalizer = steps.map_or(self.inner.get_normalizer(), |s| s.normalizer.as_ref());
        let pre_tokenizer =
            steps.map_or(self.inner.get_pre_tokenizer(), |s| s.pre_tokenizer.as_ref());
        let mut pieces = self.text_vocabulary.extract_and_normalize(normalizer, text);
        if let Some(pre_tokenizer) = pre_tokenizer {
            pre_tokenizer
                .pre_tokenize(&mut pieces)
                .map_err(apply_error)?;
        }
        let model = self.inner.get_model();
        pieces
            .tokenize(|piece| model.tokenize(piece.get()))
            .map_err(apply_error)?;
        let encoding = pieces
            .into_encoding(None, 0, OffsetType::Byte)
            .map_err(apply_error)?;
        for (&id, &offsets) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            give(id, offsets);
        }
        Ok(())
    }

    /// Encodes untrusted text after `before`, with nothing recognised as markup.
    pub(super) fn encode_plain(
        &self,
        text: &str,
        before: Before,
    ) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = Vec::new();
        self.encode_piece(text, before, |id, _| ids.push(id))?;
        Ok(ids)
    }
}

/// Returns the text with the same length in bytes, in which the regions keep only their white space and the kind of
/// their characters (letter or not): added tokens may require either beside them.
fn masked(text: &str, regions: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for region in regions {
        // Regions may touch or overlap.
        let start = region.start.max(at);
        if start >= region.end {
            continue;
        }
        masked.push_str(&text[at..start]);
        for character in text[start..region.end].chars() {
            if character.is_whitespace() {
                masked.push(character);
            } else {
                let filler = if character.is_alphanumeric() {
                    "z"
                } else {
                    "\u{1}"
                };
                masked.extend(std::iter::repeat_n(filler, character.len_utf8()));
            }
        }
        at = region.end;
    }
    masked.push_str(&text[at..]);
    masked
}
