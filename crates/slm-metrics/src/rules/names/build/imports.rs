//! Imports, and the names that a module exports.

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Identifier, Ranged, TextRange};

use super::super::model::BindingKind;
use super::Builder;

impl<'a> Builder<'a> {
    pub(super) fn imported(
        &mut self,
        name: &'a str,
        kind: BindingKind,
        range: TextRange,
        path: &'a str,
    ) {
        let binding = self.bind(name, kind, range);
        self.names.bindings[binding].path = path;
    }

    pub(super) fn import_from(&mut self, import: &'a ast::StmtImportFrom) {
        let module = import.module.as_ref().map_or("", Identifier::as_str);
        for alias in &import.names {
            let bound = alias.asname.as_ref().unwrap_or(&alias.name);
            if &alias.name == "*" {
                self.names.is_dynamic = true;
            } else if module == "__future__" {
                self.defers_annotations |= &alias.name == "annotations";
                self.imported(bound, BindingKind::KeptImport, alias.range, module);
            } else {
                let is_reexport = alias
                    .asname
                    .as_ref()
                    .is_some_and(|name| name.as_str() == alias.name.as_str());
                let kind = if is_reexport {
                    BindingKind::KeptImport
                } else {
                    BindingKind::FromImport
                };
                self.imported(bound, kind, alias.range, module);
            }
        }
    }

    pub(super) fn import(&mut self, import: &'a ast::StmtImport) {
        for alias in &import.names {
            let path = alias.name.as_str();
            match &alias.asname {
                Some(bound) => {
                    let is_reexport = bound.as_str() == path;
                    let kind = if is_reexport {
                        BindingKind::KeptImport
                    } else {
                        BindingKind::Import
                    };
                    self.imported(bound, kind, alias.range, path);
                }
                None => match path.split_once('.') {
                    Some((root, _)) => {
                        self.imported(root, BindingKind::Submodule, alias.range, path);
                    }
                    None => self.imported(path, BindingKind::Import, alias.range, path),
                },
            }
        }
    }

    /// Collects the strings of a value of `__all__`.
    pub(super) fn export(&mut self, value: &'a Expr) {
        // A value may have many targets, and its parts may be exported, too.
        if self.at.scope == 0 && !self.exported.contains_range(value.range()) {
            self.exported = value.range();
            Strings(&mut self.exports).visit_expr(value);
        }
    }
}

/// Collects string literals.
struct Strings<'s, 'a>(&'s mut Vec<&'a str>);

impl<'a> Visitor<'a> for Strings<'_, 'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::StringLiteral(string) = expr {
            self.0.push(string.value.to_str());
        }
        visitor::walk_expr(self, expr);
    }
}
