//! Repeated keys, elements and conditions, of which only one has an effect.

use std::collections::HashSet;
use std::hash::Hash;

use crate::ast::comparable::ComparableExpr;
use crate::ast::{Expr, ExprBooleanLiteral, Number, Ranged, Stmt};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static DUPLICATE_KEY: Rule = Rule {
    id: "duplicate-key",
    category: Category::Reliability,
    title: "A dictionary repeats a key, so an earlier value is lost",
    known_as: "ruff F601, F602",
    minutes: Minutes::Constant(5.0),
};

pub(super) static DUPLICATE_SET_VALUE: Rule = Rule {
    id: "duplicate-set-value",
    category: Category::Reliability,
    title: "A set repeats an element",
    known_as: "ruff B033",
    minutes: Minutes::Constant(3.0),
};

pub(super) static DUPLICATE_CONDITION: Rule = Rule {
    id: "duplicate-condition",
    category: Category::Reliability,
    title: "An `elif` repeats an earlier condition of its chain, so its branch never runs",
    known_as: "SonarPython S1862",
    minutes: Minutes::Constant(10.0),
};

/// A literal by its value: `1`, `1.0` and `True` are the same key.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Integer(u64),
    Other(ComparableExpr<'a>),
}

pub(super) fn check_expr(report: &mut Report<'_>, expr: &Expr) {
    match expr {
        Expr::Dict(dict) => {
            let keys = dict.items.iter().filter_map(|item| item.key.as_ref());
            for key in repeated(
                keys.filter(|key| is_literal(key) || key.is_name_expr()),
                Key::of,
            ) {
                let message = format!("key `{}` is repeated", &report.module.text[key.range()]);
                report.add(&DUPLICATE_KEY, Severity::Medium, key.range(), message);
            }
        }
        Expr::Set(set) => {
            let elts = set.elts.iter().filter(|elt| elt.is_literal_expr());
            for elt in repeated(elts, Key::of) {
                let message = format!("element `{}` is repeated", &report.module.text[elt.range()]);
                report.add(&DUPLICATE_SET_VALUE, Severity::Low, elt.range(), message);
            }
        }
        _ => {}
    }
}

pub(super) fn check_stmt(report: &mut Report<'_>, stmt: &Stmt) {
    if let Stmt::If(stmt) = stmt {
        let elifs = stmt
            .elif_else_clauses
            .iter()
            .filter_map(|clause| clause.test.as_ref());
        let tests = std::iter::once(&*stmt.test).chain(elifs);
        for test in repeated(tests, ComparableExpr::from) {
            // An assignment or a call may give another result the second time.
            if !has_effect(test) {
                let message = "this condition was tested before in the same chain";
                report.add(
                    &DUPLICATE_CONDITION,
                    Severity::Medium,
                    test.range(),
                    message,
                );
            }
        }
    }
}

/// Returns the elements after the first of each class.
fn repeated<'a, K: Eq + Hash>(
    exprs: impl Iterator<Item = &'a Expr>,
    key: impl Fn(&'a Expr) -> K,
) -> Vec<&'a Expr> {
    let mut seen = HashSet::new();
    exprs.filter(|expr| !seen.insert(key(expr))).collect()
}

impl<'a> Key<'a> {
    fn of(expr: &'a Expr) -> Self {
        let integer = match expr {
            Expr::BooleanLiteral(ExprBooleanLiteral { value, .. }) => Some(u64::from(*value)),
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(value) => value.as_u64(),
                // 2^53: up to here a float is exact.
                Number::Float(value)
                    if value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(value) =>
                {
                    Some(*value as u64)
                }
                Number::Float(_) | Number::Complex { .. } => None,
            },
            _ => None,
        };
        integer.map_or_else(|| Self::Other(expr.into()), Self::Integer)
    }
}

/// Returns whether an expression is built of literals only.
fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Tuple(tuple) => tuple.elts.iter().all(is_literal),
        Expr::UnaryOp(unary) => is_literal(&unary.operand),
        Expr::FString(_) => true,
        expr => expr.is_literal_expr(),
    }
}

fn has_effect(expr: &Expr) -> bool {
    crate::ast::helpers::any_over_expr(expr, |expr| {
        matches!(
            expr,
            Expr::Call(_) | Expr::Named(_) | Expr::Await(_) | Expr::Yield(_) | Expr::YieldFrom(_)
        )
    })
}
