//! Fingerprints of functions that do not depend on their names: a task's solution is recognised in another place.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::ast::comparable::ComparableStmt;
use crate::ast::visitor::transformer::{self, Transformer};
use crate::ast::{
    Alias, ExceptHandler, Expr, ExprContext, Identifier, Parameter, Pattern, Stmt, StmtAssign,
    StmtFunctionDef,
};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, with_module};

/// Expressions that a function must have for a fingerprint: `return max(xs)` occurs in unrelated programs.
pub(crate) const FEWEST_EXPRESSIONS: usize = 10;

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
    let renaming = Renaming::of(names.bound.into_inner());
    renaming.visit_stmt(&mut stmt);
    let text = format!("{:?}", ComparableStmt::from(&stmt));
    Some(slm_artifacts::sha256(text)[..16].to_owned())
}

/// Removes what does not count, and collects the names that the function binds.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) bound: RefCell<Vec<String>>,
    /// Names that are read.
    pub(crate) loaded: RefCell<Vec<String>>,
    pub(crate) expressions: Cell<usize>,
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
pub(crate) struct Renaming {
    bound: Vec<String>,
    given: RefCell<HashMap<String, String>>,
}

impl Renaming {
    pub(crate) fn of(names: Vec<String>) -> Self {
        Self {
            bound: names,
            given: RefCell::default(),
        }
    }

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
