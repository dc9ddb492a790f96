//! Functions that are too long, take too many parameters, or nest too deeply.

use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::{Ranged, Stmt, StmtFunctionDef, TextSize};

use super::super::finding::{Category, Minutes, Rule, Severity};
use super::super::report::Report;

/// Statements of a function, pylint's default of `max-statements`.
const MAX_STATEMENTS: usize = 50;
/// Parameters of a function, pylint's default of `max-args`.
const MAX_PARAMETERS: usize = 5;
/// Nested blocks; pylint's default of `max-nested-blocks` is 5, `SonarPython` S134 has 4.
const MAX_NESTING: usize = 4;

pub(super) static LONG_FUNCTION: Rule = Rule {
    id: "long-function",
    category: Category::Smell,
    title: "A function has more than 50 statements",
    known_as: "pylint R0915",
    minutes: Minutes::PerUnitAbove {
        limit: MAX_STATEMENTS,
        each: 1.0,
    },
};

pub(super) static TOO_MANY_PARAMETERS: Rule = Rule {
    id: "too-many-parameters",
    category: Category::Smell,
    title: "A function has more than 5 parameters",
    known_as: "pylint R0913",
    minutes: Minutes::PerUnitAbove {
        limit: MAX_PARAMETERS,
        each: 5.0,
    },
};

pub(super) static DEEP_NESTING: Rule = Rule {
    id: "deep-nesting",
    category: Category::Smell,
    title: "More than 4 blocks are nested",
    known_as: "pylint R1702",
    minutes: Minutes::PerUnitAbove {
        limit: MAX_NESTING,
        each: 10.0,
    },
};

pub(super) fn check(report: &mut Report<'_>) {
    let body = report.module.body();
    let mut walk = Walk {
        report,
        in_class: false,
        statements: 0,
    };
    walk.visit_body(body);
    check_nesting(report, body);
}

struct Walk<'r, 'a> {
    report: &'r mut Report<'a>,
    /// Whether the walk is directly in a class.
    in_class: bool,
    /// Statements of the innermost function, with those of nested ones.
    statements: usize,
}

impl Walk<'_, '_> {
    /// Visits the body of a function, then reports its size.
    fn function(&mut self, function: &StmtFunctionDef) {
        let name = &function.name;
        let n_parameters = count_parameters(function, self.in_class);
        if n_parameters > MAX_PARAMETERS {
            let message = format!("`{name}` has {n_parameters} parameters");
            self.report.add_sized(
                &TOO_MANY_PARAMETERS,
                Severity::Low,
                name.range(),
                n_parameters,
                message,
            );
        }
        let outer = std::mem::take(&mut self.statements);
        let outer_class = std::mem::take(&mut self.in_class);
        self.visit_body(without_first_string(&function.body));
        self.in_class = outer_class;
        self.statements += outer;
        // As in pylint, the definition itself is a statement of the function, but not of one around it.
        let statements = self.statements - outer + 1;
        if statements > MAX_STATEMENTS {
            let message = format!("`{name}` has {statements} statements");
            self.report.add_sized(
                &LONG_FUNCTION,
                Severity::Low,
                name.range(),
                statements,
                message,
            );
        }
        check_nesting(self.report, &function.body);
    }
}

/// Returns a body without its docstring.
fn without_first_string(body: &[Stmt]) -> &[Stmt] {
    match body {
        [Stmt::Expr(expr), rest @ ..] if expr.value.is_string_literal_expr() => rest,
        body => body,
    }
}

impl<'a> StatementVisitor<'a> for Walk<'_, '_> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.function(function),
            Stmt::ClassDef(class) => {
                let outer = std::mem::replace(&mut self.in_class, true);
                self.visit_body(without_first_string(&class.body));
                self.in_class = outer;
                return;
            }
            _ => {}
        }
        self.statements += statements_of(stmt);
        walk_stmt(self, stmt);
    }
}

/// Counts a statement without its blocks, as pylint: a loop counts nothing, a condition one for each branch, and a
/// handler two.
fn statements_of(stmt: &Stmt) -> usize {
    match stmt {
        Stmt::If(stmt) => {
            let is_only_if = |body: &[Stmt]| matches!(body, [Stmt::If(_)]);
            let clauses = stmt.elif_else_clauses.iter();
            // `else` with only an `if` has the tree of an `elif`, and that `if` is counted when it is visited.
            1 + clauses
                .filter(|clause| clause.test.is_some() || !is_only_if(&clause.body))
                .count()
        }
        Stmt::Try(stmt) => {
            2 * stmt.handlers.len()
                + usize::from(!stmt.orelse.is_empty())
                + usize::from(!stmt.finalbody.is_empty())
        }
        Stmt::For(stmt) => usize::from(stmt.is_async),
        Stmt::While(_) => 0,
        _ => 1,
    }
}

/// Counts parameters as pylint: without `*args` and `**kwargs`, the first of a method, and names that mark them as
/// unused.
fn count_parameters(function: &StmtFunctionDef, is_method: bool) -> usize {
    let is_static = function.decorator_list.iter().any(|decorator| {
        decorator
            .expression
            .as_name_expr()
            .is_some_and(|name| name.id == "staticmethod")
    });
    let parameters = &function.parameters;
    let has_receiver = is_method && !is_static;
    let positional = parameters
        .posonlyargs
        .iter()
        .chain(&parameters.args)
        .skip(usize::from(has_receiver));
    positional
        .chain(&parameters.kwonlyargs)
        .filter(|parameter| !is_marked_unused(parameter.name()))
        .count()
}

fn is_marked_unused(name: &str) -> bool {
    name.starts_with('_') || name.starts_with("ignored_") || name.starts_with("unused_")
}

/// Reports each outermost block of `body` with too many blocks inside; one finding for all of them.
fn check_nesting(report: &mut Report<'_>, body: &[Stmt]) {
    for stmt in body {
        let deepest = deepest(stmt);
        if let Some((depth, place)) = deepest
            && depth > MAX_NESTING
        {
            let line = report.module.lines.line(place);
            let message = format!("{depth} blocks are nested, the innermost on line {line}");
            report.add_sized(&DEEP_NESTING, Severity::Low, stmt.range(), depth, message);
        }
    }
}

/// Returns the number of blocks nested in a block, itself included, and the start of the innermost.
fn deepest(stmt: &Stmt) -> Option<(usize, TextSize)> {
    let mut bodies: Vec<&[Stmt]> = Vec::new();
    match stmt {
        Stmt::If(stmt) => {
            bodies.push(&stmt.body);
            bodies.extend(stmt.elif_else_clauses.iter().map(|clause| &clause.body[..]));
        }
        Stmt::For(stmt) => bodies.extend([&stmt.body[..], &stmt.orelse]),
        Stmt::While(stmt) => bodies.extend([&stmt.body[..], &stmt.orelse]),
        Stmt::With(stmt) => bodies.push(&stmt.body),
        Stmt::Try(stmt) => {
            bodies.extend([&stmt.body[..], &stmt.orelse, &stmt.finalbody]);
            let handlers = stmt
                .handlers
                .iter()
                .filter_map(|handler| handler.as_except_handler());
            bodies.extend(handlers.map(|handler| &handler.body[..]));
        }
        _ => return None,
    }
    let inner = bodies.into_iter().flatten().filter_map(deepest);
    let inner = inner.max_by_key(|&(depth, place)| (depth, std::cmp::Reverse(place)));
    Some(inner.map_or((1, stmt.start()), |(depth, place)| (depth + 1, place)))
}
