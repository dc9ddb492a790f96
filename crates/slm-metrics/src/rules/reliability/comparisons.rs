//! Comparisons and assertions with a constant result.

use crate::ast::comparable::ComparableExpr;
use crate::ast::{CmpOp, Expr, Ranged, Stmt};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static COMPARISON_WITH_ITSELF: Rule = Rule {
    id: "comparison-with-itself",
    category: Category::Reliability,
    title: "A name is compared with itself",
    known_as: "ruff PLR0124",
    minutes: Minutes::Constant(5.0),
};

pub(super) static IS_LITERAL: Rule = Rule {
    id: "is-literal",
    category: Category::Reliability,
    title: "`is` compares with a literal, whose identity is not defined",
    known_as: "ruff F632",
    minutes: Minutes::Constant(3.0),
};

pub(super) static ASSERT_ON_TUPLE: Rule = Rule {
    id: "assert-on-tuple",
    category: Category::Reliability,
    title: "An assertion tests a tuple with elements, which is always true",
    known_as: "ruff F631",
    minutes: Minutes::Constant(3.0),
};

/// Builtin functions with the same result for the same name.
const REPEATABLE: [&str; 8] = ["bool", "bytes", "id", "int", "len", "repr", "str", "type"];

pub(super) fn check_stmt(report: &mut Report<'_>, stmt: &Stmt) {
    if let Stmt::Assert(assert) = stmt
        && let Expr::Tuple(tuple) = &*assert.test
        && !tuple.elts.is_empty()
    {
        let message = "this assertion is always true";
        report.add(&ASSERT_ON_TUPLE, Severity::High, assert.range, message);
    }
}

pub(super) fn check_expr(report: &mut Report<'_>, expr: &Expr) {
    let Expr::Compare(compare) = expr else {
        return;
    };
    let mut left = &*compare.left;
    for (op, right) in compare.ops.iter().zip(&compare.comparators) {
        let are_repeatable = is_repeatable(left) && is_repeatable(right);
        if are_repeatable && ComparableExpr::from(left) == ComparableExpr::from(right) {
            let message = format!(
                "`{}` is compared with itself",
                &report.module.text[left.range()]
            );
            report.add(
                &COMPARISON_WITH_ITSELF,
                Severity::Medium,
                compare.range,
                message,
            );
        }
        if matches!(op, CmpOp::Is | CmpOp::IsNot) && (is_value(left) || is_value(right)) {
            let message = "identity of a literal is compared, use `==` or `!=`";
            report.add(&IS_LITERAL, Severity::Medium, compare.range, message);
        }
        left = right;
    }
}

fn is_repeatable(expr: &Expr) -> bool {
    match expr {
        Expr::Name(_) => true,
        Expr::Call(call) => {
            let arguments = &call.arguments;
            matches!(&*call.func, Expr::Name(name) if REPEATABLE.contains(&name.id.as_str()))
                && arguments.keywords.is_empty()
                && matches!(&*arguments.args, [Expr::Name(_)])
        }
        _ => false,
    }
}

/// Returns whether each evaluation of an expression may give another object of the same value.
fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::NumberLiteral(_)
        | Expr::List(_)
        | Expr::ListComp(_)
        | Expr::Set(_)
        | Expr::SetComp(_)
        | Expr::Dict(_)
        | Expr::DictComp(_) => true,
        Expr::Tuple(tuple) => tuple
            .elts
            .iter()
            .all(|elt| elt.is_literal_expr() || is_value(elt)),
        _ => false,
    }
}
