//! Logical lines of a program's code: LLOC without docstrings and comments, in canonical layout.
//!
//! This is radon's LLOC of the output of `ast.unparse` for the tree without its docstrings, computed without
//! writing it: each statement is on a separate line there, so it counts one, and one more if it contains a
//! colon.

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Stmt};
use crate::parser::{Fstrings, Module};

/// Returns the logical lines of the module's code.
pub(crate) fn count(module: &Module<'_>) -> usize {
    let lines = Lines {
        fstrings: module.fstrings,
    };
    lines.suite(without_docstring(module.body()))
}

/// Returns the statements after the docstring. Strings that follow it are removed too, since they would then be
/// the docstring.
pub(crate) fn without_docstring(body: &[Stmt]) -> &[Stmt] {
    let n_strings = body.iter().take_while(|stmt| is_string(stmt)).count();
    &body[n_strings..]
}

fn is_string(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(expr) if expr.value.is_string_literal_expr())
}

struct Lines {
    fstrings: Fstrings,
}

impl Lines {
    fn suite(&self, body: &[Stmt]) -> usize {
        body.iter().map(|stmt| self.stmt(stmt)).sum()
    }

    /// Counts a body; one that consists only of its docstring is replaced by a `pass`.
    fn documented_suite(&self, body: &[Stmt]) -> usize {
        self.suite(without_docstring(body)).max(1)
    }

    /// Counts a clause and its header, if the clause exists.
    fn optional_clause(&self, body: &[Stmt]) -> usize {
        usize::from(!body.is_empty()) + self.suite(body)
    }

    /// Counts an `else`; if it contains only one `if`, the tree has an `elif` instead.
    fn else_clause(&self, body: &[Stmt]) -> usize {
        match body {
            [Stmt::If(_)] => self.suite(body),
            _ => 1 + self.suite(body),
        }
    }

    fn decorators(&self, decorators: &[ast::Decorator]) -> usize {
        decorators
            .iter()
            .map(|decorator| {
                1 + usize::from(self.has_colon(|colon| colon.visit_decorator(decorator)))
            })
            .sum()
    }

    fn stmt(&self, stmt: &Stmt) -> usize {
        match stmt {
            Stmt::FunctionDef(function) => {
                self.decorators(&function.decorator_list)
                    + 1
                    + self.documented_suite(&function.body)
            }
            Stmt::ClassDef(class) => {
                self.decorators(&class.decorator_list) + 1 + self.documented_suite(&class.body)
            }
            Stmt::For(ast::StmtFor { body, orelse, .. })
            | Stmt::While(ast::StmtWhile { body, orelse, .. }) => {
                1 + self.suite(body) + self.optional_clause(orelse)
            }
            Stmt::If(stmt) => {
                let clauses = stmt
                    .elif_else_clauses
                    .iter()
                    .map(|clause| match clause.test {
                        Some(_) => 1 + self.suite(&clause.body),
                        None => self.else_clause(&clause.body),
                    });
                1 + self.suite(&stmt.body) + clauses.sum::<usize>()
            }
            Stmt::With(with) => 1 + self.suite(&with.body),
            Stmt::Match(stmt) => {
                let cases = stmt.cases.iter().map(|case| 1 + self.suite(&case.body));
                1 + cases.sum::<usize>()
            }
            Stmt::Try(stmt) => {
                let handlers = stmt.handlers.iter().map(|handler| {
                    let ast::ExceptHandler::ExceptHandler(handler) = handler;
                    1 + self.suite(&handler.body)
                });
                1 + self.suite(&stmt.body)
                    + handlers.sum::<usize>()
                    + self.optional_clause(&stmt.orelse)
                    + self.optional_clause(&stmt.finalbody)
            }
            Stmt::AnnAssign(_) => 2,
            _ => 1 + usize::from(self.has_colon(|colon| colon.visit_stmt(stmt))),
        }
    }

    fn has_colon(&self, visit: impl FnOnce(&mut ColonSearch)) -> bool {
        let mut search = ColonSearch {
            fstrings: self.fstrings,
            found: false,
        };
        visit(&mut search);
        search.found
    }
}

/// Searches for a node that is written with a colon.
struct ColonSearch {
    fstrings: Fstrings,
    found: bool,
}

impl<'a> Visitor<'a> for ColonSearch {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Slice(_) | Expr::Lambda(_) | Expr::DictComp(_) => self.found = true,
            Expr::Dict(dict) if dict.items.iter().any(|item| item.key.is_some()) => {
                self.found = true;
            }
            // An f-string is a single token there.
            Expr::FString(_) if self.fstrings == Fstrings::Legacy => return,
            _ => {}
        }
        if !self.found {
            visitor::walk_expr(self, expr);
        }
    }

    fn visit_interpolated_string_element(&mut self, element: &'a ast::InterpolatedStringElement) {
        match element {
            ast::InterpolatedStringElement::Interpolation(part) if part.format_spec.is_some() => {
                self.found = true;
            }
            _ => visitor::walk_interpolated_string_element(self, element),
        }
    }

    fn visit_type_param(&mut self, type_param: &'a ast::TypeParam) {
        match type_param {
            ast::TypeParam::TypeVar(variable) if variable.bound.is_some() => self.found = true,
            _ => visitor::walk_type_param(self, type_param),
        }
    }
}
