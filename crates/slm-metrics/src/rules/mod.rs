//! Findings of static rules in a program, and the minutes that their repair is estimated to take.
//!
//! Each rule is one entry of the table of its category: `security`, `reliability` or `smells`. A rule sees one file.

mod finding;
mod names;
mod reliability;
mod report;
mod security;
mod smells;

pub use finding::{Category, Finding, Minutes, Rule, Severity};

use crate::SyntaxError;
use crate::parser::{Fstrings, with_module};

/// Every rule, by category and then in the order of their tables.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    security::all()
        .chain(reliability::RULES)
        .chain(smells::RULES)
}

/// Returns the findings of all rules in `source`, by line, column and rule.
///
/// # Errors
/// [`SyntaxError`] if it is not valid Python.
pub fn findings(source: &str) -> Result<Vec<Finding>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut report = report::Report::new(module);
        let names = names::names(module);
        security::check(&mut report);
        reliability::check(&mut report, &names);
        smells::check(&mut report, &names);
        report.into_findings()
    })
}

/// Returns the estimated minutes to repair all of `findings`.
pub fn debt_minutes(findings: &[Finding]) -> f64 {
    findings.iter().map(|finding| finding.minutes).sum()
}
