//! The only module that imports the Python parser: from source text to a checked syntax tree.
//!
//! Parsed trees are only available inside a closure, because a deep tree must also be dropped on a sufficiently
//! large stack.

use std::borrow::Cow;

use ruff_python_parser::{
    Mode, ParseErrorType, ParseOptions, Parsed, lexer, parse_expression, parse_unchecked,
};

use crate::ast::{self, Ranged, TextSize};
use crate::lines::LineIndex;
use crate::nesting::{Nesting, TooDeep};

/// Stack bytes for walking or dropping one level of the tree; unoptimised builds need the most.
const STACK_PER_LEVEL: usize = 8 * 1024;
/// Stack bytes for a shallow tree.
const STACK_BASE: usize = 256 * 1024;
/// Maximum digits of a decimal literal that `CPython` converts (`sys.int_info.default_max_str_digits`).
const MAX_DECIMAL_DIGITS: usize = 4_300;

/// How f-strings are tokenized, which determines the effect of a `:` inside one on LLOC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fstrings {
    /// As code, since `CPython` 3.12 (PEP 701). Parses Python 3.13.
    #[default]
    Pep701,
    /// As one opaque string, up to `CPython` 3.11. Parses Python 3.11. Names with combining marks are accepted,
    /// although that version's `tokenize` module, and so radon, rejects them.
    Legacy,
}

/// A source that is not valid Python, or is nested too deeply for a Python parser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid syntax at line {line}, column {column}: {message}")]
pub struct SyntaxError {
    /// The error without its position.
    pub message: String,
    /// Line of the error, counted from 1.
    pub line: usize,
    /// Column of the error in characters, counted from 1.
    pub column: usize,
}

/// Returns whether `source` parses as Python 3.13.
pub fn parses(source: &str) -> bool {
    with_module(source, Fstrings::Pep701, |_| ()).is_ok()
}

/// A source text with its parse result.
pub(crate) struct Module<'src> {
    /// The source with all line ends converted to `\n`, as `CPython` reads it.
    pub(crate) text: &'src str,
    pub(crate) fstrings: Fstrings,
    pub(crate) lines: LineIndex,
    parsed: Parsed<ast::ModModule>,
}

impl Module<'_> {
    /// Returns the top-level statements.
    pub(crate) fn body(&self) -> &[ast::Stmt] {
        &self.parsed.syntax().body
    }

    /// Returns all tokens, including comments and line ends.
    pub(crate) fn tokens(&self) -> &[ast::token::Token] {
        self.parsed.tokens()
    }

    /// Returns the first error, if any; statements without errors are valid nevertheless.
    pub(crate) fn error(&self) -> Option<SyntaxError> {
        let (message, offset) = if let Some(error) = self.parsed.errors().first() {
            (error.error.to_string(), error.location.start())
        } else if let Some(error) = self.parsed.unsupported_syntax_errors().first() {
            (error.to_string(), error.range.start())
        } else {
            let token = self.tokens().iter().find(|token| {
                token.kind() == ast::token::TokenKind::Int
                    && is_oversized_decimal(&self.text[token.range()])
            })?;
            (
                format!("decimal literal of more than {MAX_DECIMAL_DIGITS} digits"),
                token.start(),
            )
        };
        Some(SyntaxError::at(message, self.text, &self.lines, offset))
    }

    /// Returns the first lexer error, which missing indentation cannot cause.
    pub(crate) fn lexical_error(&self) -> Option<SyntaxError> {
        let errors = self.parsed.errors().iter();
        errors
            .filter(|error| matches!(error.error, ParseErrorType::Lexical(_)))
            .map(|error| {
                let offset = error.location.start();
                SyntaxError::at(error.error.to_string(), self.text, &self.lines, offset)
            })
            .next()
    }

    /// Returns the start offsets of the errors, in no particular order.
    pub(crate) fn error_offsets(&self) -> impl Iterator<Item = TextSize> {
        let unsupported = self.parsed.unsupported_syntax_errors().iter();
        self.parsed
            .errors()
            .iter()
            .map(|error| error.location.start())
            .chain(unsupported.map(|error| error.range.start()))
    }
}

impl SyntaxError {
    fn at(message: String, text: &str, lines: &LineIndex, offset: TextSize) -> Self {
        let offset = TextSize::new(offset.to_u32().min(text.len() as u32));
        let line_start = lines.line_start(offset);
        let before = &text.as_bytes()[line_start.to_usize()..offset.to_usize()];
        Self {
            message,
            line: lines.line(offset),
            column: String::from_utf8_lossy(before).chars().count() + 1,
        }
    }

    pub(crate) fn on_line(message: impl Into<String>, line: usize) -> Self {
        Self {
            message: message.into(),
            line,
            column: 1,
        }
    }
}

/// Parses `source` and passes the tree to `use_module`; an error if it is not a valid program.
pub(crate) fn with_module<T>(
    source: &str,
    fstrings: Fstrings,
    use_module: impl FnOnce(&Module<'_>) -> T,
) -> Result<T, SyntaxError> {
    with_recovered_module(source, fstrings, |module| match module.error() {
        None => Ok(use_module(module)),
        Some(error) => Err(error),
    })?
}

/// Like [`with_module`], but also passes on a tree with errors.
///
/// # Errors
/// [`SyntaxError`] only for sources rejected before parsing: NUL bytes, excessive nesting or length.
pub(crate) fn with_recovered_module<T>(
    source: &str,
    fstrings: Fstrings,
    use_module: impl FnOnce(&Module<'_>) -> T,
) -> Result<T, SyntaxError> {
    if u32::try_from(source.len()).is_err() {
        return Err(SyntaxError::on_line("source of more than 4 GiB", 1));
    }
    let text = universal_newlines(source);
    let lines = LineIndex::new(&text);
    if let Some(offset) = text.bytes().position(|byte| byte == 0) {
        let message = "source contains a null byte".to_owned();
        let offset = TextSize::new(offset as u32);
        return Err(SyntaxError::at(message, &text, &lines, offset));
    }
    if text.starts_with('\u{feff}') {
        // Python removes it when reading a file; a string that contains it does not compile.
        return Err(SyntaxError::on_line(
            "invalid character U+FEFF (a byte order mark)",
            1,
        ));
    }
    let depth =
        nesting(&text).map_err(|(error, line)| SyntaxError::on_line(error.to_string(), line))?;
    let stack = STACK_BASE + depth * STACK_PER_LEVEL;
    stacker::maybe_grow(stack, stack, || {
        let version = match fstrings {
            Fstrings::Pep701 => ast::PythonVersion::PY313,
            Fstrings::Legacy => ast::PythonVersion::PY311,
        };
        let options = ParseOptions::from(Mode::Module).with_target_version(version);
        let Some(parsed) = parse_unchecked(&text, options).try_into_module() else {
            unreachable!("module mode gives a module");
        };
        Ok(use_module(&Module {
            text: &text,
            fstrings,
            lines,
            parsed,
        }))
    })
}

/// Parses `source` as one expression and passes it to `use_expr`; `None` if it is not one or is nested too deeply.
pub(crate) fn with_expression<T>(
    source: &str,
    use_expr: impl FnOnce(&ast::Expr) -> T,
) -> Option<T> {
    let depth = nesting(source).ok()?;
    let stack = STACK_BASE + depth * STACK_PER_LEVEL;
    stacker::maybe_grow(stack, stack, || {
        let parsed = parse_expression(source).ok()?;
        Some(use_expr(parsed.expr()))
    })
}

/// Converts line ends as `CPython` does: `\r\n` and `\r` become `\n`.
fn universal_newlines(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}

/// Returns an upper bound on the depth of the tree, or the line on which it is too deep.
fn nesting(text: &str) -> Result<usize, (TooDeep, usize)> {
    let mut nesting = Nesting::new();
    let mut tokens = lexer::lex(text, Mode::Module);
    let mut line = 1;
    loop {
        let kind = tokens.next_token();
        if matches!(
            kind,
            ast::token::TokenKind::Newline | ast::token::TokenKind::NonLogicalNewline
        ) {
            line += 1;
        }
        nesting.push(kind).map_err(|error| (error, line))?;
        if kind == ast::token::TokenKind::EndOfFile {
            return Ok(nesting.deepest());
        }
    }
}

fn is_oversized_decimal(literal: &str) -> bool {
    literal.len() > MAX_DECIMAL_DIGITS
        && literal
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
        && literal.bytes().filter(u8::is_ascii_digit).count() > MAX_DECIMAL_DIGITS
}
