//! Fingerprints of functions that do not depend on their names: a task's solution is recognised in another place.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::ast::comparable::ComparableStmt;
use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::visitor::transformer::{self, Transformer};
use crate::ast::{
    Alias, ExceptHandler, Expr, ExprContext, Identifier, Parameter, Pattern, Stmt, StmtAssign,
    StmtFunctionDef,
};
use crate::ast::{Ranged, TextSize};
use crate::builtins::is_builtin;
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, Module, SyntaxError, with_module};

/// Expressions that a function must have for a fingerprint: `return max(xs)` occurs in unrelated programs.
const FEWEST_EXPRESSIONS: usize = 10;

/// Returns a fingerprint of each function at the top level of `source` and of each method of its classes, in order.
///
/// Two functions have the same fingerprint if they are equal after docstrings, comments, annotations and decorators
/// have been removed, and the function, its parameters and its local variables have been renamed. Functions with fewer
/// than ten expressions have none. A fingerprint is the start of a SHA-256, 16 hexadecimal digits, and may be stored.
/// A source that does not parse has no fingerprints.
pub fn function_fingerprints(source: &str) -> Vec<String> {
    let all = with_module(source, Fstrings::Pep701, |module| {
        let functions = module.body().iter().flat_map(|stmt| match stmt {
            Stmt::FunctionDef(function) => vec![function],
            Stmt::ClassDef(class) => class.body.iter().filter_map(method).collect(),
            _ => Vec::new(),
        });
        functions.filter_map(fingerprint).collect()
    });
    all.unwrap_or_default()
}

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
    let renaming = Renaming {
        bound: names,
        given: RefCell::default(),
    };
    let mut hash = slm_artifacts::Sha256::new();
    for stmt in stmts {
        renaming.visit_stmt(stmt);
        hash.update(format!("{:?}\n", ComparableStmt::from(&*stmt)));
    }
    hash.hex()
}

fn method(stmt: &Stmt) -> Option<&StmtFunctionDef> {
    match stmt {
        Stmt::FunctionDef(function) => Some(function),
        _ => None,
    }
}

fn fingerprint(function: &StmtFunctionDef) -> Option<String> {
    let mut stmt = Stmt::FunctionDef(function.clone());
    let names = Names::default();
    names.visit_stmt(&mut stmt);
    if names.expressions.get() < FEWEST_EXPRESSIONS {
        return None;
    }
    let renaming = Renaming {
        bound: names.bound.into_inner(),
        given: RefCell::default(),
    };
    renaming.visit_stmt(&mut stmt);
    let text = format!("{:?}", ComparableStmt::from(&stmt));
    Some(slm_artifacts::sha256(text)[..16].to_owned())
}

/// Removes what does not count, and collects the names that the function binds.
#[derive(Default)]
struct Names {
    bound: RefCell<Vec<String>>,
    /// Names that are read.
    loaded: RefCell<Vec<String>>,
    expressions: Cell<usize>,
}

impl Names {
    fn bind(&self, name: &str) {
        self.bound.borrow_mut().push(name.to_owned());
    }

    fn bind_all<'a>(&self, names: impl IntoIterator<Item = &'a Identifier>) {
        for name in names {
            self.bind(&name.id);
        }
    }
}

/// Returns the name that a pattern itself binds.
fn captured(pattern: &mut Pattern) -> Option<&mut Identifier> {
    match pattern {
        Pattern::MatchAs(of) => of.name.as_mut(),
        Pattern::MatchStar(of) => of.name.as_mut(),
        Pattern::MatchMapping(of) => of.rest.as_mut(),
        _ => None,
    }
}

impl Transformer for Names {
    fn visit_stmt(&self, stmt: &mut Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                let n_strings = function.body.len() - without_docstring(&function.body).len();
                function.body.drain(..n_strings);
                function.decorator_list.clear();
                function.returns = None;
                self.bind(&function.name.id);
            }
            Stmt::ClassDef(class) => self.bind(&class.name.id),
            Stmt::AnnAssign(annotated) => {
                if let Some(value) = annotated.value.take() {
                    *stmt = Stmt::Assign(StmtAssign {
                        node_index: annotated.node_index.clone(),
                        range: annotated.range,
                        targets: vec![*annotated.target.clone()],
                        value,
                    });
                }
            }
            _ => {}
        }
        transformer::walk_stmt(self, stmt);
    }

    fn visit_except_handler(&self, handler: &mut ExceptHandler) {
        let ExceptHandler::ExceptHandler(of) = &*handler;
        self.bind_all(of.name.as_ref());
        transformer::walk_except_handler(self, handler);
    }

    fn visit_pattern(&self, pattern: &mut Pattern) {
        self.bind_all(captured(pattern).map(|name| &*name));
        transformer::walk_pattern(self, pattern);
    }

    fn visit_alias(&self, alias: &mut Alias) {
        self.bind_all(alias.asname.as_ref());
    }

    fn visit_parameter(&self, parameter: &mut Parameter) {
        parameter.annotation = None;
        self.bind(&parameter.name.id);
    }

    fn visit_expr(&self, expr: &mut Expr) {
        self.expressions.set(self.expressions.get() + 1);
        if let Expr::Name(name) = &*expr {
            if name.ctx == ExprContext::Store {
                self.bind(&name.id);
            } else {
                self.loaded.borrow_mut().push(name.id.to_string());
            }
        }
        transformer::walk_expr(self, expr);
    }
}

/// Replaces bound names by their number, in the order of their first use.
struct Renaming {
    bound: Vec<String>,
    given: RefCell<HashMap<String, String>>,
}

impl Renaming {
    fn new_name(&self, name: &str) -> Option<String> {
        if !self.bound.iter().any(|bound| bound == name) {
            return None;
        }
        let mut given = self.given.borrow_mut();
        let number = given.len();
        Some(
            given
                .entry(name.to_owned())
                .or_insert_with(|| format!("_{number}"))
                .clone(),
        )
    }

    fn rename<'a>(&self, names: impl IntoIterator<Item = &'a mut Identifier>) {
        for name in names {
            if let Some(new) = self.new_name(&name.id) {
                name.id = new.into();
            }
        }
    }
}

impl Transformer for Renaming {
    fn visit_stmt(&self, stmt: &mut Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.rename([&mut function.name]),
            Stmt::ClassDef(class) => self.rename([&mut class.name]),
            Stmt::Global(of) => self.rename(&mut of.names),
            Stmt::Nonlocal(of) => self.rename(&mut of.names),
            _ => {}
        }
        transformer::walk_stmt(self, stmt);
    }

    fn visit_except_handler(&self, handler: &mut ExceptHandler) {
        let ExceptHandler::ExceptHandler(of) = &mut *handler;
        self.rename(of.name.as_mut());
        transformer::walk_except_handler(self, handler);
    }

    fn visit_pattern(&self, pattern: &mut Pattern) {
        self.rename(captured(pattern));
        transformer::walk_pattern(self, pattern);
    }

    fn visit_alias(&self, alias: &mut Alias) {
        self.rename(alias.asname.as_mut());
    }

    fn visit_parameter(&self, parameter: &mut Parameter) {
        self.rename([&mut parameter.name]);
    }

    fn visit_expr(&self, expr: &mut Expr) {
        if let Expr::Name(name) = expr
            && let Some(new) = self.new_name(&name.id)
        {
            name.id = new.into();
        }
        transformer::walk_expr(self, expr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "def least(xs):\n    best = xs[0]\n    for x in xs:\n        if x < best:\n            best = x\n    return best\n";

    #[track_caller]
    fn check(other: &str, is_same: bool) {
        let (own, found) = (function_fingerprints(LEAST), function_fingerprints(other));
        assert_eq!(own.len(), 1);
        assert_eq!(own == found, is_same, "{other}");
    }

    #[test]
    fn a_renamed_function_has_the_same_fingerprint() {
        check(LEAST, true);
        check(
            "@cache\ndef smallest(values: list) -> int:\n    \"\"\"Other words.\"\"\"\n    low = values[0]\n    for v in values:\n        if v < low:  # lower\n            low = v\n    return (low)\n",
            true,
        );
        let method = LEAST
            .replace("\ndef", "\n    def")
            .replace("    ", "        ");
        check(
            &format!(
                "class A:\n    {}",
                method.replacen("def least(", "def f(", 1)
            ),
            true,
        );
    }

    #[test]
    fn every_way_to_bind_a_name_may_be_renamed() {
        let source = "def f(a):\n    import math as m\n    low: int = a[0]\n    try:\n        low = m.sqrt(a[1])\n    except ValueError as e:\n        print(e)\n    match a:\n        case [x, *rest]:\n            low = x + len(rest)\n    return low\n";
        let renamed = "def g(b):\n    import math as n\n    q = b[0]\n    try:\n        q = n.sqrt(b[1])\n    except ValueError as w:\n        print(w)\n    match b:\n        case [y, *others]:\n            q = y + len(others)\n    return q\n";
        assert_eq!(function_fingerprints(source).len(), 1);
        assert_eq!(
            function_fingerprints(source),
            function_fingerprints(renamed)
        );
    }

    /// Data sets store fingerprints: a change of this value needs another version of their format.
    #[test]
    fn a_stored_fingerprint_stays_valid() {
        assert_eq!(function_fingerprints(LEAST), ["e0402cdebfc42632"]);
    }

    #[test]
    fn another_function_has_another_fingerprint() {
        check(&LEAST.replace('<', ">"), false);
        check(&LEAST.replace("xs[0]", "xs[1]"), false);
        check(&LEAST.replace("in xs", "in sorted(xs)"), false);
        check(&LEAST.replace("return best", "return x"), false);
        check("def least(xs):\n    return min(xs)\n", false);
        check("def broken(:", false);
    }

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

    #[test]
    fn a_recursive_function_may_be_renamed() {
        let source = "def f(n):\n    if n < 2:\n        return 1\n    return n * f(n - 1)\n";
        let renamed = source.replace("f(", "factorial(");
        assert_eq!(function_fingerprints(source).len(), 1);
        assert_eq!(
            function_fingerprints(source),
            function_fingerprints(&renamed)
        );
    }
}
