//! Addresses and folders in strings.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::rule::rule;
use crate::ast::TextRange;

static BIND_ALL: Rule = rule(
    "bind-all-interfaces",
    "bandit B104",
    "The address 0.0.0.0 binds a socket to all interfaces",
    10.0,
);
static TMP_FOLDER: Rule = rule(
    "hardcoded-tmp-folder",
    "bandit B108",
    "A path in a shared folder for temporary files is predictable",
    15.0,
);

pub(super) static RULES: [&Rule; 2] = [&BIND_ALL, &TMP_FOLDER];

const TMP_FOLDERS: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// Reports a constant string; strings that are statements are not passed to it.
pub(super) fn check(text: &str, range: TextRange, report: &mut Report<'_>) {
    if text == "0.0.0.0" {
        let message = "`0.0.0.0` binds to all interfaces";
        report.add(&BIND_ALL, Severity::Medium, range, message);
    }
    if TMP_FOLDERS.iter().any(|folder| text.starts_with(folder)) {
        let message = "the path is in a shared folder for temporary files";
        report.add(&TMP_FOLDER, Severity::Medium, range, message);
    }
}
