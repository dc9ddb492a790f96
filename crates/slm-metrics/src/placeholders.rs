//! Code that is still to be written: placeholders in a definition.

use std::ops::Range;

use crate::ast::statement_visitor::{StatementVisitor, walk_except_handler, walk_stmt};
use crate::ast::token::TokenKind;
use crate::ast::{
    Decorator, ExceptHandler, Expr, Ranged, Stmt, StmtFunctionDef, StmtRaise, TextRange,
};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, SyntaxError, with_module};

/// A place where code is missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placeholder {
    /// Its line, counted from 1.
    pub line: usize,
    /// The line's text, without white space around it.
    pub text: String,
}

/// Decorators of functions that need no body.
const BODILESS: [&str; 2] = ["abstractmethod", "overload"];

/// Returns the placeholders in the last definition of `name` at the top level of `source`, in the order of the lines;
/// with `method`, only those of this method of the class. None if nothing defines it.
///
/// A placeholder is
/// - `pass` or `...` among the statements of a function itself, or a function with a docstring alone
/// - `...` as a statement in a block, except in an `except` clause
/// - `raise NotImplementedError`
/// - a comment with the word `TODO` that is not in `given`
///
/// `pass` in a block, such as an `except` clause or the body of a loop, and in an empty class is none, nor is anything
/// in a function that is decorated as abstract or as an overload.
///
/// # Errors
/// [`SyntaxError`] if `source` is not valid Python.
pub fn placeholders(
    source: &str,
    name: &str,
    method: Option<&str>,
    given: &str,
) -> Result<Vec<Placeholder>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let Some(definition) = definition(module.body(), name, method) else {
            return Vec::new();
        };
        let mut found = Found::default();
        found.visit_stmt(definition);
        let inside = with_comments_after(module.text, definition.range());
        let comments = module.tokens().iter();
        let comments = comments.filter(|token| {
            let text = &module.text[token.range()];
            token.kind() == TokenKind::Comment
                && inside.contains(&token.range().start().to_usize())
                && has_word(text, "TODO")
                && !is_given(given, text.trim_end())
        });
        let all = comments.map(Ranged::range).chain(found.ranges);
        let mut all: Vec<Placeholder> = all
            .map(|range| {
                let line = module.lines.line(range.start());
                let text = module.text.lines().nth(line.saturating_sub(1));
                Placeholder {
                    line,
                    text: text.unwrap_or_default().trim().to_owned(),
                }
            })
            .collect();
        all.sort();
        all.dedup();
        all
    })
}

fn definition<'a>(body: &'a [Stmt], name: &str, method: Option<&str>) -> Option<&'a Stmt> {
    let named = |stmt: &&Stmt, name: &str| match stmt {
        Stmt::FunctionDef(function) => function.name.as_str() == name,
        Stmt::ClassDef(class) => class.name.as_str() == name,
        _ => false,
    };
    let found = body.iter().rev().find(|stmt| named(stmt, name))?;
    match (found, method) {
        (Stmt::ClassDef(class), Some(method)) => {
            class.body.iter().rev().find(|stmt| named(stmt, method))
        }
        _ => Some(found),
    }
}

/// Returns the bytes of a definition, to the end of its last line and of the comments after it that are indented deeper.
fn with_comments_after(text: &str, definition: TextRange) -> Range<usize> {
    let (start, end) = (definition.start().to_usize(), definition.end().to_usize());
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let mut lines = text[end..].split_inclusive('\n');
    let mut end = end + lines.next().map_or(0, str::len);
    for after in lines {
        let comment = after.trim_start();
        let indent = after.len() - comment.len();
        if !(comment.is_empty() || comment.starts_with('#') && indent > start - line) {
            break;
        }
        end += after.len();
    }
    start..end
}

/// Whether a line of `given` ends with a comment.
fn is_given(given: &str, comment: &str) -> bool {
    given.lines().any(|line| line.trim_end().ends_with(comment))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|of| of == word)
}

/// The placeholders of a definition, apart from comments.
#[derive(Default)]
struct Found {
    ranges: Vec<TextRange>,
    /// How many `except` clauses the statement is in.
    handlers: usize,
}

impl<'a> StatementVisitor<'a> for Found {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                if !needs_no_body(function) {
                    self.function(function);
                    let outside = std::mem::take(&mut self.handlers);
                    walk_stmt(self, stmt);
                    self.handlers = outside;
                }
            }
            Stmt::Expr(_) if is_ellipsis(stmt) && self.handlers == 0 => {
                self.ranges.push(stmt.range());
            }
            Stmt::Raise(raise) if raises_not_implemented(raise) => self.ranges.push(stmt.range()),
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        self.handlers += 1;
        walk_except_handler(self, handler);
        self.handlers -= 1;
    }
}

impl Found {
    /// Adds what is missing among the statements of a function itself.
    fn function(&mut self, function: &StmtFunctionDef) {
        let rest = without_docstring(&function.body);
        if rest.is_empty() {
            self.ranges.push(function.name.range());
        }
        let missing = rest.iter().filter(|stmt| matches!(stmt, Stmt::Pass(_)));
        self.ranges.extend(missing.map(Ranged::range));
    }
}

fn needs_no_body(function: &StmtFunctionDef) -> bool {
    let name = |decorator: &Decorator| match &decorator.expression {
        Expr::Name(name) => BODILESS.contains(&name.id.as_str()),
        Expr::Attribute(attribute) => BODILESS.contains(&attribute.attr.as_str()),
        _ => false,
    };
    function.decorator_list.iter().any(name)
}

fn is_ellipsis(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(expr) if expr.value.is_ellipsis_literal_expr())
}

fn raises_not_implemented(raise: &StmtRaise) -> bool {
    let raised = raise.exc.as_deref().map(|exc| match exc {
        Expr::Call(call) => &*call.func,
        other => other,
    });
    matches!(raised, Some(Expr::Name(name)) if name.id.as_str() == "NotImplementedError")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(source: &str) -> Vec<usize> {
        let found = placeholders(source, "f", None, "# TODO of the task").expect("Python");
        found.into_iter().map(|of| of.line).collect()
    }

    #[test]
    fn what_is_left_to_be_written_is_found_with_its_line() {
        for (source, expected) in [
            ("def f(x):\n    pass\n", &[2][..]),
            ("def f(x): ...\n", &[1]),
            ("def f(x):\n    '''Doc.'''\n    ...\n", &[3]),
            ("def f(x):\n    '''Doc.'''\n", &[1]),
            ("def f(x):\n    pass\n    return x\n", &[2]),
            ("def f(x):\n    raise NotImplementedError\n", &[2]),
            (
                "def f(x):\n    if x:\n        return 1\n    raise NotImplementedError('later')\n",
                &[4],
            ),
            (
                "def f(x):\n    for y in x:\n        ...\n    return y\n",
                &[3],
            ),
            ("def f(x):\n    # TODO: negative x\n    return x\n", &[2]),
            ("def f(x):\n    return x  # TODO(me) \n", &[2]),
            ("def f(x):\n    return x\n\n    # TODO\n", &[4]),
            (
                "async def f(x):\n    def key(y):\n        pass\n    return key(x)\n",
                &[3],
            ),
            (
                "class f:\n    x = 1\n    def a(self):\n        pass\n    def b(self):\n        return 1\n",
                &[4],
            ),
            (
                "def f(x):\n    return 1\ndef f(x):\n    pass  # TODO\n",
                &[4],
            ),
        ] {
            assert_eq!(lines(source), expected, "{source}");
        }
    }

    #[test]
    fn what_may_be_empty_is_no_placeholder() {
        for source in [
            "def f(x):\n    try:\n        return g(x)\n    except ValueError:\n        pass\n    return 0\n",
            "def f(x):\n    try:\n        return g(x)\n    except ValueError:\n        ...\n    return 0\n",
            "def f(x):\n    while next(x):\n        pass\n    return x\n",
            "def f(x):\n    class Missing(Exception):\n        pass\n    raise Missing\n",
            "class Missing(Exception):\n    pass\ndef g():\n    pass\ndef f(x):\n    return x\n",
            "import abc\nclass f:\n    @abc.abstractmethod\n    def a(self):\n        raise NotImplementedError\n    def b(self):\n        return x[..., 1]\n",
            "def f(x):\n    return 'TODO', \"...\", NotImplementedError\n",
            "def f(x):\n    # TODO of the task\n    return x  # todo, TODOS\n",
            "def f(x):\n    return x\n# TODO\n",
            "def g():\n    pass\n",
            "",
        ] {
            assert!(lines(source).is_empty(), "{source}");
        }
    }

    #[test]
    fn of_a_class_one_method_can_be_asked_for() {
        let source = "class f:\n    def a(self):\n        pass\n    def b(self):\n        raise NotImplementedError()\n";
        let of = |method| placeholders(source, "f", Some(method), "").expect("Python");
        let expected = Placeholder {
            line: 5,
            text: "raise NotImplementedError()".to_owned(),
        };
        assert_eq!(of("b"), [expected]);
        assert_eq!(of("a")[0].line, 3);
        assert_eq!(of("c"), []);
        assert!(placeholders("def f(:", "f", None, "").is_err());
    }
}
