//! `try` statements: branches, handled errors, and the name of a handled exception.

use crate::ast::visitor::Visitor;
use crate::ast::{self, Expr, Ranged};

use super::super::annotations::is_named;
use super::super::model::BindingKind;
use super::Builder;

impl<'a> Builder<'a> {
    pub(super) fn try_stmt(&mut self, stmt: &'a ast::StmtTry) {
        let handlers = stmt
            .handlers
            .iter()
            .filter_map(|handler| handler.as_except_handler());
        let handles_names = handlers
            .clone()
            .any(|handler| match handler.type_.as_deref() {
                Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(|elt| is_named(elt, "NameError")),
                Some(expr) => is_named(expr, "NameError"),
                None => false,
            });
        self.at.n_name_handlers += usize::from(handles_names);
        let branch = self.branch(|inner| inner.visit_body(&stmt.body));
        self.at.n_name_handlers -= usize::from(handles_names);
        for handler in handlers {
            self.branch(|inner| inner.handler(handler));
        }
        // It runs after the body, so it is the same branch.
        let outer = std::mem::replace(&mut self.at.branch, branch);
        self.visit_body(&stmt.orelse);
        self.at.branch = outer;
        self.visit_body(&stmt.finalbody);
    }

    pub(super) fn handler(&mut self, handler: &'a ast::ExceptHandlerExceptHandler) {
        if let Some(type_) = &handler.type_ {
            self.visit_expr(type_);
        }
        let Some(name) = &handler.name else {
            self.visit_body(&handler.body);
            return;
        };
        let scope = self.at.scope;
        let before = self.names.latest_in(scope, name);
        let binding = self.bind(name, BindingKind::ExceptName, name.range());
        self.visit_body(&handler.body);
        if self.names.is_latest(binding) {
            if self.names.bindings[binding].uses == 0 {
                self.names.unused_exceptions.push((name, name.range()));
            }
            // Python deletes the name at the end of the handler.
            match before {
                Some(before) => {
                    self.names.set_latest(scope, name, before);
                }
                None => {
                    self.bind(name, BindingKind::Deleted, name.range());
                }
            }
        }
    }
}
