//! Traces of functions and bodies, by which a copy under other names is found in another file.

use crate::ast::comparable::ComparableStmt;
use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::visitor::transformer::Transformer;
use crate::ast::{Expr, Ranged, Stmt, StmtFunctionDef, TextSize};
use crate::builtins::is_builtin;
use crate::code_lines::without_docstring;
use crate::fingerprint::{FEWEST_EXPRESSIONS, Names, Renaming};
use crate::parser::{Fstrings, Module, SyntaxError, with_module};

/// What identifies a function up to its names, for one run of a program: the values must not be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionTrace {
    /// Equal for functions that are equal after docstrings, comments, annotations and decorators have been removed, and
    /// the function, its parameters and its local variables have been renamed. `None` if the body does nothing: `pass`,
    /// `...`, or `raise NotImplementedError`.
    pub function: Option<String>,
    /// Equal for bodies that are equal after all names but those of Python itself have been renamed: also for a body
    /// without its function. `None` for bodies with fewer than ten expressions.
    pub body: Option<String>,
    /// First line, decorators included, and last line, counted from 1.
    pub lines: (usize, usize),
}

/// Returns the trace of each function at any depth, in the order of the text.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn function_traces(source: &str) -> Result<Vec<FunctionTrace>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut tracer = Tracer {
            module,
            found: Vec::new(),
        };
        tracer.visit_body(module.body());
        tracer.found
    })
}

/// Returns the trace of a text's statements as if they were a function's body; `None` if it does not parse or has fewer
/// than ten expressions.
pub fn snippet_trace(source: &str) -> Option<String> {
    with_module(source, Fstrings::Pep701, |module| body_trace(module.body())).ok()?
}

struct Tracer<'a> {
    module: &'a Module<'a>,
    found: Vec<FunctionTrace>,
}

impl<'a> StatementVisitor<'a> for Tracer<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(function) = stmt {
            let line = |offset: TextSize| self.module.lines.line(offset);
            let lines = (line(stmt.start()), line(stmt.end()));
            let does_something = !without_docstring(&function.body).iter().all(is_idle);
            self.found.push(FunctionTrace {
                function: does_something.then(|| normalised(function)),
                body: body_trace(&function.body),
                lines,
            });
        }
        walk_stmt(self, stmt);
    }
}

/// Returns whether a statement only fills the place of a body.
fn is_idle(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Pass(_) => true,
        Stmt::Expr(of) => of.value.is_ellipsis_literal_expr(),
        Stmt::Raise(of) => {
            let raised = match of.exc.as_deref() {
                Some(Expr::Call(call)) => Some(&*call.func),
                other => other,
            };
            matches!(raised, Some(Expr::Name(name)) if name.id.as_str() == "NotImplementedError")
        }
        _ => false,
    }
}

fn normalised(function: &StmtFunctionDef) -> String {
    let mut stmt = Stmt::FunctionDef(function.clone());
    let names = Names::default();
    names.visit_stmt(&mut stmt);
    renamed_hash([&mut stmt], names.bound.into_inner())
}

fn body_trace(body: &[Stmt]) -> Option<String> {
    let mut body = without_docstring(body).to_vec();
    let names = Names::default();
    for stmt in &mut body {
        names.visit_stmt(stmt);
    }
    if names.expressions.get() < FEWEST_EXPRESSIONS {
        return None;
    }
    let mut renamed = names.bound.into_inner();
    let free = names.loaded.into_inner();
    renamed.extend(free.into_iter().filter(|name| !is_builtin(name)));
    Some(renamed_hash(&mut body, renamed))
}

fn renamed_hash<'a>(stmts: impl IntoIterator<Item = &'a mut Stmt>, names: Vec<String>) -> String {
    let renaming = Renaming::of(names);
    let mut hash = slm_artifacts::Sha256::new();
    for stmt in stmts {
        renaming.visit_stmt(stmt);
        hash.update(format!("{:?}\n", ComparableStmt::from(&*stmt)));
    }
    hash.hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "def least(xs):\n    best = xs[0]\n    for x in xs:\n        if x < best:\n            best = x\n    return best\n";

    #[test]
    fn traces_of_a_function_do_not_depend_on_names_or_place() {
        let traces = function_traces(LEAST).expect("Python");
        let body = "low = values[0]\nfor v in values:\n    # lower\n    if v < low:\n        low = v\nreturn low\n";
        assert_eq!(snippet_trace(body), traces[0].body);
        assert!(traces[0].body.is_some());
        let inner = format!(
            "class A:\n    def f(self):\n        def smallest(values):\n            \"\"\"Doc.\"\"\"\n            {}",
            body.replace('\n', "\n            ").trim_end()
        );
        let found = function_traces(&inner).expect("Python");
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].function, traces[0].function);
        assert_eq!(found[1].lines, (3, 10));
        let other = function_traces(&LEAST.replace('<', ">")).expect("Python");
        assert_ne!(other[0].function, traces[0].function);
        assert_ne!(other[0].body, traces[0].body);
    }

    #[test]
    fn short_functions_have_traces_unless_they_do_nothing() {
        let traces = |source: &str| function_traces(source).expect("Python").remove(0);
        let area = traces("def area(w, h):\n    return w * h\n");
        assert_eq!(area.function, traces("def f(a, b): return a * b").function);
        assert!(area.function.is_some() && area.body.is_none());
        for idle in [
            "pass",
            "...",
            "raise NotImplementedError",
            "'doc'",
            "raise NotImplementedError('x')",
        ] {
            assert_eq!(
                traces(&format!("def f(): {idle}\n")).function,
                None,
                "{idle}"
            );
        }
    }
}
