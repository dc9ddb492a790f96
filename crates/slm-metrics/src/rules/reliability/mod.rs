//! Rules about code that probably does something else than intended.
//!
//! Each file has the rules of one subject. Rules on single statements and expressions share one walk.

mod comparisons;
mod control_flow;
mod defaults;
mod duplicates;
mod exceptions;
mod loop_capture;
mod returns;
mod shadowing;
mod strings;
mod undefined;
mod unused;

use crate::ast::visitor::{self, Visitor};
use crate::ast::{Expr, Stmt};

use super::finding::Rule;
use super::names::Names;
use super::report::Report;

/// The table of this category.
pub(super) const RULES: [&Rule; 20] = [
    &defaults::MUTABLE_DEFAULT,
    &exceptions::BARE_EXCEPT,
    &exceptions::DUPLICATE_EXCEPTION,
    &exceptions::UNREACHABLE_HANDLER,
    &exceptions::JUMP_IN_FINALLY,
    &comparisons::COMPARISON_WITH_ITSELF,
    &comparisons::IS_LITERAL,
    &comparisons::ASSERT_ON_TUPLE,
    &control_flow::UNREACHABLE_CODE,
    &returns::INCONSISTENT_RETURN,
    &duplicates::DUPLICATE_KEY,
    &duplicates::DUPLICATE_SET_VALUE,
    &duplicates::DUPLICATE_CONDITION,
    &shadowing::SHADOWED_BUILTIN,
    &strings::FSTRING_WITHOUT_PLACEHOLDERS,
    &unused::UNUSED_VARIABLE,
    &unused::REDEFINED_UNUSED,
    &undefined::UNDEFINED_NAME,
    &undefined::UNDEFINED_LOCAL,
    &loop_capture::LOOP_CAPTURE,
];

/// Adds the findings of all rules of this category.
pub(super) fn check(report: &mut Report<'_>, names: &Names<'_>) {
    let module = report.module;
    let mut walk = Walk { report };
    walk.visit_body(module.body());
    control_flow::check_body(report, module.body());
    loop_capture::check(report, module.body());
    shadowing::check(report, names);
    unused::check(report, names);
    undefined::check(report, names);
}

struct Walk<'r, 'a> {
    report: &'r mut Report<'a>,
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        defaults::check_stmt(self.report, stmt);
        exceptions::check_stmt(self.report, stmt);
        comparisons::check_stmt(self.report, stmt);
        returns::check_stmt(self.report, stmt);
        duplicates::check_stmt(self.report, stmt);
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        comparisons::check_expr(self.report, expr);
        duplicates::check_expr(self.report, expr);
        strings::check_expr(self.report, expr);
        visitor::walk_expr(self, expr);
    }
}
