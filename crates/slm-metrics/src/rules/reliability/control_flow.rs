//! Statements that no run reaches.

use crate::ast::statement_visitor::{StatementVisitor, walk_body};
use crate::ast::{Expr, Ranged, Stmt};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static UNREACHABLE_CODE: Rule = Rule {
    id: "unreachable-code",
    category: Category::Reliability,
    title: "A statement follows a jump in the same block",
    known_as: "pylint W0101",
    minutes: Minutes::Constant(5.0),
};

/// Adds the unreachable statements of `body` and of every block below.
pub(super) fn check_body(report: &mut Report<'_>, body: &[Stmt]) {
    Blocks { report }.visit_body(body);
}

struct Blocks<'r, 'a> {
    report: &'r mut Report<'a>,
}

impl<'a> StatementVisitor<'a> for Blocks<'_, '_> {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        for (at, stmt) in body.iter().enumerate() {
            // A `yield` after the jump is the idiom for a generator without elements.
            let after = body
                .get(at + 1)
                .filter(|stmt| !is_yield(stmt))
                .or_else(|| body.get(at + 2));
            if leaves(stmt)
                && at + 1 < body.len()
                && let Some(after) = after
            {
                let message = "this statement is never reached";
                self.report
                    .add(&UNREACHABLE_CODE, Severity::Medium, after.range(), message);
            }
        }
        walk_body(self, body);
    }
}

fn is_yield(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Expr(expr) if expr.value.is_yield_expr())
}

/// Returns whether a statement never continues with the next one.
fn leaves(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Return(_) | Stmt::Raise(_) | Stmt::Break(_) | Stmt::Continue(_) => true,
        Stmt::Expr(expr) => {
            matches!(&*expr.value, Expr::Call(call) if super::returns::is_exit(&call.func))
        }
        _ => false,
    }
}
