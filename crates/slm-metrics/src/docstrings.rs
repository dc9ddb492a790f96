//! Docstrings of a module, and the body of a text that is one function.

use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::{Ranged, Stmt, TextRange};
use crate::code_lines::without_docstring;

/// Returns the ranges of all docstrings below `body`, in source order; strings that follow a docstring count.
pub(crate) fn docstrings(body: &[Stmt]) -> Vec<TextRange> {
    let mut collector = Collector { ranges: Vec::new() };
    collector.add(body);
    collector.visit_body(body);
    collector.ranges
}

/// Returns the body of the function if `body` has one function and, apart from docstrings, no other statement.
pub(crate) fn body_of_only_function(body: &[Stmt]) -> Option<&[Stmt]> {
    match without_docstring(body) {
        [Stmt::FunctionDef(function)] => Some(&function.body),
        _ => None,
    }
}

struct Collector {
    ranges: Vec<TextRange>,
}

impl Collector {
    fn add(&mut self, body: &[Stmt]) {
        let n_strings = body.len() - without_docstring(body).len();
        self.ranges
            .extend(body[..n_strings].iter().map(Ranged::range));
    }
}

impl<'a> StatementVisitor<'a> for Collector {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.add(&function.body),
            Stmt::ClassDef(class) => self.add(&class.body),
            _ => {}
        }
        walk_stmt(self, stmt);
    }
}
