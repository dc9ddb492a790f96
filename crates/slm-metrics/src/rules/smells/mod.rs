//! Rules about code that is hard to read or to change.
//!
//! Each file has the rules of one subject.

mod commented_code;
mod complexity;
mod duplicated_block;
mod size;
mod unused_import;

use super::finding::Rule;
use super::names::Names;
use super::report::Report;

/// The table of this category.
pub(super) const RULES: [&Rule; 7] = [
    &size::LONG_FUNCTION,
    &size::TOO_MANY_PARAMETERS,
    &size::DEEP_NESTING,
    &complexity::COGNITIVE_COMPLEXITY,
    &duplicated_block::DUPLICATED_BLOCK,
    &commented_code::COMMENTED_CODE,
    &unused_import::UNUSED_IMPORT,
];

/// Adds the findings of all rules of this category.
pub(super) fn check(report: &mut Report<'_>, names: &Names<'_>) {
    size::check(report);
    complexity::check(report);
    duplicated_block::check(report);
    commented_code::check(report);
    unused_import::check(report, names);
}
