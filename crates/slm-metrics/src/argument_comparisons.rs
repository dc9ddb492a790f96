//! Comparisons of a function's arguments with literals: a program with many of them reads like a table of its tests.

use std::collections::BTreeSet;

use crate::ast::comparable::ComparableExpr;
use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::visitor::{Visitor, walk_expr};
use crate::ast::{BoolOp, CmpOp, ElifElseClause, Expr, ExprCall, Stmt, StmtFunctionDef, UnaryOp};
use crate::parser::{Fstrings, with_module};

/// The comparisons of arguments with literals in one program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArgumentComparisons {
    /// Most `if` and `elif` in a row that only compare arguments of their function with literals by `==`.
    pub longest_run: usize,
    /// The literals that arguments are compared with in all such runs, in an unspecified notation.
    pub literals: BTreeSet<String>,
}

/// Finds the comparisons in all functions of `source`; none if it does not parse.
pub fn argument_comparisons(source: &str) -> ArgumentComparisons {
    with_module(source, Fstrings::Pep701, |module| {
        let mut functions = Functions::default();
        functions.visit_body(module.body());
        functions.found
    })
    .unwrap_or_default()
}

/// Returns the literals among the positional arguments of the calls of `function` in `example`, in the notation of
/// [`ArgumentComparisons::literals`]; none if it does not parse.
pub fn literal_arguments(example: &str, function: &str) -> BTreeSet<String> {
    with_module(example, Fstrings::Pep701, |module| {
        let mut calls = Calls {
            function,
            literals: BTreeSet::new(),
        };
        calls.visit_body(module.body());
        calls.literals
    })
    .unwrap_or_default()
}

struct Calls<'a> {
    function: &'a str,
    literals: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Calls<'_> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(ExprCall {
            func, arguments, ..
        }) = expr
        {
            let name = match &**func {
                Expr::Name(name) => name.id.as_str(),
                Expr::Attribute(attribute) => attribute.attr.as_str(),
                _ => "",
            };
            if name == self.function {
                let literals = arguments.args.iter().filter(|value| is_literal(value));
                self.literals.extend(literals.map(notation));
            }
        }
        walk_expr(self, expr);
    }
}

#[derive(Default)]
struct Functions {
    found: ArgumentComparisons,
}

impl<'a> StatementVisitor<'a> for Functions {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        if let Stmt::FunctionDef(function) = stmt {
            let mut runs = Runs {
                parameters: parameters(function),
                run: 0,
                found: &mut self.found,
            };
            runs.suite(&function.body);
        }
        walk_stmt(self, stmt);
    }
}

fn parameters(function: &StmtFunctionDef) -> BTreeSet<&str> {
    let all = function.parameters.iter_non_variadic_params();
    all.map(|of| of.parameter.name.as_str()).collect()
}

/// Counts the runs in one function without the functions in it.
struct Runs<'a> {
    parameters: BTreeSet<&'a str>,
    run: usize,
    found: &'a mut ArgumentComparisons,
}

impl Runs<'_> {
    fn suite(&mut self, body: &[Stmt]) {
        self.run = 0;
        for stmt in body {
            if let Stmt::If(of) = stmt {
                self.test(Some(&of.test));
                self.branches(&of.body, &of.elif_else_clauses);
            } else {
                self.run = 0;
                for inner in inner_suites(stmt) {
                    self.suite(inner);
                }
                self.run = 0;
            }
        }
    }

    /// Counts the branches after the test of an `if`; the suites in them have other runs.
    fn branches(&mut self, body: &[Stmt], clauses: &[ElifElseClause]) {
        self.inner(body);
        for clause in clauses {
            match (&clause.test, &clause.body[..]) {
                // Python has one tree for `elif` and for an `else` with a lone `if`.
                (None, [Stmt::If(of)]) => {
                    self.test(Some(&of.test));
                    self.branches(&of.body, &of.elif_else_clauses);
                }
                (None, body) => self.inner(body),
                (Some(test), body) => {
                    self.test(Some(test));
                    self.inner(body);
                }
            }
        }
    }

    fn inner(&mut self, body: &[Stmt]) {
        let run = self.run;
        self.suite(body);
        self.run = run;
    }

    fn test(&mut self, test: Option<&Expr>) {
        let mut literals = Vec::new();
        if test.is_some_and(|test| self.compares(test, &mut literals)) {
            self.run += 1;
            self.found.longest_run = self.found.longest_run.max(self.run);
            self.found.literals.extend(literals);
        } else {
            self.run = 0;
        }
    }

    /// Whether an expression only compares arguments with literals, which are added to `literals`.
    fn compares(&self, expr: &Expr, literals: &mut Vec<String>) -> bool {
        match expr {
            Expr::BoolOp(of) if matches!(of.op, BoolOp::And | BoolOp::Or) => {
                of.values.iter().all(|value| self.compares(value, literals))
            }
            Expr::Compare(of) => {
                let ([CmpOp::Eq], [right]) = (&of.ops[..], &of.comparators[..]) else {
                    return false;
                };
                let sides = [(&*of.left, right), (right, &*of.left)];
                let found = sides
                    .into_iter()
                    .find(|(argument, value)| self.is_argument(argument) && is_literal(value));
                if let Some((argument, value)) = found {
                    match (elements(argument), elements(value)) {
                        (Some(_), Some(values)) => literals.extend(values.iter().map(notation)),
                        _ => literals.push(notation(value)),
                    }
                }
                found.is_some()
            }
            _ => false,
        }
    }

    fn is_argument(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Name(name) => self.parameters.contains(name.id.as_str()),
            _ => elements(expr).is_some_and(|all| {
                !all.is_empty()
                    && all
                        .iter()
                        .all(|of| matches!(of, Expr::Name(_)) && self.is_argument(of))
            }),
        }
    }
}

fn inner_suites(stmt: &Stmt) -> Vec<&[Stmt]> {
    match stmt {
        Stmt::For(of) => vec![&of.body, &of.orelse],
        Stmt::While(of) => vec![&of.body, &of.orelse],
        Stmt::With(of) => vec![&of.body],
        Stmt::Try(of) => vec![&of.body, &of.orelse, &of.finalbody],
        _ => Vec::new(),
    }
}

fn elements(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(of) => Some(&of.elts),
        Expr::List(of) => Some(&of.elts),
        _ => None,
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp(of) => of.op == UnaryOp::USub && of.operand.is_number_literal_expr(),
        Expr::Tuple(of) => of.elts.iter().all(is_literal),
        Expr::List(of) => of.elts.iter().all(is_literal),
        Expr::Set(of) => of.elts.iter().all(is_literal),
        Expr::Dict(of) => of
            .items
            .iter()
            .all(|item| item.key.as_ref().is_some_and(is_literal) && is_literal(&item.value)),
        _ => expr.is_literal_expr(),
    }
}

fn notation(expr: &Expr) -> String {
    format!("{:?}", ComparableExpr::from(expr))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &str) -> usize {
        argument_comparisons(source).longest_run
    }

    #[test]
    fn an_elif_chain_and_ifs_in_a_row_are_runs() {
        let chain = "def f(n):\n    if n == 1:\n        return 2\n    elif -2 == n or n == 3:\n        return 4\n    else:\n        if n == 5:\n            return 6\n    if n == 7:\n        return 8\n    return 0\n";
        assert_eq!(run(chain), 4);
        assert_eq!(
            run(&chain.replace("    if n == 7", "    n += 1\n    if n == 7")),
            3
        );
    }

    #[test]
    fn only_arguments_compared_with_literals_count() {
        for test in [
            "m == 1",
            "n == m",
            "n > 1",
            "n == 1 and n > 0",
            "n == f(1)",
            "n % 2 == 0",
        ] {
            assert_eq!(
                run(&format!("def f(n):\n    if {test}:\n        return 1\n")),
                0,
                "{test}"
            );
        }
        assert_eq!(
            run("def f(a, *, b):\n    if (a, b) == ([1], {'x': None}):\n        return 1\n"),
            1
        );
        assert_eq!(run("if n == 1:\n    pass\n"), 0);
        assert_eq!(run("def f(:"), 0);
    }

    #[test]
    fn literals_of_comparisons_and_of_examples_have_one_notation() {
        let found = argument_comparisons(
            "def f(a, b):\n    if a == [1, 2] and b == 'x':\n        return 1\n    if (a, b) == (3, 4.0):\n        return 2\n",
        );
        for (example, is_in) in [
            ("assert f([1,2], \"x\") == 3", true),
            ("assert (m.f(9, 4.0)) == 3", true),
            ("assert g([1, 2]) == 3", false),
            ("assert f(8, k) == 3", false),
            ("f(", false),
        ] {
            let given = literal_arguments(example, "f");
            assert_eq!(!given.is_disjoint(&found.literals), is_in, "{example}");
        }
    }
}
