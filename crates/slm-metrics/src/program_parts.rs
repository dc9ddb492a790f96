//! Parts of a program's text: the body of a function, and the text without comments and docstrings.

use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::token::TokenKind;
use crate::ast::{Ranged, Stmt, TextRange};
use crate::code_lines::without_docstring;
use crate::normalised::normalised_hash;
use crate::parser::{Fstrings, with_module};

/// Returns the text of the body of the function `name` at the top level of `source`, after its docstring, with its
/// indentation and a newline at its end; of several functions the last one. `None` without such a function or body.
pub fn function_body(source: &str, name: &str) -> Option<String> {
    with_module(source, Fstrings::Pep701, |module| {
        let function = module.body().iter().rev().find_map(|stmt| match stmt {
            Stmt::FunctionDef(function) if function.name.as_str() == name => Some(function),
            _ => None,
        })?;
        let (text, rest) = (module.text, without_docstring(&function.body));
        let first = rest.first()?.range().start().to_usize();
        let n_strings = function.body.len() - rest.len();
        let line = line_start(text, first);
        let start = match n_strings.checked_sub(1) {
            // Comments between the docstring and the first statement belong to the body.
            Some(last) => line_end(text, function.body[last].range().end().to_usize()).min(line),
            None => line,
        };
        let end = line_end(text, function.range().end().to_usize());
        let shares_line = !text[line..first].trim().is_empty();
        Some(if shares_line {
            format!("    {}", &text[first..end])
        } else {
            text[start..end].to_owned()
        })
    })
    .ok()
    .flatten()
    .map(|body| body.trim_end().to_owned() + "\n")
}

/// Whether `source` parses, and has no statements but a docstring and imports.
pub fn is_preamble(source: &str) -> bool {
    let is_import = |stmt: &Stmt| matches!(stmt, Stmt::Import(_) | Stmt::ImportFrom(_));
    with_module(source, Fstrings::Pep701, |module| {
        without_docstring(module.body()).iter().all(is_import)
    })
    .unwrap_or(false)
}

/// Returns `source` without the comments and docstrings that start at or after the byte `from`; `None` if it does not
/// parse, or if a docstring cannot be removed without another change.
pub fn without_comments(source: &str, from: usize) -> Option<String> {
    let removed = with_module(source, Fstrings::Pep701, |module| {
        let mut docstrings = Docstrings::default();
        docstrings.visit_body(module.body());
        let comments = module.tokens().iter();
        let comments = comments.filter(|token| token.kind() == TokenKind::Comment);
        let all = comments.map(Ranged::range).chain(docstrings.0);
        let all = all.filter(|range| range.start().to_usize() >= from);
        let mut ranges: Vec<(usize, usize)> =
            all.map(|of| with_white_space(module.text, of)).collect();
        ranges.sort_unstable();
        let (mut kept, mut at) = (String::new(), 0);
        for (start, end) in ranges {
            kept.push_str(&module.text[at..start.max(at)]);
            at = end.max(at);
        }
        kept.push_str(&module.text[at..]);
        kept
    })
    .ok()?;
    (normalised_hash(&removed) == normalised_hash(source)).then_some(removed)
}

/// Returns the range with the white space before it, and with its lines if they hold only it.
fn with_white_space(text: &str, range: TextRange) -> (usize, usize) {
    let (start, end) = (range.start().to_usize(), range.end().to_usize());
    let line = line_start(text, start);
    let after = line_end(text, end);
    let is_alone = text[line..start].trim().is_empty() && {
        let rest = text[end..after].trim();
        rest.is_empty() || rest.starts_with('#')
    };
    if is_alone {
        (line, after)
    } else {
        (text[..start].trim_end_matches([' ', '\t']).len(), end)
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Returns the offset after the newline that ends the line.
fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline + 1)
}

/// The docstrings of functions and classes.
#[derive(Default)]
struct Docstrings(Vec<TextRange>);

impl<'a> StatementVisitor<'a> for Docstrings {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let body = match stmt {
            Stmt::FunctionDef(function) => &function.body[..],
            Stmt::ClassDef(class) => &class.body[..],
            _ => &[],
        };
        let n_strings = body.len() - without_docstring(body).len();
        self.0.extend(body[..n_strings].iter().map(Ranged::range));
        walk_stmt(self, stmt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_starts_after_the_docstring() {
        let source = "import os\n\ndef f(x):\n    \"\"\"Text.\"\"\"\n    # why\n    return x  # end\n\nprint(1)\n";
        assert_eq!(
            function_body(source, "f").as_deref(),
            Some("    # why\n    return x  # end\n")
        );
        assert_eq!(
            function_body("def f(x):\n  y = x\n  return y", "f").as_deref(),
            Some("  y = x\n  return y\n")
        );
        assert_eq!(
            function_body("def f(x): return x\n", "f").as_deref(),
            Some("    return x\n")
        );
        assert_eq!(
            function_body("def f(x):\n    \"\"\"Text.\"\"\"\n", "f"),
            None
        );
        assert_eq!(function_body("def g(x): return x\n", "f"), None);
    }

    #[test]
    fn comments_and_docstrings_are_removed_from_a_place_on() {
        let source = "# given\ndef f(x):\n    \"\"\"Given.\"\"\"\n    # one\n    def g():\n        '''Two\n        three.'''\n        return '# no'  # four\n    return g() + (  # five\n        x\n        # six\n    )\n";
        let expected = "# given\ndef f(x):\n    \"\"\"Given.\"\"\"\n    def g():\n        return '# no'\n    return g() + (\n        x\n    )\n";
        let from = source.find("    # one").expect("a comment");
        assert_eq!(without_comments(source, from).as_deref(), Some(expected));
        assert_eq!(without_comments("def f(:", 0), None);
        assert_eq!(without_comments("def f():\n    'only'\n", 0), None);
    }
}
