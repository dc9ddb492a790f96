//! Functions that capture a variable of a loop, and so see its last value.

use std::collections::HashSet;

use crate::ast::visitor::{self, Visitor};
use crate::ast::{Comprehension, Expr, ExprContext, ExprName, Parameters, Stmt};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

pub(super) static LOOP_CAPTURE: Rule = Rule {
    id: "loop-capture",
    category: Category::Reliability,
    title: "A function defined in a loop captures a variable that the loop changes",
    known_as: "ruff B023",
    minutes: Minutes::Constant(10.0),
};

/// Functions that call their argument before they return.
const CALLED_AT_ONCE: [&str; 3] = ["filter", "map", "reduce"];

/// Adds the captured names of all loops and comprehensions in `body`.
pub(super) fn check(report: &mut Report<'_>, body: &[Stmt]) {
    let mut loops = Loops::default();
    loops.visit_body(body);
    let mut found = loops.found;
    found.sort_by_key(|name| name.range.start());
    found.dedup_by_key(|name| name.range.start());
    for name in found {
        let message = format!(
            "`{}` has the value of the last turn when this function runs later",
            name.id
        );
        report.add(&LOOP_CAPTURE, Severity::Medium, name.range, message);
    }
}

/// Finds the captured names of each loop; a name may be found for several nested loops.
#[derive(Default)]
struct Loops<'a> {
    found: Vec<&'a ExprName>,
}

impl<'a> Loops<'a> {
    fn add(&mut self, assigned: &Assigned<'a>, captures: Captures<'a>) {
        let is_assigned = |name: &&ExprName| assigned.names.contains(name.id.as_str());
        self.found
            .extend(captures.names.into_iter().filter(is_assigned));
    }

    fn comprehension(&mut self, generators: &'a [Comprehension], elements: &[&'a Expr]) {
        let mut assigned = Assigned::default();
        let mut captures = Captures::default();
        for generator in generators {
            assigned.visit_expr(&generator.target);
            for condition in &generator.ifs {
                captures.visit_expr(condition);
            }
        }
        for element in elements {
            captures.visit_expr(element);
        }
        self.add(&assigned, captures);
    }
}

impl<'a> Visitor<'a> for Loops<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        let (target, body) = match stmt {
            Stmt::For(stmt) => (Some(&stmt.target), &stmt.body[..]),
            Stmt::While(stmt) => (None, &stmt.body[..]),
            _ => (None, &[][..]),
        };
        if !body.is_empty() {
            let mut assigned = Assigned::default();
            let mut captures = Captures::default();
            if let Some(target) = target {
                assigned.visit_expr(target);
            }
            assigned.visit_body(body);
            captures.visit_body(body);
            self.add(&assigned, captures);
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::ListComp(comp) => self.comprehension(&comp.generators, &[&comp.elt]),
            Expr::SetComp(comp) => self.comprehension(&comp.generators, &[&comp.elt]),
            Expr::Generator(comp) => self.comprehension(&comp.generators, &[&comp.elt]),
            Expr::DictComp(comp) => {
                let key = comp.key.as_deref();
                let elements: Vec<_> = key.into_iter().chain([&*comp.value]).collect();
                self.comprehension(&comp.generators, &elements);
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

/// Names that a loop assigns, without those of functions in it.
#[derive(Default)]
struct Assigned<'a> {
    names: HashSet<&'a str>,
}

impl<'a> Visitor<'a> for Assigned<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if !matches!(stmt, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
            visitor::walk_stmt(self, stmt);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Store => {
                self.names.insert(&name.id);
            }
            Expr::Lambda(_)
            | Expr::ListComp(_)
            | Expr::SetComp(_)
            | Expr::DictComp(_)
            | Expr::Generator(_) => {}
            _ => visitor::walk_expr(self, expr),
        }
    }
}

/// Names that functions in a loop read from around them.
#[derive(Default)]
struct Captures<'a> {
    names: Vec<&'a ExprName>,
}

impl<'a> Captures<'a> {
    fn function(&mut self, parameters: Option<&'a Parameters>, visit: impl FnOnce(&mut Reads<'a>)) {
        let mut reads = Reads::default();
        visit(&mut reads);
        let parameters = parameters.into_iter().flat_map(Parameters::iter);
        reads
            .stored
            .extend(parameters.map(|parameter| parameter.name().as_str()));
        let is_outer = |name: &&ExprName| !reads.stored.contains(name.id.as_str());
        self.names.extend(reads.loaded.into_iter().filter(is_outer));
    }

    /// Visits an argument that is called before the loop's next turn, so its body captures nothing.
    fn called_at_once(&mut self, argument: &'a Expr) {
        match argument {
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    visitor::walk_parameters(self, parameters);
                }
            }
            argument => self.visit_expr(argument),
        }
    }
}

impl<'a> Visitor<'a> for Captures<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                visitor::walk_parameters(self, &function.parameters);
                self.function(Some(&function.parameters), |reads| {
                    reads.visit_body(&function.body);
                });
            }
            // The loop ends here.
            Stmt::Return(stmt) => stmt
                .value
                .iter()
                .for_each(|value| self.called_at_once(value)),
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_annotation(&mut self, _annotation: &'a Expr) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(lambda) => {
                let parameters = lambda.parameters.as_deref();
                if let Some(parameters) = parameters {
                    visitor::walk_parameters(self, parameters);
                }
                self.function(parameters, |reads| reads.visit_expr(&lambda.body));
            }
            Expr::Call(call) => {
                let is_at_once = match &*call.func {
                    Expr::Name(name) => CALLED_AT_ONCE.contains(&name.id.as_str()),
                    Expr::Attribute(attribute) => attribute.attr.as_str() == "reduce",
                    _ => false,
                };
                self.called_at_once(&call.func);
                for argument in &call.arguments.args {
                    if is_at_once {
                        self.called_at_once(argument);
                    } else {
                        self.visit_expr(argument);
                    }
                }
                for keyword in &call.arguments.keywords {
                    let is_key = keyword
                        .arg
                        .as_ref()
                        .is_some_and(|name| name.as_str() == "key");
                    if is_key {
                        self.called_at_once(&keyword.value);
                    } else {
                        self.visit_expr(&keyword.value);
                    }
                }
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

/// Names that a function reads and stores.
#[derive(Default)]
struct Reads<'a> {
    loaded: Vec<&'a ExprName>,
    stored: HashSet<&'a str>,
}

impl<'a> Visitor<'a> for Reads<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Load => self.loaded.push(name),
            Expr::Name(name) => {
                self.stored.insert(&name.id);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}
