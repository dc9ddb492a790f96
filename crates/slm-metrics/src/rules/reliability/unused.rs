//! Bindings that nothing uses.

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::names::{Binding, BindingKind, Names, ScopeKind};
use super::super::report::Report;

pub(super) static UNUSED_VARIABLE: Rule = Rule {
    id: "unused-variable",
    category: Category::Reliability,
    title: "A local variable is assigned and never used",
    known_as: "ruff F841",
    minutes: Minutes::Constant(5.0),
};

pub(super) static REDEFINED_UNUSED: Rule = Rule {
    id: "redefined-unused",
    category: Category::Reliability,
    title: "A definition or import is replaced before any use",
    known_as: "ruff F811",
    minutes: Minutes::Constant(5.0),
};

pub(super) fn check(report: &mut Report<'_>, names: &Names<'_>) {
    for (at, binding) in names.bindings.iter().enumerate() {
        if names.is_latest(at) && is_unused_variable(names, binding) {
            unused(report, binding.name, binding.range);
        }
        let before = binding.replaces.map(|before| &names.bindings[before]);
        if let Some(before) = before
            && redefines(before, binding)
        {
            let line = report.module.lines.line(before.range.start());
            let message = format!("`{}` replaces the unused one of line {line}", binding.name);
            report.add(&REDEFINED_UNUSED, Severity::Medium, binding.range, message);
        }
    }
    for &(name, range) in &names.unused_exceptions {
        unused(report, name, range);
    }
}

fn unused(report: &mut Report<'_>, name: &str, range: crate::ast::TextRange) {
    if !is_dummy(name) {
        report.add(
            &UNUSED_VARIABLE,
            Severity::Low,
            range,
            format!("`{name}` is assigned and never used"),
        );
    }
}

fn is_unused_variable(names: &Names<'_>, binding: &Binding<'_>) -> bool {
    let scope = &names.scopes[binding.scope];
    binding.uses == 0
        && !binding.is_exempt
        && !scope.uses_locals
        && scope.kind == ScopeKind::Function
        && matches!(
            binding.kind,
            BindingKind::Assignment | BindingKind::Named | BindingKind::With
        )
        && !matches!(
            binding.name,
            "__tracebackhide__"
                | "__traceback_info__"
                | "__traceback_supplement__"
                | "__debuggerskip__"
        )
}

/// Returns whether a name shows that its value is not needed.
fn is_dummy(name: &str) -> bool {
    name.starts_with('_')
        && !(name.len() > 1 && name.ends_with('_') && !name.trim_matches('_').is_empty())
}

fn redefines(before: &Binding<'_>, binding: &Binding<'_>) -> bool {
    let is_defined = matches!(before.kind, BindingKind::Function | BindingKind::Class)
        || before.kind.is_import();
    let is_assigned = matches!(before.kind, BindingKind::Assignment | BindingKind::Named);
    let replaces = match binding.kind {
        BindingKind::Submodule => {
            before.kind == BindingKind::Submodule && before.path == binding.path
        }
        // The modules `a` and `a.b` are imported together.
        BindingKind::Import if before.kind == BindingKind::Submodule => false,
        BindingKind::Import
        | BindingKind::FromImport
        | BindingKind::Function
        | BindingKind::Class
        | BindingKind::With
        | BindingKind::WithUnpacked
        | BindingKind::ExceptName => is_defined || is_assigned,
        BindingKind::Assignment | BindingKind::Named | BindingKind::Unpacked => is_defined,
        _ => false,
    };
    replaces
        && before.uses == 0
        && !before.is_exempt
        && before.branch == binding.branch
        && !is_dummy(binding.name)
}
