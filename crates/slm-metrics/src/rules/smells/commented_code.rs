//! Comments that are code.

use crate::ast::token::TokenKind;
use crate::ast::{Expr, Ranged, Stmt, TextRange};
use crate::parser::{Fstrings, parses, with_module};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static COMMENTED_CODE: Rule = Rule {
    id: "commented-code",
    category: Category::Smell,
    title: "A comment is code",
    known_as: "ruff ERA001",
    minutes: Minutes::Constant(1.0),
};

/// Words before a colon that begin a remark, in lower case.
const REMARKS: [&str; 10] = [
    "todo", "fixme", "xxx", "note", "hack", "type", "pylint", "pragma", "noqa", "nosec",
];

/// Adds the comments that are clearly statements, if they are at least half of the comment lines around them.
///
/// In a longer text, a line that parses is an example or a formula.
pub(super) fn check(report: &mut Report<'_>) {
    let module = report.module;
    let mut block = Block::default();
    for token in module.tokens() {
        if token.kind() == TokenKind::Comment {
            let line = module.lines.line(token.start());
            let line_start = module.lines.start(line).to_usize();
            let before = &module.text[line_start..token.start().to_usize()];
            let comment = &module.text[token.range()];
            if before.trim().is_empty() {
                if line != block.last_line + 1 {
                    std::mem::take(&mut block).add_to(report);
                }
                block.last_line = line;
                block.n_texts += usize::from(!comment.trim_matches(['#', ' ']).is_empty());
                if is_code(comment) {
                    block.code.push(token.range());
                }
            }
        }
    }
    block.add_to(report);
}

/// Comments on consecutive lines.
#[derive(Default)]
struct Block {
    last_line: usize,
    /// Comments that are not empty.
    n_texts: usize,
    code: Vec<TextRange>,
}

impl Block {
    fn add_to(self, report: &mut Report<'_>) {
        if 2 * self.code.len() >= self.n_texts {
            for range in self.code {
                report.add(
                    &COMMENTED_CODE,
                    Severity::Low,
                    range,
                    "this comment is code",
                );
            }
        }
    }
}

fn is_code(comment: &str) -> bool {
    let text = comment.trim_start_matches('#').trim();
    let first_word = text
        .split(|letter: char| !letter.is_alphanumeric())
        .next()
        .unwrap_or_default();
    if !text.contains(['(', '=', ':', '[']) && !matches!(first_word, "import" | "from")
        || REMARKS.contains(&first_word.to_lowercase().as_str())
        || has_prose_spacing(text)
    {
        return false;
    }
    if matches!(text, "else:" | "try:" | "finally:") {
        return true;
    }
    if text.ends_with(':') {
        // `# if so:` is prose.
        if matches!(first_word, "if" | "elif" | "while")
            && !text.contains(['(', '=', '<', '>', '[', '.'])
        {
            return false;
        }
        // The header of a block parses with a body, and some only after another block.
        let program = match first_word {
            "elif" => format!("if x: pass\n{text} pass\n"),
            "except" => format!("try: pass\n{text} pass\n"),
            _ => format!("{text} pass\n"),
        };
        return parses(&program);
    }
    let is_code = with_module(text, Fstrings::Pep701, |module| {
        !module.body().is_empty() && module.body().iter().all(is_clearly_code)
    });
    is_code.unwrap_or(false)
}

/// Returns whether a text has a space where prose has one and code has none: `e.g. f(x)`, `see (x)`.
fn has_prose_spacing(text: &str) -> bool {
    text.contains(". ")
        || text.match_indices(" (").any(|(at, _)| {
            let word = text[..at]
                .rsplit(|letter: char| !letter.is_alphanumeric())
                .next();
            word.is_some_and(|word| {
                !word.is_empty()
                    && !matches!(
                        word,
                        "return" | "in" | "import" | "not" | "and" | "or" | "if"
                    )
            })
        })
}

fn is_clearly_code(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Assign(_)
        | Stmt::AugAssign(_)
        | Stmt::Import(_)
        | Stmt::ImportFrom(_)
        | Stmt::If(_)
        | Stmt::For(_)
        | Stmt::While(_)
        | Stmt::With(_) => true,
        Stmt::AnnAssign(assign) => assign.value.is_some(),
        Stmt::Expr(expr) => is_call(&expr.value),
        Stmt::Return(stmt) => stmt.value.as_deref().is_some_and(is_call_or_comparison),
        Stmt::Raise(stmt) => stmt.exc.as_deref().is_some_and(is_call),
        Stmt::Assert(stmt) => is_call_or_comparison(&stmt.test),
        _ => false,
    }
}

fn is_call(expr: &Expr) -> bool {
    match expr {
        Expr::Await(awaited) => awaited.value.is_call_expr(),
        expr => expr.is_call_expr(),
    }
}

fn is_call_or_comparison(expr: &Expr) -> bool {
    is_call(expr) || expr.is_compare_expr()
}
