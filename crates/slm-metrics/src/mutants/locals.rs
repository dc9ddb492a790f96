//! The variables of a function.

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Stmt};

/// Returns the parameters of a function and the names that its body assigns, each once, in the order of the text.
/// Variables of nested functions, classes and comprehensions are not the function's own.
pub(super) fn locals(function: &ast::StmtFunctionDef) -> Vec<&str> {
    let mut assigned = Assigned::default();
    for parameter in &function.parameters {
        assigned.add(parameter.name().as_str());
    }
    assigned.visit_body(&function.body);
    assigned.names
}

#[derive(Default)]
struct Assigned<'a> {
    names: Vec<&'a str>,
}

impl<'a> Assigned<'a> {
    fn add(&mut self, name: &'a str) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

impl<'a> Visitor<'a> for Assigned<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if !matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_comprehension(&mut self, comprehension: &'a ast::Comprehension) {
        self.visit_expr(&comprehension.iter);
        for test in &comprehension.ifs {
            self.visit_expr(test);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx.is_store() => self.add(name.id.as_str()),
            _ => visitor::walk_expr(self, expr),
        }
    }
}
