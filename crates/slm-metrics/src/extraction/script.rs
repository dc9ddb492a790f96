//! Extracts the program for a task without an entry point: one that reads its input and prints.

use super::fences::{self, Language};
use super::{Form, Reason, with_blocks};
use crate::ast::visitor::{self, Visitor};
use crate::ast::{Expr, Stmt};
use crate::parser::{Fstrings, with_module};

/// Maximum number of trailing paragraphs that may be prose after a program without a fence.
const ENDS: usize = 4;

/// Finds the program.
///
/// # Errors
/// No text or block that parses makes a call.
pub(super) fn find(text: &str, form: Form<'_>) -> Result<String, Reason> {
    let markdown = fences::split(text);
    let texts = form.texts(text);
    if let Some((whole, _)) = texts.iter().find(|(text, _)| is_script(text)) {
        return Ok(tidy(whole));
    }
    for language in [Language::Python, Language::Unknown] {
        let mut blocks = markdown.blocks.iter();
        let found = blocks.find(|block| block.language == language && is_script(&block.code));
        if let Some(block) = found {
            return Ok(tidy(&with_blocks(
                block.code.clone().into_owned(),
                &markdown.blocks,
                "",
            )));
        }
    }
    if let Some(whole) = markdown.widest.filter(|text| is_script(text)) {
        return Ok(tidy(whole));
    }
    let outside = markdown.outside.iter().find(|part| is_script(part));
    if let Some(part) = outside {
        return Ok(tidy(part));
    }
    if markdown.blocks.is_empty()
        && let Some(part) = between_words(text)
    {
        return Ok(tidy(part));
    }
    Err(Reason::NoScript)
}

fn tidy(program: &str) -> String {
    let program = program.trim_start_matches(['\u{feff}', '\r', '\n']);
    format!("{}\n", program.trim_end())
}

/// Returns whether a text parses and makes a call outside its definitions; `5` or a list of names parses, too.
fn is_script(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    let calls = with_module(text, Fstrings::Pep701, |module| {
        let mut calls = Calls(false);
        calls.visit_body(module.body());
        calls.0
    });
    calls.unwrap_or(false)
}

/// Whether a call was found.
struct Calls(bool);

impl<'a> Visitor<'a> for Calls {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if !matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        self.0 |= expr.is_call_expr();
        if !self.0 && !expr.is_lambda_expr() {
            visitor::walk_expr(self, expr);
        }
    }
}

/// Returns a program between paragraphs of prose, without a fence around it.
fn between_words(text: &str) -> Option<&str> {
    let mut offset = 0;
    let mut lines = text.split_inclusive('\n');
    // Text after the first line of code is not skipped: a program that does not parse is not repaired.
    let start = lines.find_map(|line| {
        let start = offset;
        offset += line.len();
        begins_program(line).then_some(start)
    })?;
    let mut part = &text[start..];
    for _ in 0..ENDS {
        if is_script(part) {
            return Some(part);
        }
        part = &part[..part.trim_end().rfind("\n\n")?];
    }
    None
}

/// Returns whether a line looks like the first of a program.
fn begins_program(line: &str) -> bool {
    let line = line.trim_end();
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    match first {
        "import" => words.count() == 1 || line.contains([',', '.']) || line.contains(" as "),
        "from" => words.nth(1) == Some("import"),
        "def" | "class" => line.contains(['(', ':']),
        _ if line.starts_with(['#', '@']) => true,
        _ if line.starts_with(char::is_whitespace) => false,
        // An assignment or a call: `n = int(input())`, `a, b = ...`, `print(...)`.
        _ => {
            let name_end = line.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            let calls = name_end.is_some_and(|end| end > 0 && line[end..].starts_with('('));
            calls || (line.contains(" = ") && line.contains('('))
        }
    }
}
