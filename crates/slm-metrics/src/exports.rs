//! The names that a module exports by `__all__`, and those that it imports from other modules.

use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::{Expr, Operator, Stmt};
use crate::parser::{Fstrings, with_module};

/// A name of an import `from MODULE import NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportedName {
    /// Number of dots before the module.
    pub level: u32,
    /// The module, empty in `from . import NAME`.
    pub module: String,
    /// The name, or `*`.
    pub name: String,
}

/// Returns the names in `__all__` if it is a literal list or tuple of strings at the top level, also one that later
/// literals extend. `None` if there is none, or if it is computed or the source does not parse.
pub fn exported_names(source: &str) -> Option<Vec<String>> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut names: Option<Vec<String>> = None;
        for stmt in module.body() {
            match stmt {
                Stmt::Assign(assign) if assign.targets.iter().any(is_all) => {
                    names = Some(strings(&assign.value)?);
                }
                Stmt::AnnAssign(assign) if is_all(&assign.target) => {
                    names = Some(strings(assign.value.as_deref()?)?);
                }
                Stmt::AugAssign(assign) if is_all(&assign.target) => {
                    if assign.op != Operator::Add {
                        return None;
                    }
                    names.as_mut()?.extend(strings(&assign.value)?);
                }
                _ => {}
            }
        }
        names
    })
    .ok()?
}

/// Returns the names of a file's `from ... import ...`, in the order of the text; none if it does not parse.
pub fn imported_names(source: &str) -> Vec<ImportedName> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut collector = Collector(Vec::new());
        collector.visit_body(module.body());
        collector.0
    })
    .unwrap_or_default()
}

struct Collector(Vec<ImportedName>);

impl<'a> StatementVisitor<'a> for Collector {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::ImportFrom(import) = stmt {
            let names = import.names.iter().map(|alias| ImportedName {
                level: import.level,
                module: import.module.as_deref().unwrap_or_default().to_owned(),
                name: alias.name.to_string(),
            });
            self.0.extend(names);
        }
        walk_stmt(self, stmt);
    }
}

fn is_all(target: &Expr) -> bool {
    matches!(target, Expr::Name(name) if name.id.as_str() == "__all__")
}

fn strings(value: &Expr) -> Option<Vec<String>> {
    let parts = match value {
        Expr::List(list) => &list.elts,
        Expr::Tuple(tuple) => &tuple.elts,
        _ => return None,
    };
    let text = |part: &Expr| Some(part.as_string_literal_expr()?.value.to_str().to_owned());
    parts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: Option<&[&str]>) {
        let expected = expected.map(|names| names.iter().map(|&n| n.to_owned()).collect());
        assert_eq!(exported_names(source), expected, "{source}");
    }

    #[test]
    fn literal_exports_are_read_and_computed_ones_are_not() {
        check("__all__ = ['a', \"b\"]\n", Some(&["a", "b"]));
        check("__all__: list[str] = []\n__all__ += ('c',)\n", Some(&["c"]));
        check("__all__ = names()\n", None);
        check("__all__ = ['a'] + other.__all__\n", None);
        check("__all__ = ['a']\n__all__ += other.__all__\n", None);
        check("x = 1\n", None);
        check("__all__ = (", None);
    }

    #[test]
    fn imported_names_have_their_modules() {
        let names = imported_names(
            "from ._core import a as b\ntry:\n    from . import *\nexcept E:\n    pass\nimport c\n",
        );
        let short: Vec<_> = names
            .iter()
            .map(|n| (n.level, n.module.as_str(), n.name.as_str()))
            .collect();
        assert_eq!(short, [(1, "_core", "a"), (1, "", "*")]);
    }
}
