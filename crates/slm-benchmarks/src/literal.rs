//! Writes values as Python expressions of literals, in which `nan` and `inf` are names.

use std::fmt::Write;

use slm_table::Exact;

/// Joins expressions to one for a tuple.
pub(crate) fn tuple(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item + ",").collect();
    format!("({})", items.join(" "))
}

/// Writes a value as a Python expression.
pub(crate) fn python(value: &Exact) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

/// Writes a text as a Python string literal on one line.
pub(crate) fn python_string(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    write_string(text, &mut literal);
    literal
}

fn write_value(value: &Exact, text: &mut String) {
    match value {
        Exact::Null => text.push_str("None"),
        Exact::Bool(true) => text.push_str("True"),
        Exact::Bool(false) => text.push_str("False"),
        Exact::Number(number) => match number.as_str() {
            "NaN" => text.push_str("nan"),
            "Infinity" => text.push_str("inf"),
            "-Infinity" => text.push_str("-inf"),
            number => text.push_str(number),
        },
        Exact::Text(string) => write_string(string, text),
        Exact::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                write_value(item, text);
            }
            text.push(']');
        }
        Exact::Object(fields) => {
            text.push('{');
            for (i, (name, value)) in fields.iter().enumerate() {
                text.push_str(if i > 0 { ", " } else { "" });
                write_string(name, text);
                text.push_str(": ");
                write_value(value, text);
            }
            text.push('}');
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    text.push('\'');
    for c in string.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let value = Exact::parse(json).expect("JSON");
        assert_eq!(python(&value), expected, "{json}");
    }

    #[test]
    fn json_becomes_a_python_expression() {
        check("[null, true, false]", "[None, True, False]");
        check(
            "[123456789012345678901, -1.5e3, NaN, -Infinity]",
            "[123456789012345678901, -1.5e3, nan, -inf]",
        );
        check(
            r#"{"a'b": ["\\\n\u0000\u00e9\/"]}"#,
            r"{'a\'b': ['\\\n\u0000é/']}",
        );
    }
}
