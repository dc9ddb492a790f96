//! Line counts: LOC, LLOC, SLOC, comments, multi-line strings and blank lines.
//!
//! radon tokenizes the shortest run of stripped lines that can be tokenized, a chunk, and counts each chunk
//! separately. In valid code a chunk ends at each line end outside brackets and strings, so one pass over the
//! tokens finds them.

use serde::Serialize;

use crate::ast::token::TokenKind;
use crate::ast::{Ranged, TextRange};
use crate::parser::{Fstrings, Module, SyntaxError, with_recovered_module};

/// The line counts of one file; `loc = sloc + blank + multi + single_comments`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Raw {
    /// Total lines.
    pub loc: usize,
    /// Logical lines: a statement counts one, and one more if a colon precedes its end.
    pub lloc: usize,
    /// Lines that contain code.
    pub sloc: usize,
    /// Comments, including those after code on the same line.
    pub comments: usize,
    /// Non-blank lines of multi-line strings that are statements by themselves, usually docstrings.
    pub multi: usize,
    /// Blank lines.
    pub blank: usize,
    /// Lines with only a comment or a one-line string.
    pub single_comments: usize,
}

/// Counts the lines of a parsed module.
///
/// # Errors
/// [`SyntaxError`] if a character that only `str.splitlines` treats as a line end splits a string or a name;
/// radon rejects those as well.
pub(crate) fn count(module: &Module<'_>) -> Result<Raw, SyntaxError> {
    if !has_exotic_separator(module.text) {
        return Counter::new(module).run();
    }
    let stripped: Vec<&str> = split_lines(module.text).map(strip).collect();
    with_recovered_module(&stripped.join("\n"), module.fstrings, |module| {
        match module.lexical_error() {
            // Other parser errors are expected: the lines have lost their indentation.
            Some(error) => Err(error),
            None => Counter::new(module).run(),
        }
    })?
}

/// Returns whether the text has line ends for `str.splitlines` that the Python grammar does not have.
fn has_exotic_separator(text: &str) -> bool {
    // A byte test spares ordinary files the slow search: all but the ASCII ones begin with 0xc2 or 0xe2.
    text.bytes()
        .any(|byte| matches!(byte, 0x0b | 0x0c | 0x1c..=0x1e | 0xc2 | 0xe2))
        && text.contains(is_exotic_separator)
}

fn is_exotic_separator(c: char) -> bool {
    matches!(
        c,
        '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Python's `str.splitlines` for a text whose line ends are `\n` or exotic.
fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|c| c == '\n' || is_exotic_separator(c))
        .map(|line| line.trim_end_matches(|c| c == '\n' || is_exotic_separator(c)))
}

/// Python's `str.strip`, which treats the ASCII separators as white space.
fn strip(line: &str) -> &str {
    line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}'))
}

/// A token for the line counts; in legacy mode an f-string is one string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Comment,
    /// A whole string; `multiline` if it ends on a later row than it begins.
    String {
        multiline: bool,
    },
    Colon,
    Semicolon,
    Other,
}

struct Counter<'a> {
    module: &'a Module<'a>,
    /// Whether line `i + 1` contains only white space.
    blank: Vec<bool>,
    raw: Raw,
    /// First line of the chunk, counted from 1.
    first_line: usize,
    /// The pieces of the chunk.
    pieces: Vec<Piece>,
}

impl<'a> Counter<'a> {
    fn new(module: &'a Module<'a>) -> Self {
        let mut blank: Vec<bool> = module
            .text
            .split('\n')
            .map(|line| strip(line).is_empty())
            .collect();
        // The text after the last line end is only a line if it is not empty.
        if module.text.ends_with('\n') || module.text.is_empty() {
            blank.pop();
        }
        Self {
            module,
            blank,
            raw: Raw::default(),
            first_line: 1,
            pieces: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Raw, SyntaxError> {
        let mut open_brackets = 0_usize;
        // Nested f-strings are part of the outermost one.
        let mut open_fstrings = 0_usize;
        let mut fstring_start = None;
        for token in self.module.tokens() {
            let kind = token.kind();
            match kind {
                TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => open_brackets += 1,
                TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                    open_brackets = open_brackets.saturating_sub(1);
                }
                TokenKind::FStringStart | TokenKind::TStringStart => {
                    open_fstrings += 1;
                    if open_fstrings == 1 {
                        fstring_start = Some(token.start());
                    }
                }
                TokenKind::FStringEnd | TokenKind::TStringEnd => {
                    open_fstrings = open_fstrings.saturating_sub(1);
                }
                _ => {}
            }
            if self.module.fstrings == Fstrings::Legacy
                && let Some(start) = fstring_start
            {
                if open_fstrings == 0 {
                    fstring_start = None;
                    self.push_string(TextRange::new(start, token.end()));
                }
                continue;
            }
            match kind {
                TokenKind::Newline | TokenKind::NonLogicalNewline => {
                    if open_brackets == 0 && open_fstrings == 0 {
                        self.end_chunk(self.module.lines.line(token.start()));
                    }
                }
                TokenKind::Indent | TokenKind::Dedent | TokenKind::EndOfFile => {}
                TokenKind::Comment => self.pieces.push(Piece::Comment),
                TokenKind::String => self.push_string(token.range()),
                TokenKind::Colon => self.pieces.push(Piece::Colon),
                TokenKind::Semi => self.pieces.push(Piece::Semicolon),
                _ => self.pieces.push(Piece::Other),
            }
        }
        let last_line = self.blank.len();
        if open_brackets > 0 || open_fstrings > 0 || self.is_continued_by_blank(last_line) {
            return Err(SyntaxError::on_line(
                "a statement that is cut by a line separator or ends in a backslash",
                self.first_line,
            ));
        }
        self.end_chunk(last_line);
        let raw = &mut self.raw;
        raw.loc = raw.sloc + raw.blank + raw.multi + raw.single_comments;
        Ok(self.raw)
    }

    /// Returns whether a backslash continues the chunk into a blank line, which ends the statement but not the
    /// chunk: without the next line, the text that radon tokenizes still ends in the backslash.
    fn is_continued_by_blank(&self, last_line: usize) -> bool {
        last_line > self.first_line && self.blank[last_line - 1]
    }

    fn push_string(&mut self, range: TextRange) {
        let multiline = self.module.text[range].contains('\n');
        self.pieces.push(Piece::String { multiline });
    }

    /// Ends the chunk on `last_line`.
    fn end_chunk(&mut self, last_line: usize) {
        let last_line = last_line.min(self.blank.len());
        if last_line < self.first_line || self.is_continued_by_blank(last_line) {
            return;
        }
        let lines = &self.blank[self.first_line - 1..last_line];
        let n_blank = lines.iter().filter(|&&blank| blank).count();
        let n_filled = lines.len() - n_blank;
        let comments = self.pieces.iter().filter(|&&p| p == Piece::Comment);
        self.raw.comments += comments.count();
        match self.pieces[..] {
            // A lone string counts one line even if a backslash adds a second line to its chunk.
            [Piece::Comment | Piece::String { multiline: false }] => self.raw.single_comments += 1,
            [Piece::String { multiline: true }] => {
                self.raw.multi += n_filled;
                self.raw.blank += n_blank;
            }
            _ => {
                self.raw.sloc += n_filled;
                self.raw.blank += n_blank;
            }
        }
        self.raw.lloc += logical_lines(&self.pieces);
        self.pieces.clear();
        self.first_line = last_line + 1;
    }
}

/// Counts the logical lines of one chunk: one for each part between semicolons, one more for a colon inside the part.
///
/// A part that is not the last lacks the end marker that radon looks for, so its colon must be the last but one
/// token to count as the end: `if x: a; b` is 2, `if x: f(a); b` is 3.
fn logical_lines(pieces: &[Piece]) -> usize {
    let mut total = 0;
    let mut length = 0;
    let mut rightmost_colon = None;
    let part = |length: usize, colon: Option<usize>, from_end: usize| match colon {
        None => usize::from(length > 0),
        Some(at) => 2 - usize::from(at + from_end == length),
    };
    for piece in pieces {
        match piece {
            Piece::Comment => {}
            Piece::Semicolon => {
                total += part(length, rightmost_colon.take(), 2);
                length = 0;
            }
            Piece::Colon => {
                rightmost_colon = Some(length);
                length += 1;
            }
            Piece::String { .. } | Piece::Other => length += 1,
        }
    }
    total + part(length, rightmost_colon, 1)
}
