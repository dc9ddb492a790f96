//! Default values of parameters.

use crate::ast::{Expr, Parameters, Ranged, Stmt};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static MUTABLE_DEFAULT: Rule = Rule {
    id: "mutable-default",
    category: Category::Reliability,
    title: "A default value is mutable, so calls share its changes",
    known_as: "ruff B006",
    minutes: Minutes::Constant(10.0),
};

/// Functions and types whose result can be changed.
const MUTABLE_CALLS: [&str; 7] = [
    "dict",
    "list",
    "set",
    "defaultdict",
    "OrderedDict",
    "Counter",
    "deque",
];
/// Types of annotations that offer no method to change a value.
const IMMUTABLE_TYPES: [&str; 16] = [
    "tuple",
    "frozenset",
    "int",
    "float",
    "complex",
    "str",
    "bytes",
    "bool",
    "object",
    "Tuple",
    "FrozenSet",
    "Sequence",
    "Mapping",
    "Collection",
    "Container",
    "Iterable",
];

pub(super) fn check_stmt(report: &mut Report<'_>, stmt: &Stmt) {
    if let Stmt::FunctionDef(function) = stmt {
        check(report, &function.parameters);
    }
}

fn check(report: &mut Report<'_>, parameters: &Parameters) {
    for parameter in parameters.iter_non_variadic_params() {
        let is_immutable = parameter.annotation().is_some_and(is_immutable_type);
        if let Some(default) = parameter.default()
            && !is_immutable
            && is_mutable(default)
        {
            let message = format!(
                "the default of `{}` is shared by all calls",
                parameter.name()
            );
            report.add(&MUTABLE_DEFAULT, Severity::Medium, default.range(), message);
        }
    }
}

fn is_mutable(expr: &Expr) -> bool {
    match expr {
        Expr::List(_)
        | Expr::Dict(_)
        | Expr::Set(_)
        | Expr::ListComp(_)
        | Expr::DictComp(_)
        | Expr::SetComp(_) => true,
        Expr::Tuple(tuple) => tuple.elts.iter().any(is_mutable),
        Expr::Call(call) => last_name(&call.func).is_some_and(|name| MUTABLE_CALLS.contains(&name)),
        _ => false,
    }
}

fn is_immutable_type(annotation: &Expr) -> bool {
    let name = match annotation {
        Expr::Subscript(subscript) => last_name(&subscript.value),
        annotation => last_name(annotation),
    };
    name.is_some_and(|name| IMMUTABLE_TYPES.contains(&name))
}

/// Returns `c` for `c` and for `a.b.c`.
fn last_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(&name.id),
        Expr::Attribute(attribute) => Some(&attribute.attr),
        _ => None,
    }
}
