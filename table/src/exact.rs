//! JSON as Python writes and reads it: integers of any size, and the constants NaN and Infinity.

use serde_json::{Map, Value};

/// Levels of nesting that are still read, as in `serde_json`.
const MAX_DEPTH: usize = 128;

/// A JSON value whose numbers are kept as they were written.
///
/// `serde_json::Value` turns an integer of more than 64 bits into a float and refuses `NaN` and `Infinity`; published
/// test inputs hold all of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exact {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written, or one of `NaN`, `Infinity`, `-Infinity`.
    Number(String),
    /// A string, its escapes resolved.
    Text(String),
    /// An array.
    Array(Vec<Exact>),
    /// An object, in the order of the text.
    Object(Vec<(String, Exact)>),
}

impl Exact {
    /// Reads a text that holds one value.
    ///
    /// # Errors
    /// What is wrong, and at which column, counted from 1 in bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.problem("expected the end of the value"));
        }
        Ok(value)
    }

    /// The field of an object; `None` for anything else, too.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The same for tools that know JSON's numbers only: what is no finite double becomes null.
    pub fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => value.into(),
            Self::Number(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
            Self::Text(text) => text.into(),
            Self::Array(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| (name, value.into_value()))
                .collect::<Map<String, Value>>()
                .into(),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn problem(&self, what: &str) -> String {
        format!("{what}, column {}", self.at + 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes over `word` if it comes next.
    fn take(&mut self, word: &str) -> bool {
        let found = self.text[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Exact, String> {
        if depth == MAX_DEPTH {
            return Err(self.problem("nested too deeply"));
        }
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Exact::Text),
            Some(b'[') => {
                let mut items = Vec::new();
                self.sequence(b']', |parser| {
                    items.push(parser.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Exact::Array(items))
            }
            Some(b'{') => {
                let mut fields = Vec::new();
                self.sequence(b'}', |parser| {
                    let name = parser.string()?;
                    parser.space();
                    if !parser.take(":") {
                        return Err(parser.problem("expected `:`"));
                    }
                    fields.push((name, parser.value(depth + 1)?));
                    Ok(())
                })?;
                Ok(Exact::Object(fields))
            }
            _ if self.take("null") => Ok(Exact::Null),
            _ if self.take("true") => Ok(Exact::Bool(true)),
            _ if self.take("false") => Ok(Exact::Bool(false)),
            _ => self.number(),
        }
    }

    /// Reads from an opening bracket to `end`, with commas between what `item` reads.
    fn sequence(
        &mut self,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.at += 1;
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.space();
            item(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == end => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.problem(&format!("expected `,` or `{}`", end as char))),
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        if self.peek() != Some(b'"') {
            return Err(self.problem("expected a string"));
        }
        let rest = &self.text.as_bytes()[self.at..];
        let mut end = 1;
        while rest.get(end).is_some_and(|&byte| byte != b'"') {
            end += if rest[end] == b'\\' { 2 } else { 1 };
        }
        // An escape at the very end may lead beyond it.
        let Some(literal) = self.text.get(self.at..=self.at + end) else {
            return Err(self.problem("a string without its end"));
        };
        let string = serde_json::from_str(literal)
            .map_err(|_| self.problem("a string with an unknown escape or a control character"))?;
        self.at += literal.len();
        Ok(string)
    }

    fn number(&mut self) -> Result<Exact, String> {
        let start = self.at;
        self.take("-");
        let constant = self.take("Infinity") || (self.at == start && self.take("NaN"));
        if !constant {
            while matches!(
                self.peek(),
                Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
            ) {
                self.at += 1;
            }
            let text = &self.text[start..self.at];
            if serde_json::from_str::<f64>(text).is_err() {
                self.at = start;
                return Err(self.problem("expected a value"));
            }
        }
        Ok(Exact::Number(self.text[start..self.at].to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_of_any_size_and_pythons_constants_are_kept() {
        let text = "[123456789012345678901234567890, -Infinity, Infinity, NaN, 1.50, -0]";
        let Ok(Exact::Array(items)) = Exact::parse(text) else {
            panic!("an array");
        };
        let texts: Vec<String> = items
            .iter()
            .map(|item| match item {
                Exact::Number(text) => text.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(format!("[{}]", texts.join(", ")), text);
        let values = Exact::Array(items).into_value();
        assert_eq!(values[1], Value::Null);
        assert_eq!(values[4], json!(1.5));
    }

    #[test]
    fn ordinary_json_is_read_as_by_serde() {
        for text in [
            r#" {"a": [1, 2.5e3, {"b": null}], "c": "\u00e9\"\\\ud83d\ude00/", "d": [], "e": {}} "#,
            "[true,false,null]",
            "\"x\"",
            "-3",
        ] {
            let expected: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(Exact::parse(text).map(Exact::into_value), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_column() {
        for (text, problem) in [
            ("", "expected a value, column 1"),
            ("[1, ]", "expected a value, column 5"),
            ("[1 2]", "expected `,` or `]`, column 4"),
            ("{\"a\" 1}", "expected `:`, column 6"),
            ("{a: 1}", "expected a string, column 2"),
            ("\"abc", "a string without its end, column 1"),
            ("\"abc\\", "a string without its end, column 1"),
            (
                "\"\\x\"",
                "a string with an unknown escape or a control character, column 1",
            ),
            ("1 2", "expected the end of the value, column 3"),
            ("-NaN", "expected a value, column 1"),
            ("1.2.3", "expected a value, column 1"),
        ] {
            assert_eq!(Exact::parse(text), Err(problem.to_owned()), "{text}");
        }
        let deep = "[".repeat(1000);
        assert!(Exact::parse(&deep).is_err_and(|problem| problem.starts_with("nested too deeply")));
    }
}
