//! Pieces of long texts, each of which fits into an example.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;
use slm_model::TokenizerError;

/// A part of a text that is longer than an example may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Shared by all pieces of the text.
    pub(crate) whole: Arc<str>,
    /// In bytes of the text.
    pub(crate) span: Range<usize>,
    /// The line of the text that the piece begins with, from 1.
    first_line: usize,
}

impl Piece {
    /// A whole text as its only piece.
    pub(crate) fn all_of(text: &str) -> Self {
        Self {
            whole: text.into(),
            span: 0..text.len(),
            first_line: 1,
        }
    }

    /// The text of the piece.
    pub(crate) fn text(&self) -> &str {
        &self.whole[self.span.clone()]
    }

    /// A range of the text in bytes of the piece; `None` unless the piece holds all of it.
    fn place_of(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let Range { start, end } = self.span;
        let is_inside = start <= range.start && range.end <= end;
        is_inside.then(|| range.start - start..range.end - start)
    }

    /// Whether the text ends with the piece.
    pub(crate) fn is_last(&self) -> bool {
        self.span.end == self.whole.len()
    }

    /// The piece with its first line as the place, for messages.
    pub(crate) fn origin(&self, of_text: &str) -> String {
        format!("{of_text}, from line {}", self.first_line)
    }
}

/// Bytes per token beyond which a text is shortened without a count of its tokens: code has about four.
const BYTES_PER_TOKEN: usize = 16;

/// Encodes a text.
pub(crate) type Encode<'a> = dyn Fn(&str) -> Result<Vec<u32>, TokenizerError> + Sync + 'a;

/// A line, or a part of one that is too long.
#[derive(Debug)]
struct Part {
    span: Range<usize>,
    n_tokens: usize,
    rank: Rank,
}

/// How well a piece can begin with a part; the first is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A line without indentation after a blank line: a definition of a module, a paragraph.
    Block,
    /// An indented line after a blank line, with the width of its indentation: a method before a line of its body.
    Indented(usize),
    /// Any other line with text.
    Line,
    /// A blank line.
    Blank,
    /// The middle of a line.
    Inside,
}

impl Rank {
    fn of(line: &str, before: &str) -> Self {
        if line.trim().is_empty() {
            Self::Blank
        } else if !before.trim().is_empty() {
            Self::Line
        } else {
            match line.len() - line.trim_start().len() {
                0 => Self::Block,
                width => Self::Indented(width),
            }
        }
    }
}

/// Splits a text into pieces of at most `room` tokens, in order and without a gap. A piece ends where the best part
/// begins in the second half of what would fit.
///
/// # Errors
/// The tokenizer refuses the text.
pub(crate) fn split(
    text: &str,
    room: usize,
    encode: &Encode,
) -> Result<Vec<Piece>, TokenizerError> {
    let whole: Arc<str> = text.into();
    let mut first_line = 1;
    let mut piece = |span: Range<usize>| {
        let piece = Piece {
            whole: Arc::clone(&whole),
            span,
            first_line,
        };
        first_line += piece.text().matches('\n').count();
        piece
    };
    let n_tokens = |span: Range<usize>| encode(&text[span]).map(|ids| ids.len());
    // A token has at least one byte.
    let may_fit = text.len() <= room.saturating_mul(BYTES_PER_TOKEN);
    if text.len() <= room || may_fit && n_tokens(0..text.len())? <= room {
        return Ok(vec![piece(0..text.len())]);
    }
    let parts = parts(text, room, encode)?;
    let mut pieces = Vec::new();
    let mut first = 0;
    while first < parts.len() {
        let mut end = furthest(&parts, first, room);
        if end < parts.len() {
            end = best_end(&parts, first, end);
        }
        let start = parts[first].span.start;
        // Lines together may have other tokens than each alone.
        while end > first + 1 && n_tokens(start..parts[end - 1].span.end)? > room {
            end -= 1;
        }
        pieces.push(piece(start..parts[end - 1].span.end));
        first = end;
    }
    Ok(pieces)
}

/// For each piece, the ranges of the text that it holds as a whole, in bytes of the piece; and the number of ranges that no
/// piece holds.
pub(crate) fn assigned(
    pieces: &[Piece],
    ranges: &[Range<usize>],
) -> (Vec<Vec<Range<usize>>>, usize) {
    let mut own = vec![Vec::new(); pieces.len()];
    let mut divided = 0;
    for range in ranges {
        let after = pieces.partition_point(|piece| piece.span.start <= range.start);
        let at = after.saturating_sub(1);
        match pieces.get(at).and_then(|piece| piece.place_of(range)) {
            Some(place) => own[at].push(place),
            None => divided += 1,
        }
    }
    (own, divided)
}

/// The end of the parts from `first` that fit into `room` tokens together; at least one.
fn furthest(parts: &[Part], first: usize, room: usize) -> usize {
    let (mut end, mut n_tokens) = (first, 0);
    while end < parts.len() && (end == first || n_tokens + parts[end].n_tokens <= room) {
        n_tokens += parts[end].n_tokens;
        end += 1;
    }
    end
}

/// The best end among those that leave a piece at least half as long as it could be; the last of equally good ones.
fn best_end(parts: &[Part], first: usize, furthest: usize) -> usize {
    let all: usize = parts[first..furthest]
        .iter()
        .map(|part| part.n_tokens)
        .sum();
    let mut n_tokens = 0;
    let mut best = furthest;
    let mut best_rank = None;
    for end in first + 1..=furthest {
        n_tokens += parts[end - 1].n_tokens;
        let rank = parts[end].rank;
        if 2 * n_tokens >= all && best_rank.is_none_or(|best| rank <= best) {
            (best, best_rank) = (end, Some(rank));
        }
    }
    best
}

/// The lines of a text; those of more than `room` tokens in parts that fit.
fn parts(text: &str, room: usize, encode: &Encode) -> Result<Vec<Part>, TokenizerError> {
    let (mut at, mut before) = (0, "");
    let lines = text.split_inclusive('\n').map(|line| {
        let found = (at, line, Rank::of(line, before));
        (at, before) = (at + line.len(), line);
        found
    });
    let lines: Vec<_> = lines.collect();
    let parts: Vec<Vec<Part>> = lines
        .into_par_iter()
        .map(|(start, line, rank)| parts_of_line(start, line, rank, room, encode))
        .collect::<Result<_, _>>()?;
    Ok(parts.into_iter().flatten().collect())
}

/// A line that begins at byte `start`, in parts that fit into `room` tokens.
fn parts_of_line(
    start: usize,
    line: &str,
    mut rank: Rank,
    room: usize,
    encode: &Encode,
) -> Result<Vec<Part>, TokenizerError> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let (length, n_tokens) = start_that_fits(&line[at..], room, encode)?;
        parts.push(Part {
            span: start + at..start + at + length,
            n_tokens,
            rank,
        });
        at += length;
        rank = Rank::Inside;
    }
    Ok(parts)
}

/// The bytes and tokens of the start of a line that fits into `room` tokens; at least one character.
fn start_that_fits(
    line: &str,
    room: usize,
    encode: &Encode,
) -> Result<(usize, usize), TokenizerError> {
    let fewest = line.chars().next().map_or(0, char::len_utf8);
    let mut length = line.floor_char_boundary(room.saturating_mul(BYTES_PER_TOKEN).max(fewest));
    loop {
        let n_tokens = encode(&line[..length])?.len();
        if n_tokens <= room || length == fewest {
            return Ok((length, n_tokens));
        }
        let share = length as u128 * room as u128 / n_tokens as u128;
        length = line
            .floor_char_boundary((length - 1).min(share as usize))
            .max(fewest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token for each word and each line break.
    fn words(text: &str) -> Vec<u32> {
        vec![0; text.split_whitespace().count() + text.matches('\n').count()]
    }

    fn split_by_words(text: &str, room: usize) -> Vec<Piece> {
        split(text, room, &|text| Ok(words(text))).expect("pieces")
    }

    /// Returns the texts of the pieces, which together are the text and of which each fits.
    fn pieces(text: &str, room: usize) -> Vec<String> {
        let pieces = split_by_words(text, room);
        let texts: Vec<String> = pieces.iter().map(|piece| piece.text().to_owned()).collect();
        assert_eq!(texts.concat(), text);
        for text in &texts {
            assert!(words(text).len() <= room, "{text:?}");
        }
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(piece.is_last(), index + 1 == pieces.len());
        }
        texts
    }

    #[test]
    fn a_text_that_fits_is_one_piece() {
        assert_eq!(pieces("a b\nc\n", 5), ["a b\nc\n"]);
        assert_eq!(pieces("a b\nc\n", 4), ["a b\n", "c\n"]);
        assert_eq!(pieces("", 4), [""]);
    }

    #[test]
    fn a_piece_ends_before_a_definition_in_its_second_half() {
        let first = "import os\n\n\ndef one():\n    return 1\n\n\n";
        let class = "class A:\n    x = 1\n\n    def f(self):\n        y = 2\n";
        // The first two lines of the class would fit, too.
        assert_eq!(pieces(&format!("{first}{class}"), 20), [first, class]);
        // Without a definition of the module, a method is next best.
        let (before, method) = class.split_at(class.find("    def").expect("a method"));
        assert_eq!(pieces(class, 11), [before, method]);
        // A blank line in a body is no place to end while there is a method.
        let long = "class A:\n    def f(self):\n        x = 1\n\n    def g(self):\n        y = 2\n\n        return y\n";
        let (before, method) = long.split_at(long.find("    def g").expect("a method"));
        assert_eq!(pieces(long, 19), [before, method]);
        // Without a blank line, any line is.
        let (two, one) = ("a = 1\na = 1\n", "a = 1\n");
        assert_eq!(pieces(&one.repeat(7), 9), [two, two, two, one]);
    }

    #[test]
    fn a_line_that_is_too_long_is_split_inside() {
        let long = format!("x = \"{}\"\ny\n", "é ".repeat(40));
        let texts = pieces(&long, 16);
        assert!(texts.len() >= 3, "{texts:?}");
        assert!(
            texts[0].starts_with("x = ") && texts.last().is_some_and(|text| text.ends_with("y\n"))
        );
    }

    #[test]
    fn a_place_names_the_first_line_of_the_piece() {
        let pieces = split_by_words(&"a\n".repeat(6), 4);
        let places: Vec<String> = pieces.iter().map(|piece| piece.origin("a.py")).collect();
        let expected = [
            "a.py, from line 1",
            "a.py, from line 3",
            "a.py, from line 5",
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn a_body_belongs_to_the_piece_that_holds_all_of_it() {
        let pieces = split_by_words(&"a\n".repeat(6), 4);
        let (own, divided) = assigned(&pieces, &[0..2, 2..4, 2..5, 4..8, 10..12]);
        let own: Vec<Vec<_>> = own
            .iter()
            .map(|ranges| {
                ranges
                    .iter()
                    .map(|range| (range.start, range.end))
                    .collect()
            })
            .collect();
        assert_eq!(own, [vec![(0, 2), (2, 4)], vec![(0, 4)], vec![(2, 4)]]);
        assert_eq!(divided, 1);
    }

    #[test]
    fn any_text_is_split_without_a_gap() {
        let text =
            "def f(x):\n\n    if x:\n        return \"🙂 and more words\"\n\n\ny = f(1)\n\n\n";
        for times in 1..5 {
            for room in 1..40 {
                pieces(&text.repeat(times), room);
            }
        }
    }
}
