//! Names of builtins that a program binds.

use crate::builtins::is_builtin;

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::names::{Binding, BindingKind, Names, ScopeKind};
use super::super::report::Report;

pub(super) static SHADOWED_BUILTIN: Rule = Rule {
    id: "shadowed-builtin",
    category: Category::Reliability,
    title: "A variable, parameter or definition has the name of a builtin",
    known_as: "ruff A001, A002",
    minutes: Minutes::Constant(5.0),
};

pub(super) fn check(report: &mut Report<'_>, names: &Names<'_>) {
    for binding in &names.bindings {
        if is_binding(names, binding) && is_builtin(binding.name) && !binding.name.starts_with('_')
        {
            let message = format!("`{}` hides the builtin of this name", binding.name);
            report.add(&SHADOWED_BUILTIN, Severity::Low, binding.range, message);
        }
    }
}

fn is_binding(names: &Names<'_>, binding: &Binding<'_>) -> bool {
    match binding.kind {
        BindingKind::Import
        | BindingKind::Submodule
        | BindingKind::FromImport
        | BindingKind::KeptImport
        | BindingKind::Global
        | BindingKind::Nonlocal
        | BindingKind::Deleted
        | BindingKind::PerhapsDeleted
        | BindingKind::TypeParameter => false,
        // Attributes of a class are reached through it.
        _ => names.scopes[binding.scope].kind != ScopeKind::Class,
    }
}
