//! Permissions of files, and archives that may write outside the target folder.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::{Call, Value};
use super::rule::rule;
use crate::ast::{Expr, Number};

static PERMISSIONS: Rule = rule(
    "file-permissions",
    "bandit B103",
    "A file may be written by others, or run by others",
    10.0,
);
static EXTRACT_ALL: Rule = rule(
    "tar-extract-all",
    "bandit B202",
    "All members of a tar archive are extracted, also those with a path outside the target folder",
    15.0,
);

pub(super) static RULES: [&Rule; 2] = [&PERMISSIONS, &EXTRACT_ALL];

const OTHERS_WRITE: u64 = 0o002;
const GROUP_WRITE: u64 = 0o020;
const GROUP_RUN: u64 = 0o010;
const OTHERS_RUN: u64 = 0o001;

/// Reports wide permissions, and archives extracted without a filter.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    if call.name.last_contains("chmod")
        && let [_, mode] = call.args()
        && let Value::Number(Number::Int(mode)) = Value::of(mode)
        && let Some(mode) = mode.as_u64()
        && mode & (OTHERS_WRITE | GROUP_WRITE | GROUP_RUN | OTHERS_RUN) != 0
    {
        let severity = if mode & OTHERS_WRITE == 0 {
            Severity::Medium
        } else {
            Severity::High
        };
        let message = format!("the mode {mode:#o} is too wide");
        report.add(&PERMISSIONS, severity, call.range(), message);
    }
    if call.name.last_contains("extractall")
        && call.imports.has_exact("tarfile")
        && let Some(severity) = extraction_severity(call)
    {
        let message = "members may be written outside the target folder";
        report.add(&EXTRACT_ALL, severity, call.range(), message);
    }
}

fn extraction_severity(call: &Call<'_, '_>) -> Option<Severity> {
    if let Some(Expr::StringLiteral(filter)) = call.keyword("filter")
        && filter.value.to_str() == "data"
    {
        return None;
    }
    match call.keyword("members") {
        None => Some(Severity::High),
        // bandit fails on the call of anything but a name.
        Some(Expr::Call(members)) => members.func.is_name_expr().then_some(Severity::Low),
        Some(_) => Some(Severity::Medium),
    }
}
