//! Strings that are read as types.

use crate::ast::{self, Expr};

use super::super::annotations::is_named;
use super::{Builder, Deferred};

impl<'a> Builder<'a> {
    /// Visits a string that may be a type.
    pub(super) fn perhaps_type(&mut self, expr: &'a Expr) {
        match expr {
            Expr::StringLiteral(string) => self.string_type(string, false),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|elt| self.perhaps_type(elt)),
            Expr::List(list) => list.elts.iter().for_each(|elt| self.perhaps_type(elt)),
            _ => {}
        }
    }

    pub(super) fn string_type(&mut self, string: &'a ast::ExprStringLiteral, certain: bool) {
        let text = string.value.to_str();
        self.defer(Deferred::Type {
            text,
            range: string.range,
            certain,
        });
    }

    pub(super) fn call(&mut self, call: &'a ast::ExprCall) {
        let arguments = &call.arguments;
        if is_named(&call.func, "cast") {
            for arg in arguments.args.iter().take(1) {
                self.perhaps_type(arg);
            }
        } else if ["TypeVar", "NewType", "NamedTuple", "TypedDict"]
            .iter()
            .any(|name| is_named(&call.func, name))
        {
            for arg in arguments.args.iter().skip(1) {
                self.perhaps_type(arg);
            }
            for keyword in &arguments.keywords {
                self.perhaps_type(&keyword.value);
            }
        } else if let Expr::Attribute(attribute) = &*call.func
            && is_named(&attribute.value, "__all__")
        {
            for arg in &arguments.args {
                self.export(arg);
            }
        }
    }
}
