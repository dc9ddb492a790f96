//! The text of comments and docstrings, to find out which of them a program shares with another text.

use crate::ast::Ranged;
use crate::ast::token::TokenKind;
use crate::parser::{Fstrings, SyntaxError, with_module};

/// The comments and docstrings of one text, as the line counts of [`Raw`](crate::Raw) see them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommentLines {
    /// Each comment from its `#`, without white space at its end.
    pub comments: Vec<String>,
    /// Each string that is a statement by itself, in source order.
    pub strings: Vec<StringLines>,
}

/// A string that is a statement by itself, usually a docstring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLines {
    /// Its lines that are not blank, without white space around them.
    pub lines: Vec<String>,
    /// Whether it spans several lines, so that its lines count as comment lines.
    pub multiline: bool,
}

/// Returns the comments and docstrings of `source`.
///
/// # Errors
/// [`SyntaxError`] if it is not valid Python.
pub fn comment_lines(source: &str) -> Result<CommentLines, SyntaxError> {
    with_module(source, Fstrings::default(), |module| {
        let mut found = CommentLines::default();
        let mut open_brackets = 0_usize;
        // The pieces of the statement: a lone string, or anything else.
        let (mut string, mut n_pieces) = (None, 0_usize);
        for token in module.tokens() {
            match token.kind() {
                TokenKind::Lpar | TokenKind::Lsqb | TokenKind::Lbrace => open_brackets += 1,
                TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace => {
                    open_brackets = open_brackets.saturating_sub(1);
                }
                _ => {}
            }
            match token.kind() {
                TokenKind::Newline | TokenKind::NonLogicalNewline => {
                    if open_brackets == 0 {
                        if let (Some(range), 1) = (string.take(), n_pieces) {
                            found.strings.push(StringLines::new(&module.text[range]));
                        }
                        n_pieces = 0;
                    }
                }
                TokenKind::Indent | TokenKind::Dedent | TokenKind::EndOfFile => {}
                TokenKind::Comment => {
                    let text = module.text[token.range()].trim_end();
                    found.comments.push(text.to_owned());
                    n_pieces += 1;
                }
                kind => {
                    string = (kind == TokenKind::String).then(|| token.range());
                    n_pieces += 1;
                }
            }
        }
        found
    })
}

impl StringLines {
    fn new(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        Self {
            lines: lines
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            multiline: text.contains('\n'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze;

    /// Asserts that the counts agree with the line counts, which are radon's.
    fn check(source: &str) -> CommentLines {
        let found = comment_lines(source).expect("valid Python");
        let raw = analyze(source).expect("valid Python").raw;
        let multi: usize = found
            .strings
            .iter()
            .filter(|string| string.multiline)
            .map(|string| string.lines.len())
            .sum();
        assert_eq!((found.comments.len(), multi), (raw.comments, raw.multi));
        found
    }

    #[test]
    fn comments_and_docstrings_are_found_with_their_text() {
        let source = "# One.\nimport os  # two \n\ndef f(x):\n    \"\"\"Three.\n\n      Four.\n    \"\"\"\n    \"five\"\n    \
                      y = (  # six\n        \"seven\"\n    )\n    return y, '''eight\n    nine'''\n";
        let found = check(source);
        assert_eq!(found.comments, ["# One.", "# two", "# six"]);
        let strings: Vec<Vec<&str>> = found
            .strings
            .iter()
            .map(|string| string.lines.iter().map(String::as_str).collect())
            .collect();
        assert_eq!(
            strings,
            [vec!["\"\"\"Three.", "Four.", "\"\"\""], vec!["\"five\""]]
        );
        assert!(found.strings[0].multiline && !found.strings[1].multiline);
    }

    #[test]
    fn a_string_with_a_comment_behind_it_counts_as_code() {
        assert_eq!(check("'''a\nb'''  # c\n").strings, []);
        assert_eq!(check("'a' 'b'\n").strings, []);
        assert_eq!(check("").strings, []);
        assert_eq!(check("f'''a\n{1}\n'''\n").strings, []);
    }
}
