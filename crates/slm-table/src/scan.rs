//! Finds the extents of the values in a JSON text without parsing their content.

use std::io::{self, BufRead, Cursor, Read};

use memchr::memchr3;

use crate::line::{LineRead, MAX_SKIPPED_BYTES, endless, read_line};
use crate::reading::Text;

/// A text with the number of its current line, counted from 1.
pub(crate) struct Scanner {
    text: Text,
    pub(crate) line: usize,
}

/// The extent of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The value is in the buffer.
    Whole,
    /// The value exceeds the limit and was skipped.
    TooLong { bytes: u64 },
    /// The text ends inside the value.
    CutOff,
    /// A line ends inside a string, so the end of the value cannot be determined.
    LineBreak,
}

/// The position inside a value.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    in_word: bool,
}

enum Step {
    /// The value extends at least to this byte.
    Inside,
    /// The byte is the last of the value.
    Last,
    /// The byte follows the value.
    After,
    LineBreak,
}

impl Nesting {
    fn step(&mut self, byte: u8) -> Step {
        if self.in_string {
            match byte {
                b'\n' => return Step::LineBreak,
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return Step::last_if(!self.in_string && self.depth == 0);
        }
        let is_separator = matches!(byte, b',' | b':' | b']' | b'}') || byte.is_ascii_whitespace();
        if self.in_word && self.depth == 0 && is_separator {
            return Step::After;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                return Step::last_if(self.depth == 0);
            }
            _ => self.in_word = self.depth == 0,
        }
        Step::Inside
    }
}

impl Step {
    fn last_if(is_last: bool) -> Self {
        if is_last { Self::Last } else { Self::Inside }
    }
}

impl Scanner {
    pub(crate) fn new(text: Text) -> Self {
        Self { text, line: 1 }
    }

    /// Returns the next byte that is not white space, without consuming it.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.text.fill_buf()?;
            match buffer.first() {
                Some(byte) if byte.is_ascii_whitespace() => self.skip(),
                first => return Ok(first.copied()),
            }
        }
    }

    /// Consumes the byte returned by `peek`.
    pub(crate) fn skip(&mut self) {
        let is_line_end = matches!(self.text.fill_buf(), Ok([b'\n', ..]));
        self.line += usize::from(is_line_end);
        self.text.consume(1);
    }

    /// Reads a line as [`read_line`] does.
    pub(crate) fn line(&mut self, most: usize, line: &mut Vec<u8>) -> io::Result<LineRead> {
        let read = read_line(&mut self.text, most, line)?;
        self.line += usize::from(read != LineRead::End);
        Ok(read)
    }

    /// Puts bytes back before the rest of the text; they begin on line `line`.
    pub(crate) fn unread(&mut self, bytes: Vec<u8>, line: usize) {
        let rest = std::mem::replace(&mut self.text, Box::new(io::empty()));
        self.text = Box::new(Cursor::new(bytes).chain(rest));
        self.line = line;
    }

    /// Reads the value that begins with the byte returned by `peek` into `value`, up to `most` bytes.
    ///
    /// # Errors
    /// The text cannot be read, or the value does not end within [`MAX_SKIPPED_BYTES`] more.
    pub(crate) fn value(&mut self, most: usize, value: &mut Vec<u8>) -> io::Result<Extent> {
        value.clear();
        let mut nesting = Nesting::default();
        let mut bytes = 0_u64;
        loop {
            let buffer = match self.text.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                return Ok(Extent::CutOff);
            }
            let (mut at, mut is_last) = (0, false);
            while at < buffer.len() && !is_last {
                if nesting.in_string && !nesting.is_escaped {
                    // Long values consist mostly of text.
                    let next = memchr3(b'"', b'\\', b'\n', &buffer[at..]);
                    at = next.map_or(buffer.len(), |ahead| at + ahead);
                }
                let Some(&byte) = buffer.get(at) else { break };
                match nesting.step(byte) {
                    Step::Inside => self.line += usize::from(byte == b'\n'),
                    Step::Last => is_last = true,
                    Step::After => {
                        is_last = true;
                        break;
                    }
                    Step::LineBreak => return Ok(Extent::LineBreak),
                }
                at += 1;
            }
            let length = at;
            bytes += length as u64;
            if bytes <= most as u64 {
                value.extend_from_slice(&buffer[..length]);
            } else {
                *value = Vec::new();
            }
            self.text.consume(length);
            match (is_last, bytes > most as u64) {
                (true, false) => return Ok(Extent::Whole),
                (true, true) => return Ok(Extent::TooLong { bytes }),
                (false, true) if bytes > most as u64 + MAX_SKIPPED_BYTES => return Err(endless()),
                (false, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(text: &str, buffer: usize) -> Vec<(Extent, String, usize)> {
        let reader = io::BufReader::with_capacity(buffer, Cursor::new(text.to_owned()));
        let mut scanner = Scanner::new(Box::new(reader));
        let mut found = Vec::new();
        while scanner
            .peek()
            .expect("memory")
            .is_some_and(|byte| byte != b',')
        {
            let mut value = Vec::new();
            let extent = scanner.value(16, &mut value).expect("memory");
            if matches!(extent, Extent::CutOff | Extent::LineBreak) {
                found.push((extent, String::new(), scanner.line));
                break;
            }
            let value = String::from_utf8_lossy(&value).into_owned();
            found.push((extent, value, scanner.line));
        }
        found
    }

    #[test]
    fn a_value_ends_where_its_brackets_and_quotes_do_whatever_the_buffer_holds() {
        for buffer in [1, 2, 5, 100] {
            let check = |text: &str, expected: &[(Extent, &str, usize)]| {
                let expected: Vec<_> = expected
                    .iter()
                    .map(|(extent, value, line)| (*extent, (*value).to_owned(), *line))
                    .collect();
                assert_eq!(extents(text, buffer), expected, "{text}, {buffer}");
            };
            let whole = Extent::Whole;
            check(
                "{\"a\": \"}\\\"\"}\n[[1],\n2] 12 \"x\"null",
                &[
                    (whole, "{\"a\": \"}\\\"\"}", 1),
                    (whole, "[[1],\n2]", 3),
                    (whole, "12", 3),
                    (whole, "\"x\"", 3),
                    (Extent::CutOff, "", 3),
                ],
            );
            check("{}1,", &[(whole, "{}", 1), (whole, "1", 1)]);
            check("[\"a\nb\"]", &[(Extent::LineBreak, "", 1)]);
            check(
                "[\"123456789012345\"] {}",
                &[(Extent::TooLong { bytes: 19 }, "", 1), (whole, "{}", 1)],
            );
        }
    }
}
