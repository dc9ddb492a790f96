//! Blocks of a file that are repeated in it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::ast::token::{Token, TokenKind};
use crate::ast::{Ranged, TextRange};
use crate::docstrings::docstrings;
use crate::parser::Module;

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

/// Logical lines of a repeated block without a finding.
const MAX_REPEATED: usize = 5;

pub(super) static DUPLICATED_BLOCK: Rule = Rule {
    id: "duplicated-block",
    category: Category::Smell,
    title: "Six or more logical lines repeat earlier ones of the file",
    known_as: "pylint R0801, within one file",
    minutes: Minutes::PerUnitAbove {
        limit: MAX_REPEATED,
        each: 2.0,
    },
};

/// A logical line: its tokens as a number, and where it is.
struct Line {
    content: u64,
    /// Indentation levels opened (or closed, if negative) before it.
    indentation: i32,
    range: TextRange,
}

/// Reports repeated blocks, each as long as possible, from the start of the file. Blocks do not overlap.
///
/// Two lines are equal if their tokens are; imports, docstrings and comments are no lines.
pub(super) fn check(report: &mut Report<'_>) {
    let lines = logical_lines(report.module);
    let mut first_places: HashMap<u64, usize> = HashMap::new();
    let mut at = 0;
    while let Some(window) = lines.get(at..=at + MAX_REPEATED) {
        let mut hasher = DefaultHasher::new();
        for line in window {
            line.content.hash(&mut hasher);
        }
        for line in &window[1..] {
            line.indentation.hash(&mut hasher);
        }
        let earlier = *first_places.entry(hasher.finish()).or_insert(at);
        if earlier + MAX_REPEATED >= at {
            at += 1;
            continue;
        }
        let limit = (at - earlier).min(lines.len() - at);
        let mut length = MAX_REPEATED + 1;
        while length < limit && lines[earlier + length].repeats(&lines[at + length]) {
            length += 1;
        }
        let range = lines[at].range.cover(lines[at + length - 1].range);
        let line = report.module.lines.line(lines[earlier].range.start());
        let message = format!("{length} logical lines repeat those from line {line} on");
        report.add_sized(&DUPLICATED_BLOCK, Severity::Low, range, length, message);
        at += length;
    }
}

impl Line {
    fn repeats(&self, other: &Self) -> bool {
        (self.content, self.indentation) == (other.content, other.indentation)
    }
}

fn logical_lines(module: &Module<'_>) -> Vec<Line> {
    let docstrings = docstrings(module.body());
    let mut docstrings = docstrings.iter().peekable();
    let mut lines = Vec::new();
    let mut tokens: Vec<&Token> = Vec::new();
    let mut indentation = 0;
    for token in module.tokens() {
        match token.kind() {
            TokenKind::Indent => indentation += 1,
            TokenKind::Dedent => indentation -= 1,
            TokenKind::Newline | TokenKind::Semi => {
                if let Some(range) = range_of(&tokens) {
                    while docstrings
                        .next_if(|docstring| docstring.end() <= range.start())
                        .is_some()
                    {}
                    let is_docstring = docstrings
                        .peek()
                        .is_some_and(|docstring| docstring.contains_range(range));
                    let is_import = matches!(tokens[0].kind(), TokenKind::Import | TokenKind::From);
                    if !is_docstring && !is_import {
                        let mut hasher = DefaultHasher::new();
                        for token in &tokens {
                            module.text[token.range()].hash(&mut hasher);
                        }
                        lines.push(Line {
                            content: hasher.finish(),
                            indentation: std::mem::take(&mut indentation),
                            range,
                        });
                    }
                }
                tokens.clear();
            }
            kind if kind.is_trivia() || kind == TokenKind::EndOfFile => {}
            _ => tokens.push(token),
        }
    }
    lines
}

fn range_of(tokens: &[&Token]) -> Option<TextRange> {
    Some(tokens.first()?.range().cover(tokens.last()?.range()))
}
