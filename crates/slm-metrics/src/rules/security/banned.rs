//! Functions and modules that a table forbids by name.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::{Call, Value};
use crate::ast::{self, Expr, Ranged, Stmt};

/// A rule that forbids names.
pub(super) struct Banned {
    pub(super) rule: Rule,
    severity: Severity,
    /// The text of a message after the name.
    reason: &'static str,
    names: &'static [&'static str],
}

pub(super) const fn banned(
    rule: Rule,
    severity: Severity,
    reason: &'static str,
    names: &'static [&'static str],
) -> Banned {
    Banned {
        rule,
        severity,
        reason,
        names,
    }
}

impl Banned {
    fn report(&'static self, name: &str, node: &impl Ranged, report: &mut Report<'_>) {
        let message = format!("`{name}` {}", self.reason);
        report.add(&self.rule, self.severity, node.range(), message);
    }
}

/// Reports a call of a function that one of `tables` forbids, and a module imported by a call.
pub(super) fn check_call(
    call: &Call<'_, '_>,
    tables: [&'static [Banned]; 2],
    report: &mut Report<'_>,
) {
    let Some(name) = called_or_imported(call) else {
        return;
    };
    let mut all = tables.into_iter().flatten();
    if let Some(banned) = all.find(|banned| banned.names.contains(&name)) {
        banned.report(name, call.node, report);
    }
}

/// Returns the name of the called function, or of the module that the call imports.
fn called_or_imported<'c>(call: &'c Call<'_, '_>) -> Option<&'c str> {
    if let Expr::Name(function) = &*call.node.func
        && function.id == "__import__"
    {
        return match call.args().first()? {
            Expr::StringLiteral(name) => Some(name.value.to_str()),
            _ => None,
        };
    }
    if call
        .name
        .is_any(&["importlib.import_module", "importlib.__import__"])
    {
        let first = call.args().first();
        return first.map_or(call.value("name"), Value::of).word();
    }
    call.name.text()
}

/// Reports an import of a module, or of a member of it, that `table` forbids by the start of its name.
///
/// Only the first rule that fits is reported, for any number of names.
pub(super) fn check_import(stmt: &Stmt, table: &'static [Banned], report: &mut Report<'_>) {
    let (module, names): (Option<&str>, &[ast::Alias]) = match stmt {
        Stmt::Import(import) => (None, &import.names),
        Stmt::ImportFrom(import) => (import.module.as_deref(), &import.names),
        _ => return,
    };
    for banned in table {
        for alias in names {
            let starts = |start: &&&str| starts_with(module, &alias.name, start);
            if let Some(name) = banned.names.iter().find(starts) {
                return banned.report(name, stmt, report);
            }
        }
    }
}

/// Returns whether `module.name`, or `name` without a module, starts with `start`.
fn starts_with(module: Option<&str>, name: &str, start: &str) -> bool {
    let Some(module) = module else {
        return name.starts_with(start);
    };
    match start.strip_prefix(module) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('.')
            .is_some_and(|rest| name.starts_with(rest)),
        None => module.starts_with(start),
    }
}
