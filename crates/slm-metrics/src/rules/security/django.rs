//! SQL passed to Django's query methods.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::Call;
use super::rule::rule;
use crate::ast::Expr;

static EXTRA: Rule = rule(
    "django-extra",
    "bandit B610",
    "`extra` of a Django query gets SQL that is not constant",
    30.0,
);
static RAW_SQL: Rule = rule(
    "django-raw-sql",
    "bandit B611",
    "`RawSQL` gets SQL that is not constant",
    30.0,
);

pub(super) static RULES: [&Rule; 2] = [&EXTRA, &RAW_SQL];

/// Reports SQL that is not constant.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    match call.name.last() {
        "extra" => {
            let argument = |index, name| call.args().get(index).or_else(|| call.keyword(name));
            let conditions = [argument(1, "where"), argument(3, "tables")];
            let select = argument(0, "select");
            if conditions
                .into_iter()
                .flatten()
                .any(|list| !is_constant_list(list))
                || select.is_some_and(|select| !is_constant_dict(select))
            {
                let message = "the SQL of `extra` is not constant";
                report.add(&EXTRA, Severity::Medium, call.range(), message);
            }
        }
        "RawSQL" if call.imports.has_like("django.db.models") => {
            let sql = call.args().first().or_else(|| call.keyword("sql"));
            if sql.is_some_and(|sql| !sql.is_string_literal_expr()) {
                let message = "the SQL of `RawSQL` is not constant";
                report.add(&RAW_SQL, Severity::Medium, call.range(), message);
            }
        }
        _ => {}
    }
}

fn is_constant_list(expr: &Expr) -> bool {
    match expr {
        Expr::List(list) => list.elts.iter().all(Expr::is_string_literal_expr),
        _ => false,
    }
}

fn is_constant_dict(expr: &Expr) -> bool {
    match expr {
        Expr::Dict(dict) => dict.items.iter().all(|item| {
            item.value.is_string_literal_expr()
                && item.key.as_ref().is_some_and(Expr::is_string_literal_expr)
        }),
        _ => false,
    }
}
