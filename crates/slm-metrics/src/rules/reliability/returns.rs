//! Functions that return a value on some paths only.

use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::{Expr, Number, Ranged, Stmt, StmtWhile};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static INCONSISTENT_RETURN: Rule = Rule {
    id: "inconsistent-return",
    category: Category::Reliability,
    title: "A function returns a value on some paths and nothing on others",
    known_as: "pylint R1710",
    minutes: Minutes::Constant(10.0),
};

pub(super) fn check_stmt(report: &mut Report<'_>, stmt: &Stmt) {
    let Stmt::FunctionDef(function) = stmt else {
        return;
    };
    let mut returns = Returns::default();
    returns.visit_body(&function.body);
    if returns.with_value > 0 && (returns.without_value > 0 || !end(&function.body)) {
        let message = format!("`{}` returns a value on some paths only", function.name);
        report.add(
            &INCONSISTENT_RETURN,
            Severity::Medium,
            function.name.range(),
            message,
        );
    }
}

/// Returns whether calling `function` ends the program.
pub(super) fn is_exit(function: &Expr) -> bool {
    match function {
        Expr::Name(name) => matches!(name.id.as_str(), "exit" | "quit"),
        Expr::Attribute(attribute) => {
            let Expr::Name(module) = &*attribute.value else {
                return false;
            };
            matches!(
                (module.id.as_str(), attribute.attr.as_str()),
                ("sys", "exit") | ("os", "_exit")
            )
        }
        _ => false,
    }
}

/// Counts the `return` statements of one function, without nested ones.
#[derive(Default)]
struct Returns {
    with_value: usize,
    without_value: usize,
}

impl<'a> StatementVisitor<'a> for Returns {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Return(stmt) if stmt.value.is_some() => self.with_value += 1,
            Stmt::Return(_) => self.without_value += 1,
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => walk_stmt(self, stmt),
        }
    }
}

/// Returns whether all paths through `body` end with `return` or an exception.
///
/// As pylint, it assumes that the body of a `for` runs and that one case of a `match` applies.
fn end(body: &[Stmt]) -> bool {
    body.iter().any(ends)
}

fn ends(stmt: &Stmt) -> bool {
    match stmt {
        // Where a handler catches the exception and continues, the `try` around it does not end anyway.
        Stmt::Return(_) | Stmt::Raise(_) => true,
        Stmt::Assert(assert) => is_false(&assert.test),
        Stmt::Expr(expr) => matches!(&*expr.value, Expr::Call(call) if is_exit(&call.func)),
        Stmt::While(stmt) => (is_true(&stmt.test) && !has_break(stmt)) || end(&stmt.orelse),
        Stmt::For(stmt) => end(&stmt.body) || end(&stmt.orelse),
        Stmt::With(stmt) => end(&stmt.body),
        Stmt::Match(stmt) => stmt.cases.iter().any(|case| end(&case.body)),
        Stmt::If(stmt) => {
            let clauses = &stmt.elif_else_clauses;
            clauses.last().is_some_and(|last| last.test.is_none())
                && end(&stmt.body)
                && clauses.iter().all(|clause| end(&clause.body))
        }
        Stmt::Try(stmt) => {
            let mut handlers = stmt
                .handlers
                .iter()
                .filter_map(|handler| handler.as_except_handler());
            (end(&stmt.body) || end(&stmt.orelse) || end(&stmt.finalbody))
                && handlers.all(|handler| end(&handler.body))
        }
        _ => false,
    }
}

fn is_true(test: &Expr) -> bool {
    match test {
        Expr::BooleanLiteral(literal) => literal.value,
        Expr::NumberLiteral(literal) => {
            !matches!(&literal.value, Number::Int(value) if value.as_u64() == Some(0))
        }
        Expr::StringLiteral(literal) => !literal.value.is_empty(),
        _ => false,
    }
}

fn is_false(test: &Expr) -> bool {
    match test {
        Expr::BooleanLiteral(literal) => !literal.value,
        Expr::NumberLiteral(literal) => {
            matches!(&literal.value, Number::Int(value) if value.as_u64() == Some(0))
        }
        _ => false,
    }
}

/// Returns whether a loop has a `break` that leaves it.
fn has_break(stmt: &StmtWhile) -> bool {
    let mut breaks = Breaks(false);
    breaks.visit_body(&stmt.body);
    breaks.0
}

struct Breaks(bool);

impl<'a> StatementVisitor<'a> for Breaks {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Break(_) => self.0 = true,
            Stmt::For(stmt) => self.visit_body(&stmt.orelse),
            Stmt::While(stmt) => self.visit_body(&stmt.orelse),
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => walk_stmt(self, stmt),
        }
    }
}
