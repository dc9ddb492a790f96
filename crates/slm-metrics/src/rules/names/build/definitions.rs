//! Functions, classes, and the names that they declare as foreign.

use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Identifier, Ranged, Stmt};

use super::super::annotations::is_named;
use super::super::model::{BindingKind, Lookup, ScopeKind};
use super::{Builder, Deferred};

impl<'a> Builder<'a> {
    pub(super) fn parameters(&mut self, parameters: &'a ast::Parameters) {
        for parameter in parameters {
            let name = parameter.name();
            self.bind(name, BindingKind::Parameter, name.range());
        }
    }

    /// Declares the names of the `global` and `nonlocal` statements of a function, wherever they are in it.
    pub(super) fn declare_foreign(&mut self, body: &'a [Stmt]) {
        let mut foreign = Foreign::default();
        foreign.visit_body(body);
        let kinds = [
            (foreign.global, BindingKind::Global),
            (foreign.nonlocal, BindingKind::Nonlocal),
        ];
        for (names, kind) in kinds {
            for name in names {
                // The declaration alone keeps the outer variable.
                if let Lookup::Found(outer) = self.names.lookup(name, self.at.scope, false) {
                    self.names.mark_used(outer);
                }
                self.bind(name, kind, name.range());
                self.names.scopes[self.at.scope].foreign.insert(name);
                if kind == BindingKind::Global {
                    self.names.declared_global.insert(name);
                }
            }
        }
    }

    pub(super) fn function(&mut self, function: &'a ast::StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        let place = self.at;
        if let Some(type_params) = &function.type_params {
            self.at.scope = self
                .names
                .push_scope(ScopeKind::TypeParameters, Some(self.at.scope));
            self.visit_type_params(type_params);
        }
        visitor::walk_parameters(self, &function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        let header = self.at;
        self.at = place;
        let binding = self.bind(&function.name, BindingKind::Function, function.name.range());
        let is_overload = |decorator: &ast::Decorator| is_named(&decorator.expression, "overload");
        self.names.bindings[binding].is_exempt |= function.decorator_list.iter().any(is_overload);
        self.at.scope = header.scope;
        self.defer(Deferred::Function(function));
        self.at = place;
    }

    pub(super) fn class(&mut self, class: &'a ast::StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        let place = self.at;
        if let Some(type_params) = &class.type_params {
            self.at.scope = self
                .names
                .push_scope(ScopeKind::TypeParameters, Some(self.at.scope));
            self.visit_type_params(type_params);
        }
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        self.within(ScopeKind::Class, |inner| {
            inner.declare_foreign(&class.body);
            inner.visit_body(&class.body);
        });
        self.at = place;
        self.bind(&class.name, BindingKind::Class, class.name.range());
    }
}

/// The names declared by `global` and `nonlocal` in one function, without nested ones.
#[derive(Default)]
struct Foreign<'a> {
    global: Vec<&'a Identifier>,
    nonlocal: Vec<&'a Identifier>,
}

impl<'a> StatementVisitor<'a> for Foreign<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Global(stmt) => self.global.extend(&stmt.names),
            Stmt::Nonlocal(stmt) => self.nonlocal.extend(&stmt.names),
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => walk_stmt(self, stmt),
        }
    }
}
