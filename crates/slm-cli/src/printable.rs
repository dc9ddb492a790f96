//! Escapes untrusted text for the terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes the characters of a text that could control a terminal or reorder its display, such as `\u{1b}`.
///
/// These are the control characters except line break and tab, and the marks, embeddings, overrides and isolates of
/// bidirectional text.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |out, c| out.extend(c.escape_unicode()))
}

/// Escapes such characters in a JSON document, without changing its meaning: they occur only in its strings, where
/// `\u001b` is equivalent.
pub(crate) fn printable_json(text: &str) -> Cow<'_, str> {
    escaped(text, |out, c| {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{:04x}", u32::from(c));
    })
}

fn escaped(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            escape(&mut out, c);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether a character can affect the display beyond its own glyph.
fn steers(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_an_escape_and_the_rest_as_it_is() {
        for (text, expected) in [
            (
                "plain \u{e4} \u{4e2d}\n\ttext",
                "plain \u{e4} \u{4e2d}\n\ttext",
            ),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\rb\u{8}\u{0}", "a\\u{d}b\\u{8}\\u{0}"),
            ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"),
            (
                "user\u{202e}txt.exe\u{2069}",
                "user\\u{202e}txt.exe\\u{2069}",
            ),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert!(matches!(printable("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_json_document_means_the_same_afterwards() {
        assert_eq!(
            printable_json("{\n\"a\": \"\u{9b}\u{202e}\"}"),
            "{\n\"a\": \"\\u009b\\u202e\"}"
        );
    }
}
