//! Assertions, and handlers that hide an exception.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::rule::rule;
use crate::ast::{self, Expr, Ranged, Stmt};

static ASSERT: Rule = rule(
    "assert-used",
    "bandit B101",
    "An `assert` is removed by `python -O`",
    5.0,
);
static TRY_EXCEPT_PASS: Rule = rule(
    "try-except-pass",
    "bandit B110",
    "A handler of all exceptions only has `pass`",
    10.0,
);
static TRY_EXCEPT_CONTINUE: Rule = rule(
    "try-except-continue",
    "bandit B112",
    "A handler of all exceptions only has `continue`",
    10.0,
);

pub(super) static RULES: [&Rule; 3] = [&ASSERT, &TRY_EXCEPT_PASS, &TRY_EXCEPT_CONTINUE];

/// Reports an `assert` statement.
pub(super) fn check_assert(stmt: &ast::StmtAssert, report: &mut Report<'_>) {
    report.add(
        &ASSERT,
        Severity::Low,
        stmt.range(),
        "`assert` is removed by `python -O`",
    );
}

/// Reports a handler of all exceptions that ignores them.
pub(super) fn check_handler(handler: &ast::ExceptHandlerExceptHandler, report: &mut Report<'_>) {
    let catches_all = match handler.type_.as_deref() {
        None => true,
        Some(Expr::Name(name)) => name.id == "Exception",
        Some(_) => false,
    };
    let (rule, message) = match handler.body.as_slice() {
        [Stmt::Pass(_)] if catches_all => (&TRY_EXCEPT_PASS, "the handler ignores all exceptions"),
        [Stmt::Continue(_)] if catches_all => {
            (&TRY_EXCEPT_CONTINUE, "the handler skips all exceptions")
        }
        _ => return,
    };
    report.add(rule, Severity::Low, handler.range(), message);
}
