//! Imports that nothing uses.

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::names::{Binding, BindingKind, Names, ScopeKind};
use super::super::report::Report;

pub(super) static UNUSED_IMPORT: Rule = Rule {
    id: "unused-import",
    category: Category::Smell,
    title: "An imported name is never used",
    known_as: "ruff F401",
    minutes: Minutes::Constant(2.0),
};

pub(super) fn check(report: &mut Report<'_>, names: &Names<'_>) {
    for (at, binding) in names.bindings.iter().enumerate() {
        // Of `import a` and `import a.b`, both may be unused.
        let is_module = |kind| matches!(kind, BindingKind::Import | BindingKind::Submodule);
        let is_beside = |latest: &Binding<'_>| {
            is_module(binding.kind) && is_module(latest.kind) && binding.branch == latest.branch
        };
        let is_shown = names.is_latest(at) || names.latest(binding).is_some_and(is_beside);
        // In a class, it is an attribute.
        let is_attribute = names.scopes[binding.scope].kind == ScopeKind::Class;
        if binding.kind.is_import()
            && binding.uses == 0
            && is_shown
            && !is_attribute
            && !binding.is_exempt
        {
            let message = format!("`{}` is imported and never used", binding.name);
            report.add(&UNUSED_IMPORT, Severity::Low, binding.range, message);
        }
    }
}
