//! A JSON parser that builds the requested values of a text and skips the rest.
//!
//! It accepts what Python's `json` accepts: integers of any size, `NaN` and `Infinity`, and lone surrogates, which
//! become U+FFFD. In skipped values, brackets must match; the content of strings and the size of numbers are not
//! checked.

use std::str;

/// Maximum nesting depth of built values, as in `serde_json`.
const MAX_DEPTH: usize = 128;
/// Replacement of half of a surrogate pair.
const REPLACEMENT: &str = "\u{fffd}";

/// A type that the parser builds values of.
pub(crate) trait Tree: Sized {
    fn null() -> Self;
    fn boolean(value: bool) -> Self;
    /// A number in its original notation, or one of `NaN`, `Infinity`, `-Infinity`.
    fn number(text: &str) -> Self;
    fn text(text: String) -> Self;
    fn array(items: Vec<Self>) -> Self;
    /// Fields in the order of the text; of two fields with the same name, the last one applies.
    fn object(fields: Vec<(String, Self)>) -> Self;
}

/// Why a text is not the expected JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: String,
    /// Offset of the problem in bytes.
    pub(crate) at: usize,
    pub(crate) kind: ProblemKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// The text ends inside the value, but not inside a string or word.
    CutOff,
    /// Something follows the value.
    Trailing,
    /// A string is not UTF-8.
    NotUtf8,
    /// The limit of values is exceeded.
    TooMany,
    /// Valid JSON, but not a row.
    Shape,
    /// Any other error.
    Syntax,
}

type Parsed<T> = Result<T, Problem>;

/// A text and the parser's position in it.
pub(crate) struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The number of values that may still be built.
    budget: usize,
    /// Offset of the last string with a lone surrogate, in bytes.
    pub(crate) lone_surrogate: Option<usize>,
}

impl<'a> Parser<'a> {
    /// Starts at the beginning of a text; at most `budget` values are built.
    pub(crate) fn new(bytes: &'a [u8], budget: usize) -> Self {
        Self {
            bytes,
            at: 0,
            budget,
            lone_surrogate: None,
        }
    }

    fn problem<T>(&self, what: impl Into<String>) -> Parsed<T> {
        let kind = if self.at < self.bytes.len() {
            ProblemKind::Syntax
        } else {
            ProblemKind::CutOff
        };
        self.problem_of(kind, what)
    }

    fn problem_of<T>(&self, kind: ProblemKind, what: impl Into<String>) -> Parsed<T> {
        let (what, at) = (what.into(), self.at);
        Err(Problem { what, at, kind })
    }

    /// Returns the next byte.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips white space.
    pub(crate) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Checks that only white space follows.
    pub(crate) fn end(&mut self) -> Parsed<()> {
        self.space();
        if self.at < self.bytes.len() {
            return self.problem_of(ProblemKind::Trailing, "expected the end of the value");
        }
        Ok(())
    }

    /// Consumes `word` if it comes next.
    fn take(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Parses the next value, `depth` levels below the top.
    pub(crate) fn value<T: Tree>(&mut self, depth: usize) -> Parsed<T> {
        if depth == MAX_DEPTH {
            return self.problem_of(ProblemKind::Syntax, "nested too deeply");
        }
        let Some(budget) = self.budget.checked_sub(1) else {
            return self.problem_of(ProblemKind::TooMany, "too many values in one row");
        };
        self.budget = budget;
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(T::text),
            Some(b'[') => {
                let mut items = Vec::new();
                self.sequence(b']', |parser| {
                    items.push(parser.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(T::array(items))
            }
            Some(b'{') => {
                let mut fields = Vec::new();
                self.fields(|parser, name| {
                    fields.push((name, parser.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(T::object(fields))
            }
            _ => match self.scalar()? {
                "null" => Ok(T::null()),
                "true" => Ok(T::boolean(true)),
                "false" => Ok(T::boolean(false)),
                number => Ok(T::number(number)),
            },
        }
    }

    /// Parses an object; `field` parses or skips the value of each name.
    pub(crate) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, String) -> Parsed<()>,
    ) -> Parsed<()> {
        self.sequence(b'}', |parser| {
            let name = parser.string()?;
            parser.colon()?;
            field(parser, name)
        })
    }

    fn colon(&mut self) -> Parsed<()> {
        self.space();
        if self.take(":") {
            Ok(())
        } else {
            self.problem("expected `:`")
        }
    }

    /// Parses a sequence from an opening bracket to `end`, with commas between the items.
    fn sequence(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Parsed<()>) -> Parsed<()> {
        self.at += 1;
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            item(self)?;
            if self.comma_or(end)? {
                return Ok(());
            }
        }
    }

    /// Consumes a comma or `end`; returns whether it was the end.
    fn comma_or(&mut self, end: u8) -> Parsed<bool> {
        self.space();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == end => {
                self.at += 1;
                return Ok(true);
            }
            _ => return self.problem(format!("expected `,` or `{}`", char::from(end))),
        }
        Ok(false)
    }

    /// Skips the next value. The depth of nesting takes no stack.
    pub(crate) fn skip(&mut self) -> Parsed<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(bracket @ (b'[' | b'{')) => {
                    let end = bracket + 2;
                    self.at += 1;
                    self.space();
                    if self.peek() == Some(end) {
                        self.at += 1;
                    } else {
                        open.push(end);
                        self.skip_name(end)?;
                        continue;
                    }
                }
                Some(b'"') => {
                    self.literal()?;
                }
                _ => {
                    self.scalar()?;
                }
            }
            loop {
                let Some(&end) = open.last() else {
                    return Ok(());
                };
                if !self.comma_or(end)? {
                    self.skip_name(end)?;
                    break;
                }
                open.pop();
            }
        }
    }

    /// Skips the name before a value in an object.
    fn skip_name(&mut self, end: u8) -> Parsed<()> {
        if end == b'}' {
            self.space();
            self.literal()?;
            self.colon()?;
        }
        Ok(())
    }

    /// Consumes a quoted string; returns the raw text between the quotes.
    fn literal(&mut self) -> Parsed<&'a [u8]> {
        if self.peek() != Some(b'"') {
            return self.problem("expected a string");
        }
        let rest = &self.bytes[self.at + 1..];
        let mut end = 0;
        while rest.get(end).is_some_and(|&byte| byte != b'"') {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        // An escape at the very end may point beyond it.
        if end >= rest.len() {
            return self.problem_of(ProblemKind::Syntax, "an unterminated string");
        }
        self.at += end + 2;
        Ok(&rest[..end])
    }

    fn string(&mut self) -> Parsed<String> {
        let start = self.at;
        let literal = self.literal()?;
        let problem = |kind, what: &str| Problem {
            what: what.to_owned(),
            at: start,
            kind,
        };
        let mut text = Vec::with_capacity(literal.len());
        let mut rest = literal;
        while let Some(at) = rest.iter().position(|&byte| byte == b'\\' || byte < b' ') {
            text.extend_from_slice(&rest[..at]);
            let (length, is_lone) = unescape(&rest[at..], &mut text).ok_or_else(|| {
                let what = "a string with an unknown escape or a control character";
                problem(ProblemKind::Syntax, what)
            })?;
            if is_lone {
                self.lone_surrogate = Some(start);
            }
            rest = &rest[at + length..];
        }
        text.extend_from_slice(rest);
        String::from_utf8(text).map_err(|_| problem(ProblemKind::NotUtf8, "a string is not UTF-8"))
    }

    /// Consumes a word or number.
    fn scalar(&mut self) -> Parsed<&'a str> {
        let rest = &self.bytes[self.at..];
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let word = str::from_utf8(&rest[..length]).unwrap_or_default();
        let is_word = matches!(
            word,
            "null" | "true" | "false" | "NaN" | "Infinity" | "-Infinity"
        );
        if !is_word && !is_number(word) {
            return self.problem("expected a value");
        }
        self.at += length;
        Ok(word)
    }
}

/// Whether a text is a number in JSON's grammar.
fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    let text = text.strip_prefix('-').unwrap_or(text);
    let whole = match text.strip_prefix('0') {
        Some(rest) => Some(rest),
        None => digits(text),
    };
    let part = whole.and_then(|rest| match rest.strip_prefix('.') {
        Some(part) => digits(part),
        None => Some(rest),
    });
    let end = part.and_then(|rest| match rest.strip_prefix(['e', 'E']) {
        Some(power) => digits(power.strip_prefix(['+', '-']).unwrap_or(power)),
        None => Some(rest),
    });
    end == Some("")
}

/// Appends the character of the escape at the beginning of `bytes`; returns the length of the escape, and whether it
/// was a lone surrogate. `None` if the escape is invalid.
fn unescape(bytes: &[u8], text: &mut Vec<u8>) -> Option<(usize, bool)> {
    let mut put = |character: char| {
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    };
    let plain = match bytes {
        [b'\\', b'u', ..] => {
            let first = hex(bytes)?;
            let pair = (0xd800..0xdc00).contains(&first).then(|| {
                let second = hex(bytes.get(6..)?)?;
                (0xdc00..0xe000)
                    .contains(&second)
                    .then(|| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
            });
            if let Some(character) = pair.flatten().and_then(char::from_u32) {
                put(character);
                return Some((12, false));
            }
            let character = char::from_u32(first);
            match character {
                Some(character) => put(character),
                None => text.extend_from_slice(REPLACEMENT.as_bytes()),
            }
            return Some((6, character.is_none()));
        }
        [b'\\', escape, ..] => *escape,
        _ => return None,
    };
    put(match plain {
        b'"' | b'\\' | b'/' => char::from(plain),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    });
    Some((2, false))
}

/// Returns the code unit of a `\uXXXX` at the beginning.
fn hex(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes else {
        return None;
    };
    let digits = digits.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exact;

    fn texts(json: &str) -> (Exact, bool) {
        let mut parser = Parser::new(json.as_bytes(), 100);
        let value = parser
            .value(0)
            .unwrap_or_else(|problem| panic!("{json}: {problem:?}"));
        (value, parser.lone_surrogate.is_some())
    }

    /// Expected values by Python 3.11: `json.loads(x).encode("utf-16", "surrogatepass").decode("utf-16", "replace")`.
    #[test]
    fn a_lone_surrogate_is_replaced_and_a_pair_is_a_character() {
        for (json, text, is_lone) in [
            (r#""\ud83d\ude00""#, "\u{1f600}", false),
            (r#""ok \ud83d""#, "ok \u{fffd}", true),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}", true),
            (r#""\ud83dA\ud83d\n""#, "\u{fffd}A\u{fffd}\n", true),
            (r#""\ud83d\u0041""#, "\u{fffd}A", true),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}", true),
        ] {
            assert_eq!(
                texts(json),
                (Exact::Text(text.to_owned()), is_lone),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_passed_over_is_not_interpreted_but_has_to_end() {
        let pass = |json: &str| {
            let mut parser = Parser::new(json.as_bytes(), 0);
            parser.skip().and_then(|()| parser.end())
        };
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for json in [
            r#"{"a": [NaN, -Infinity, 1e999, {"b": "\ud83d \x"}], "c": {}, "d": []}"#,
            "123456789012345678901234567890",
            "\"\u{1}\"",
            deep.as_str(),
        ] {
            assert_eq!(pass(json), Ok(()), "{json:.80}");
        }
        for (json, what) in [
            ("[1, ]", "expected a value"),
            ("[1 2]", "expected `,` or `]`"),
            ("{\"a\" 1}", "expected `:`"),
            ("{\"a\": 1]", "expected `,` or `}`"),
            ("{1: 1}", "expected a string"),
            ("[\"a]", "an unterminated string"),
            ("01", "expected a value"),
            ("1 2", "expected the end of the value"),
        ] {
            assert_eq!(
                pass(json).map_err(|problem| problem.what),
                Err(what.to_owned()),
                "{json}"
            );
        }
        let not_utf8 = [&b"[\""[..], &b"\xff"[..], b"\"]"].concat();
        assert_eq!(Parser::new(&not_utf8, 0).skip(), Ok(()));
    }

    #[test]
    fn a_text_that_ends_too_soon_is_distinguished_from_a_wrong_one() {
        let kind = |json: &str| {
            let mut parser = Parser::new(json.as_bytes(), 100);
            parser
                .value::<Exact>(0)
                .map_err(|problem| problem.kind)
                .err()
        };
        for json in ["{", "{\"a\"", "{\"a\":", "{\"a\": 1,", "[1", ""] {
            assert_eq!(kind(json), Some(ProblemKind::CutOff), "{json}");
        }
        for json in ["{]", "[1,,", "x ", "[01]", "{\"a\" 1", "\"a", "[tr"] {
            assert_eq!(kind(json), Some(ProblemKind::Syntax), "{json}");
        }
        let many = format!("[{}1]", "1,".repeat(200));
        assert_eq!(kind(&many), Some(ProblemKind::TooMany));
    }
}
