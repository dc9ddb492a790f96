//! The places of the function bodies of a file, in bytes.

use std::ops::Range;

use crate::ast::{Ranged, Stmt, StmtFunctionDef, TextSize};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, Module, SyntaxError, with_module};

/// Returns the byte range of each body of a function at the top level or of a method of a class, in file order.
///
/// A body begins with its first line after the docstring, indentation included, and ends with its last statement,
/// without the line break after it. Of `def f(): return 1` it begins with the statement. Functions inside functions
/// belong to their outer function's body. A function with nothing after its docstring has none.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn body_spans(source: &str) -> Result<Vec<Range<usize>>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut spans = Vec::new();
        collect(module, module.body(), &mut spans);
        spans
    })
    .map(|spans| in_source(source, spans))
}

/// Converts ranges of the parsed text, whose line ends are `\n`, to ranges of the source. They are in order.
fn in_source(source: &str, mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut ends = source.match_indices("\r\n").map(|(at, _)| at).peekable();
    let mut n_before = 0;
    let mut shift = |at: &mut usize| {
        // A pair at byte p of the source ends the line whose `\n` is byte p - n_before of the parsed text.
        while ends.next_if(|end| end - n_before < *at).is_some() {
            n_before += 1;
        }
        *at += n_before;
    };
    for span in &mut spans {
        shift(&mut span.start);
        shift(&mut span.end);
    }
    spans
}

fn collect(module: &Module<'_>, body: &[Stmt], spans: &mut Vec<Range<usize>>) {
    for stmt in body {
        match stmt {
            Stmt::FunctionDef(function) => spans.extend(span(module, function)),
            Stmt::ClassDef(class) => collect(module, &class.body, spans),
            _ => {}
        }
    }
}

fn span(module: &Module<'_>, function: &StmtFunctionDef) -> Option<Range<usize>> {
    let rest = without_docstring(&function.body);
    let first = rest.first()?.start();
    let start = match module.blank_before(first) {
        // Comments between the header or docstring and the first statement belong to the body.
        Some(_) => comments_before(module, function, first),
        None => first,
    };
    Some(start.to_usize()..function.end().to_usize())
}

/// Returns the start of the first line of the comments and empty lines that precede a statement on its own line, after
/// the header and the docstring of its function.
fn comments_before(module: &Module<'_>, function: &StmtFunctionDef, first: TextSize) -> TextSize {
    let n_docstrings = function.body.len() - without_docstring(&function.body).len();
    let docstring = n_docstrings.checked_sub(1).map(|at| &function.body[at]);
    let line = module.lines.line_start(first);
    let Some(docstring) = docstring else {
        return line;
    };
    let end = module.line_end(docstring.end());
    let next = end + TextSize::new(u32::from(end.to_usize() < module.text.len()));
    next.min(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let spans = body_spans(source).expect("Python");
        let found: Vec<&str> = spans.into_iter().map(|span| &source[span]).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn a_body_has_whole_lines_without_header_and_docstring() {
        check(
            "import a\n\ndef f(x):\n    \"\"\"Doc.\"\"\"\n    # why\n    y = x\n    return y\n\n\nprint(f(1))\n",
            &["    # why\n    y = x\n    return y"],
        );
        check("def f(): return 1\n", &["return 1"]);
        check("def f():\n    return 1", &["    return 1"]);
        check("def f():\n    \"\"\"Only this.\"\"\"\n", &[]);
        check("x = 1\n", &[]);
        check("", &[]);
    }

    #[test]
    fn methods_have_bodies_and_inner_functions_belong_to_their_outer_ones() {
        check(
            "class A:\n    def a(self):\n        def inner():\n            pass\n        return inner\n\n    class B:\n        \
             async def b(self):\n            pass\n",
            &[
                "        def inner():\n            pass\n        return inner",
                "            pass",
            ],
        );
    }

    #[test]
    fn the_range_is_in_bytes_of_any_text() {
        check("é = 'ü'\ndef f():\n    return 'ß'\n", &["    return 'ß'"]);
        check(
            "a = 1\r\ndef f():\r\n    b = 2\r\n    return 1\r\n\r\ndef g():\r    return 3\r\n",
            &["    b = 2\r\n    return 1", "    return 3"],
        );
        assert!(body_spans("def f(:\n").is_err());
    }
}
