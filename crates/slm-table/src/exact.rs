//! JSON in the dialect of Python's `json`: integers of any size, and the constants NaN and Infinity.

use serde_json::{Map, Value};

use crate::parser::{Parser, Tree};

/// A JSON value whose numbers keep their notation.
///
/// `serde_json::Value` converts integers beyond 64 bits to floats and refuses `NaN` and `Infinity`; published test
/// inputs contain all of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exact {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number in its original notation, or one of `NaN`, `Infinity`, `-Infinity`.
    Number(String),
    /// A string with its escapes resolved.
    Text(String),
    /// An array.
    Array(Vec<Exact>),
    /// An object, with its fields in the original order.
    Object(Vec<(String, Exact)>),
}

impl Exact {
    /// Parses a text with one value.
    ///
    /// # Errors
    /// The problem, with its column, counted from 1 in bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser::new(text.as_bytes(), usize::MAX);
        let parsed = parser.value(0).and_then(|value| {
            parser.end()?;
            Ok(value)
        });
        let at = |at: usize, what: &str| format!("{what}, column {}", at + 1);
        match (parsed, parser.lone_surrogate) {
            (Err(problem), _) => Err(at(problem.at, &problem.what)),
            // A replacement character would change the publisher's value.
            (Ok(_), Some(start)) => Err(at(start, "a string with half of a surrogate pair")),
            (Ok(value), None) => Ok(value),
        }
    }

    /// Returns the field of an object; `None` if the value is not an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Converts to `serde_json::Value`; numbers that are not finite doubles become null.
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

impl Tree for Exact {
    fn null() -> Self {
        Self::Null
    }

    fn boolean(value: bool) -> Self {
        Self::Bool(value)
    }

    fn number(text: &str) -> Self {
        Self::Number(text.to_owned())
    }

    fn text(text: String) -> Self {
        Self::Text(text)
    }

    fn array(items: Vec<Self>) -> Self {
        Self::Array(items)
    }

    fn object(fields: Vec<(String, Self)>) -> Self {
        Self::Object(fields)
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
            ("\"abc", "an unterminated string, column 1"),
            ("\"abc\\", "an unterminated string, column 1"),
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
