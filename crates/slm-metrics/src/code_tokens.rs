//! The tokens of a text that may be Python: kinds, texts and lines, also where it does not parse.

use crate::ast::token::TokenKind;
use crate::ast::{Ranged, TextRange};
use crate::builtins::is_builtin;
use crate::parser::{Fstrings, Module, SyntaxError, with_recovered_module};

/// A token of Python code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeToken {
    /// The kind.
    pub kind: CodeTokenKind,
    /// The text as written; empty for the ends of lines and blocks.
    pub text: String,
    /// Byte of the text at which it starts; line ends count as one byte.
    pub start: usize,
    /// First and last line, counted from 1.
    pub lines: (usize, usize),
}

/// The kind of a [`CodeToken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeTokenKind {
    /// A keyword that is never a name, `True`, `False` and `None` included.
    Keyword,
    /// A name, and a keyword that may be one: `match`, `case`, `type`.
    Name,
    /// A number.
    Number,
    /// A string, or a part of an f-string.
    Text,
    /// A string that is a statement by itself, such as a docstring.
    BareText,
    /// An operator, a bracket or another mark.
    Mark,
    /// A comment.
    Comment,
    /// The end of a statement's line.
    LineEnd,
    /// What is not Python.
    Unknown,
}

impl CodeTokenKind {
    /// Returns whether a token counts in comparisons of programs: all but comments, strings that are statements by
    /// themselves, and ends of lines.
    pub fn is_code(self) -> bool {
        !matches!(self, Self::BareText | Self::Comment | Self::LineEnd)
    }
}

/// Returns the tokens of a text in order; blank lines and the ends of blocks are no tokens.
///
/// # Errors
/// [`SyntaxError`] only for a text that is not tokenized at all: NUL bytes, a byte order mark, excessive nesting or
/// length. Text that is not Python gives tokens of the kind [`CodeTokenKind::Unknown`].
pub fn code_tokens(source: &str) -> Result<Vec<CodeToken>, SyntaxError> {
    with_recovered_module(source, Fstrings::Pep701, tokens_of)
}

/// Returns whether every Python program defines `name`, such as `len`.
pub fn is_builtin_name(name: &str) -> bool {
    is_builtin(name)
}

fn tokens_of(module: &Module<'_>) -> Vec<CodeToken> {
    let mut tokens: Vec<CodeToken> = Vec::with_capacity(module.tokens().len());
    // Tokens of code since the end of a statement.
    let mut n_in_statement = 0;
    for token in module.tokens() {
        let Some(kind) = kind_of(token.kind()) else {
            continue;
        };
        if kind == CodeTokenKind::LineEnd {
            if n_in_statement == 1
                && let Some(only) = tokens.iter_mut().rev().find(|token| token.kind.is_code())
                && only.kind == CodeTokenKind::Text
            {
                only.kind = CodeTokenKind::BareText;
            }
            n_in_statement = 0;
        } else if kind != CodeTokenKind::Comment {
            n_in_statement += 1;
        }
        tokens.push(CodeToken {
            kind,
            text: match kind {
                CodeTokenKind::LineEnd => String::new(),
                _ => text_of(module, token.range()),
            },
            start: token.start().to_usize(),
            lines: (
                module.lines.line(token.start()),
                module.lines.line(token.end()),
            ),
        });
    }
    tokens
}

fn text_of(module: &Module<'_>, range: TextRange) -> String {
    module.text[range].to_owned()
}

/// Returns the kind of a token; `None` for blank lines and the beginnings and ends of blocks.
fn kind_of(kind: TokenKind) -> Option<CodeTokenKind> {
    Some(match kind {
        TokenKind::NonLogicalNewline
        | TokenKind::Indent
        | TokenKind::Dedent
        | TokenKind::EndOfFile => return None,
        TokenKind::Newline => CodeTokenKind::LineEnd,
        TokenKind::Comment => CodeTokenKind::Comment,
        TokenKind::Int | TokenKind::Float | TokenKind::Complex => CodeTokenKind::Number,
        TokenKind::String
        | TokenKind::FStringStart
        | TokenKind::FStringMiddle
        | TokenKind::FStringEnd
        | TokenKind::TStringStart
        | TokenKind::TStringMiddle
        | TokenKind::TStringEnd => CodeTokenKind::Text,
        TokenKind::Unknown | TokenKind::IpyEscapeCommand | TokenKind::Question => {
            CodeTokenKind::Unknown
        }
        TokenKind::Name => CodeTokenKind::Name,
        kind if kind.is_soft_keyword() => CodeTokenKind::Name,
        kind if kind.is_keyword() => CodeTokenKind::Keyword,
        _ => CodeTokenKind::Mark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use CodeTokenKind::{BareText, Comment, Keyword, Mark, Name, Text};

    #[test]
    fn tokens_have_kinds_texts_and_lines() {
        let source =
            "\"\"\"Doc\nstring.\"\"\"\nif x:  # why\n    match = f'a{b!r}' + 'c'\n\n    'bare'\n";
        let tokens = code_tokens(source).expect("tokens");
        let short: Vec<_> = tokens
            .iter()
            .filter(|t| t.kind != CodeTokenKind::LineEnd)
            .map(|t| (t.kind, t.text.as_str(), t.lines.0))
            .collect();
        assert_eq!(
            short,
            [
                (BareText, "\"\"\"Doc\nstring.\"\"\"", 1),
                (Keyword, "if", 3),
                (Name, "x", 3),
                (Mark, ":", 3),
                (Comment, "# why", 3),
                (Name, "match", 4),
                (Mark, "=", 4),
                (Text, "f'", 4),
                (Text, "a", 4),
                (Mark, "{", 4),
                (Name, "b", 4),
                (Mark, "!", 4),
                (Name, "r", 4),
                (Mark, "}", 4),
                (Text, "'", 4),
                (Mark, "+", 4),
                (Text, "'c'", 4),
                (BareText, "'bare'", 6),
            ]
        );
        assert_eq!(tokens[0].lines, (1, 2));
    }

    #[test]
    fn prose_and_broken_code_have_tokens_too() {
        let tokens = code_tokens("  return don't $ (x\nfor 1 in").expect("tokens");
        let names: Vec<&str> = tokens
            .iter()
            .filter(|t| t.kind == CodeTokenKind::Name || t.kind == CodeTokenKind::Keyword)
            .map(|t| t.text.as_str())
            .collect();
        assert!(names.starts_with(&["return", "don"]), "{names:?}");
        assert!(names.ends_with(&["for", "in"]), "{names:?}");
        assert!(code_tokens("a\0b").is_err());
    }
}
