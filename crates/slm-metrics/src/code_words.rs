//! The names and strings that a program's code contains, without comments.

use std::collections::BTreeSet;

use crate::ast::Ranged;
use crate::ast::token::TokenKind;
use crate::parser::{Fstrings, SyntaxError, with_module};

/// Names and strings of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeWords {
    /// Names joined by dots as written, such as `sys.modules`; each is as long as possible.
    pub names: BTreeSet<String>,
    /// The strings as written, with prefix and quotes; docstrings included.
    pub strings: BTreeSet<String>,
}

/// Returns the names and strings of a program.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn code_words(source: &str) -> Result<CodeWords, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut words = CodeWords::default();
        let mut name = String::new();
        for token in module.tokens() {
            let text = &module.text[token.range()];
            match token.kind() {
                TokenKind::Name if name.is_empty() || name.ends_with('.') => name.push_str(text),
                TokenKind::Dot if !name.is_empty() && !name.ends_with('.') => name.push('.'),
                kind => {
                    let ended = std::mem::take(&mut name);
                    let ended = ended.trim_end_matches('.');
                    if !ended.is_empty() {
                        words.names.insert(ended.to_owned());
                    }
                    match kind {
                        TokenKind::Name => name.push_str(text),
                        TokenKind::String => {
                            words.strings.insert(text.to_owned());
                        }
                        _ => {}
                    }
                }
            }
        }
        words
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_and_comments_left_out() {
        let source = "import a.b as c  # gc\nx = sys . modules['y'](f_back).z\n";
        let words = code_words(source).expect("Python");
        let names: Vec<&str> = words.names.iter().map(String::as_str).collect();
        assert_eq!(names, ["a.b", "c", "f_back", "sys.modules", "x", "z"]);
        assert_eq!(words.strings, BTreeSet::from(["'y'".to_owned()]));
    }
}
