//! JSON as Python writes and reads it: integers of any size, and the constants NaN and Infinity.

use serde_json::{Map, Value};

use crate::parser::{Parser, Tree};

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
        let mut parser = Parser::new(text.as_bytes(), usize::MAX);
        let parsed = parser.value(0).and_then(|value| {
            parser.end()?;
            Ok(value)
        });
        let at = |at: usize, what: &str| format!("{what}, column {}", at + 1);
        match (parsed, parser.lone_surrogate) {
            (Err(problem), _) => Err(at(problem.at, &problem.what)),
            // A replacement would be another value than the publisher's.
            (Ok(_), Some(start)) => Err(at(start, "a string with half of a surrogate pair")),
            (Ok(value), None) => Ok(value),
        }
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
