//! Names in strings that are read as types.

use crate::ast::visitor::{self, Visitor};
use crate::ast::{Expr, ExprContext};
use crate::parser::with_expression;

/// Strings inside strings, each quoted in the other.
const MAX_DEPTH: usize = 3;

/// Returns the names that a type in a string uses; none if it is not an expression.
pub(super) fn names_in_type(text: &str) -> Vec<String> {
    let mut collector = Collector {
        names: Vec::new(),
        depth: 0,
    };
    collector.read(text);
    collector.names
}

struct Collector {
    names: Vec<String>,
    depth: usize,
}

impl Collector {
    fn read(&mut self, text: &str) {
        if self.depth < MAX_DEPTH {
            self.depth += 1;
            with_expression(text.trim(), |expr| self.visit_expr(expr));
            self.depth -= 1;
        }
    }
}

impl<'a> Visitor<'a> for Collector {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Load => {
                self.names.push(name.id.to_string());
            }
            Expr::StringLiteral(string) => self.read(string.value.to_str()),
            Expr::Subscript(subscript) if is_named(&subscript.value, "Literal") => {
                self.visit_expr(&subscript.value);
            }
            Expr::Subscript(subscript) if is_named(&subscript.value, "Annotated") => {
                self.visit_expr(&subscript.value);
                match &*subscript.slice {
                    Expr::Tuple(tuple) => tuple
                        .elts
                        .iter()
                        .take(1)
                        .for_each(|elt| self.visit_expr(elt)),
                    slice => self.visit_expr(slice),
                }
            }
            // These bind names, which a type does not need.
            Expr::Lambda(_)
            | Expr::ListComp(_)
            | Expr::SetComp(_)
            | Expr::DictComp(_)
            | Expr::Generator(_) => {}
            _ => visitor::walk_expr(self, expr),
        }
    }
}

/// Returns whether an expression is `name` or ends in `.name`.
pub(super) fn is_named(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Name(found) => found.id == name,
        Expr::Attribute(attribute) => attribute.attr.as_str() == name,
        _ => false,
    }
}
