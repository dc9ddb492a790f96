//! Names without a binding.

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::names::Names;
use super::super::report::Report;

pub(super) static UNDEFINED_NAME: Rule = Rule {
    id: "undefined-name",
    category: Category::Reliability,
    title: "A name is used that nothing defines",
    known_as: "ruff F821",
    minutes: Minutes::Constant(10.0),
};

pub(super) static UNDEFINED_LOCAL: Rule = Rule {
    id: "undefined-local",
    category: Category::Reliability,
    title: "A local variable is read before its first assignment",
    known_as: "ruff F823",
    minutes: Minutes::Constant(10.0),
};

pub(super) fn check(report: &mut Report<'_>, names: &Names<'_>) {
    if !names.is_dynamic {
        for unresolved in &names.unresolved {
            let message = format!("`{}` is not defined", unresolved.name);
            report.add(&UNDEFINED_NAME, Severity::High, unresolved.range, message);
        }
    }
    for &(name, range) in &names.early_reads {
        let message = format!("`{name}` is local here and read before its assignment");
        report.add(&UNDEFINED_LOCAL, Severity::High, range, message);
    }
}
