//! Formatted strings.

use crate::ast::{Expr, FStringPart};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static FSTRING_WITHOUT_PLACEHOLDERS: Rule = Rule {
    id: "f-string-without-placeholders",
    category: Category::Reliability,
    title: "An f-string has no placeholder",
    known_as: "ruff F541",
    minutes: Minutes::Constant(2.0),
};

pub(super) fn check_expr(report: &mut Report<'_>, expr: &Expr) {
    let Expr::FString(string) = expr else {
        return;
    };
    let has_placeholder = |part: &FStringPart| match part {
        FStringPart::FString(part) => part.elements.interpolations().next().is_some(),
        FStringPart::Literal(_) => false,
    };
    if !string.value.iter().any(has_placeholder) {
        for part in string.value.f_strings() {
            let message = "this f-string has no placeholder";
            report.add(
                &FSTRING_WITHOUT_PLACEHOLDERS,
                Severity::Low,
                part.range,
                message,
            );
        }
    }
}
