//! Tokens of an example of fill-in-the-middle, and of a prompt.

use slm_model::{OwnedTokens, TokenOwner, Tokenizer, TokenizerError};

use super::cut::{Document, Order};
use super::tokens::FimTokens;

/// Bytes per token beyond which a text is shortened without a count of its tokens: code has about four.
const BYTES_PER_TOKEN: usize = 16;
/// Bytes of a text whose tokens are always counted.
const ALWAYS_ENCODED: usize = 4096;

/// The texts around a gap, as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    /// Whether they were shortened.
    pub(crate) is_cut: bool,
}

impl Gap {
    /// Encodes the texts before and after a gap. Beyond `room` tokens, lines far from the gap are left out: each side
    /// keeps half of the room, and what the other does not need.
    ///
    /// # Errors
    /// The tokenizer refuses a text.
    pub(crate) fn of(
        tokenizer: &Tokenizer,
        prefix: &str,
        suffix: &str,
        room: usize,
    ) -> Result<Self, TokenizerError> {
        let encode_prefix = |text: &str| tokenizer.encode_text(text);
        let encode_suffix = |text: &str| tokenizer.encode_text_continuation(text);
        // `None` for a text that is longer than any that fits.
        let most = room.saturating_mul(BYTES_PER_TOKEN).max(ALWAYS_ENCODED);
        let is_short = |text: &str| text.len() <= most;
        let whole = |text, encode: &Encode| is_short(text).then(|| encode(text)).transpose();
        let before = whole(prefix, &encode_prefix)?;
        let after = whole(suffix, &encode_suffix)?;
        if let (Some(before), Some(after)) = (&before, &after)
            && before.len() + after.len() <= room
        {
            return Ok(Self {
                prefix: before.clone(),
                suffix: after.clone(),
                is_cut: false,
            });
        }
        let half = room / 2;
        let n_after = after.as_ref().map_or(usize::MAX, Vec::len);
        let room_before = (room - half).max(room.saturating_sub(n_after));
        let before = match before {
            Some(before) if before.len() <= room_before => before,
            _ => {
                let lines = prefix.split_inclusive('\n').rev();
                shortened(lines, room_before, Side::End, &encode_prefix)?
            }
        };
        let room_after = room - before.len();
        let after = match after {
            Some(after) if after.len() <= room_after => after,
            _ => {
                let lines = suffix.split_inclusive('\n');
                shortened(lines, room_after, Side::Start, &encode_suffix)?
            }
        };
        Ok(Self {
            prefix: before,
            suffix: after,
            is_cut: true,
        })
    }

    /// The number of tokens on both sides.
    pub(crate) fn n_tokens(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }
}

/// The tokens that a prompt has beside the texts and the model's begin token.
const MARKS: usize = 3;

/// Returns how many of `limit` tokens a prompt has for prefix, suffix and middle; 0 if it has none.
///
/// # Errors
/// The tokenizer fails.
pub(crate) fn room(tokenizer: &Tokenizer, limit: usize) -> Result<usize, TokenizerError> {
    let fixed = tokenizer.text_start()?.len() + MARKS;
    Ok(limit.saturating_sub(fixed))
}

/// Tokens that the three parts of a document may have beyond those of the uncut text, at the two ends of the middle.
const TOKENS_OF_CUTS: usize = 16;

/// Returns how many tokens a document may have so that its examples have at most `limit`.
///
/// # Errors
/// The tokenizer fails.
pub(crate) fn room_of_document(
    tokenizer: &Tokenizer,
    limit: usize,
) -> Result<usize, TokenizerError> {
    let end = 1;
    let room = room(tokenizer, limit)?.saturating_sub(end);
    Ok(room.saturating_sub(TOKENS_OF_CUTS.min(room / 4)))
}

/// Encodes a text.
type Encode<'a> = dyn Fn(&str) -> Result<Vec<u32>, TokenizerError> + 'a;

/// Which end of a text is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Start,
    End,
}

/// Encodes as many of the lines as fit into `room` tokens; `lines` begin at the side that is kept. Of a first line that
/// does not fit alone, a part is kept.
fn shortened<'t>(
    lines: impl Iterator<Item = &'t str>,
    room: usize,
    side: Side,
    encode: &Encode,
) -> Result<Vec<u32>, TokenizerError> {
    let (mut kept, mut n_tokens) = (Vec::new(), 0);
    for line in lines {
        // Of an endless line, only a part can fit.
        let line = nearest(line, room.saturating_mul(BYTES_PER_TOKEN), side);
        n_tokens += encode(line)?.len();
        if n_tokens > room {
            if kept.is_empty() {
                return part_of_line(line, room, side, encode);
            }
            break;
        }
        kept.push(line);
    }
    // Lines together may have other tokens than each alone.
    while !kept.is_empty() {
        let text: String = match side {
            Side::Start => kept.concat(),
            Side::End => kept.iter().rev().copied().collect(),
        };
        let ids = encode(&text)?;
        if ids.len() <= room {
            return Ok(ids);
        }
        kept.pop();
    }
    Ok(Vec::new())
}

/// Encodes as much of a line as fits into `room` tokens.
fn part_of_line(
    line: &str,
    room: usize,
    side: Side,
    encode: &Encode,
) -> Result<Vec<u32>, TokenizerError> {
    let mut part = line;
    while !part.is_empty() {
        let ids = encode(part)?;
        if ids.len() <= room {
            return Ok(ids);
        }
        let share = part.len() as u128 * room as u128 / ids.len() as u128;
        part = nearest(part, (part.len() - 1).min(share as usize), side);
    }
    Ok(Vec::new())
}

/// Returns at most `bytes` bytes of a text at one of its ends, in whole characters.
fn nearest(text: &str, bytes: usize, side: Side) -> &str {
    let Some(rest) = text.len().checked_sub(bytes) else {
        return text;
    };
    match side {
        Side::Start => &text[..text.floor_char_boundary(bytes)],
        Side::End => &text[text.ceil_char_boundary(rest)..],
    }
}

/// Encodes what precedes a middle: the begin token of the model, the texts around the gap, and the tokens between them.
///
/// # Errors
/// The tokenizer fails.
pub(crate) fn encode_prompt(
    tokenizer: &Tokenizer,
    tokens: &FimTokens,
    gap: Gap,
    order: Order,
) -> Result<Vec<u32>, TokenizerError> {
    let mut ids = tokenizer.text_start()?;
    let Gap { prefix, suffix, .. } = gap;
    match order {
        Order::Psm => {
            ids.push(tokens.prefix);
            ids.extend(prefix);
            ids.push(tokens.suffix);
            ids.extend(suffix);
            ids.push(tokens.middle);
        }
        Order::SpmJoined => {
            ids.extend([tokens.prefix, tokens.suffix]);
            ids.extend(suffix);
            ids.push(tokens.middle);
            ids.extend(prefix);
        }
        Order::SpmSeparate => {
            ids.push(tokens.suffix);
            ids.extend(suffix);
            ids.push(tokens.prefix);
            ids.extend(prefix);
            ids.push(tokens.middle);
        }
    }
    Ok(ids)
}

/// Encodes an example: a prompt, then the middle and its end token. Texts around the middle are shortened to a total of
/// `limit` tokens; `None` if the rest alone is longer. Also returns whether they were shortened.
///
/// A whole document is encoded as a literal text, and never shortened.
///
/// # Errors
/// The tokenizer refuses a text.
pub(crate) fn encode(
    tokenizer: &Tokenizer,
    document: &Document,
    limit: usize,
) -> Result<Option<(OwnedTokens, bool)>, TokenizerError> {
    let Document {
        text, cut, tokens, ..
    } = document;
    let mut turns = OwnedTokens::default();
    let Some(cut) = cut else {
        turns.push(TokenOwner::Context, tokenizer.text_start()?);
        turns.push(TokenOwner::Answer(0), tokenizer.encode_text(text)?);
        if document.is_last {
            turns.push(TokenOwner::End(0), tokenizer.text_end());
        }
        return Ok(Some((turns, false)));
    };
    let middle = tokenizer.encode_text_continuation(&text[cut.middle.clone()])?;
    let Some(room) = room(tokenizer, limit)?.checked_sub(middle.len() + 1) else {
        return Ok(None);
    };
    let (prefix, suffix) = (&text[..cut.middle.start], &text[cut.middle.end..]);
    let gap = Gap::of(tokenizer, prefix, suffix, room)?;
    let is_cut = gap.is_cut;
    turns.push(
        TokenOwner::Context,
        encode_prompt(tokenizer, tokens, gap, cut.order)?,
    );
    turns.push(TokenOwner::Answer(0), middle);
    turns.push(TokenOwner::End(0), [tokens.end]);
    Ok(Some((turns, is_cut)))
}
