//! Whether a program defines a function with the signature of a stub.

use crate::ast::{ParameterWithDefault, Parameters, Stmt, StmtFunctionDef};
use crate::parser::{Fstrings, with_module};

/// Returns whether the function `qualified_name` has the same signature in `program` as in `stub`.
///
/// `qualified_name` is `f` or `Class.f`. A signature is whether the function is asynchronous, and the names, kinds
/// and order of its parameters and which of them have a default. Annotations, default values and decorators do not
/// matter. Of several definitions in one body the last counts, because it replaces the others; definitions in
/// branches of `if`, `try` and `with` count. `None` if one of the texts does not parse or lacks the definition.
pub fn same_signature(program: &str, qualified_name: &str, stub: &str) -> Option<bool> {
    let of = |source: &str| {
        with_module(source, Fstrings::Pep701, |module| {
            definition(module.body(), qualified_name).map(Signature::of)
        })
        .ok()
        .flatten()
    };
    Some(of(program)? == of(stub)?)
}

#[derive(Debug, PartialEq, Eq)]
struct Signature {
    is_async: bool,
    parameters: Vec<Parameter>,
}

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    kind: Kind,
    has_default: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PositionalOnly,
    PositionalOrKeyword,
    VarPositional,
    KeywordOnly,
    VarKeyword,
}

impl Signature {
    fn of(function: &StmtFunctionDef) -> Self {
        let Parameters {
            posonlyargs,
            args,
            vararg,
            kwonlyargs,
            kwarg,
            ..
        } = &*function.parameters;
        let variadic = |parameter: &crate::ast::Parameter, kind| Parameter {
            name: parameter.name.to_string(),
            kind,
            has_default: false,
        };
        let mut parameters = Vec::new();
        parameters.extend(plain(posonlyargs, Kind::PositionalOnly));
        parameters.extend(plain(args, Kind::PositionalOrKeyword));
        parameters.extend(
            vararg
                .iter()
                .map(|parameter| variadic(parameter, Kind::VarPositional)),
        );
        parameters.extend(plain(kwonlyargs, Kind::KeywordOnly));
        parameters.extend(
            kwarg
                .iter()
                .map(|parameter| variadic(parameter, Kind::VarKeyword)),
        );
        Self {
            is_async: function.is_async,
            parameters,
        }
    }
}

fn plain(parameters: &[ParameterWithDefault], kind: Kind) -> impl Iterator<Item = Parameter> {
    parameters.iter().map(move |parameter| Parameter {
        name: parameter.parameter.name.to_string(),
        kind,
        has_default: parameter.default.is_some(),
    })
}

/// Returns the last definition of `qualified_name` below `body`.
fn definition<'a>(body: &'a [Stmt], qualified_name: &str) -> Option<&'a StmtFunctionDef> {
    match qualified_name.split_once('.') {
        None => last(body, &|stmt| match stmt {
            Stmt::FunctionDef(function) if function.name.as_str() == qualified_name => {
                Some(function)
            }
            _ => None,
        }),
        Some((class_name, rest)) => {
            let class = last(body, &|stmt| match stmt {
                Stmt::ClassDef(class) if class.name.as_str() == class_name => Some(class),
                _ => None,
            })?;
            definition(&class.body, rest)
        }
    }
}

/// Returns the last match in a body, including the branches of its compound statements.
fn last<'a, T>(body: &'a [Stmt], of: &impl Fn(&'a Stmt) -> Option<&'a T>) -> Option<&'a T> {
    body.iter().rev().find_map(|stmt| match stmt {
        Stmt::If(stmt) => {
            let clauses = stmt.elif_else_clauses.iter().rev();
            clauses
                .map(|clause| &clause.body[..])
                .chain([&stmt.body[..]])
                .find_map(|body| last(body, of))
        }
        Stmt::Try(stmt) => {
            let handlers = stmt
                .handlers
                .iter()
                .rev()
                .filter_map(|handler| handler.as_except_handler());
            [&stmt.finalbody[..], &stmt.orelse]
                .into_iter()
                .chain(handlers.map(|handler| &handler.body[..]))
                .chain([&stmt.body[..]])
                .find_map(|body| last(body, of))
        }
        Stmt::With(stmt) => last(&stmt.body, of),
        stmt => of(stmt),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(program: &str, stub: &str, expected: Option<bool>) {
        assert_eq!(
            same_signature(program, "f", stub),
            expected,
            "{program:?} and {stub:?}"
        );
    }

    #[test]
    fn annotations_and_default_values_do_not_matter() {
        check(
            "def f(a: int, b=2) -> str: ...",
            "def f(a, b=None): pass",
            Some(true),
        );
        check(
            "@d\ndef f(*a, k, **kw): ...",
            "def f(*a: int, k: str, **kw): ...",
            Some(true),
        );
    }

    #[test]
    fn names_kinds_order_defaults_and_async_matter() {
        for (program, stub) in [
            ("def f(a): ...", "def f(b): ..."),
            ("def f(a, b): ...", "def f(b, a): ..."),
            ("def f(a): ...", "def f(a=1): ..."),
            ("def f(a, /): ...", "def f(a): ..."),
            ("def f(*, a): ...", "def f(a): ..."),
            ("def f(*a): ...", "def f(**a): ..."),
            ("def f(a, b): ...", "def f(a): ..."),
            ("async def f(a): ...", "def f(a): ..."),
        ] {
            check(program, stub, Some(false));
            check(stub, program, Some(false));
        }
    }

    #[test]
    fn the_last_definition_counts_also_in_branches() {
        check("def f(a): ...\ndef f(b): ...", "def f(b): ...", Some(true));
        check(
            "if x:\n    def f(a): ...\nelse:\n    def f(b): ...",
            "def f(b): ...",
            Some(true),
        );
        let tried = "try:\n    def f(a): ...\nexcept E:\n    pass\n";
        check(tried, "def f(a): ...", Some(true));
        check("with x:\n    def f(a): ...", "def f(a): ...", Some(true));
    }

    #[test]
    fn methods_are_found_by_their_class() {
        let program = "def f(x): ...\nclass A:\n    def f(self): ...\n    class B:\n        def g(self, y): ...\n";
        let same = |name, stub| same_signature(program, name, stub);
        assert_eq!(same("A.f", "class A:\n    def f(self): ..."), Some(true));
        assert_eq!(
            same("A.f", "class A:\n    def f(self, x): ..."),
            Some(false)
        );
        assert_eq!(
            same("A.B.g", "class A:\n class B:\n  def g(self, y): ..."),
            Some(true)
        );
        assert_eq!(same("A.g", "class A:\n    def g(self): ..."), None);
    }

    #[test]
    fn a_missing_definition_or_a_syntax_error_is_none() {
        check("x = 1", "def f(a): ...", None);
        check("def f(a): ...", "", None);
        check("def f(", "def f(a): ...", None);
        check("def g():\n    def f(a): ...", "def f(a): ...", None);
    }
}
