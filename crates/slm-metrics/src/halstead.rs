//! Halstead's metrics over Python's arithmetic, boolean, comparison and augmented assignment operators.
//!
//! No other operators count. A distinct operand is a pair of the enclosing function and the operand's value,
//! where names, attributes and strings share one space and numbers compare as in Python; any operand that is
//! none of these is distinct from all others.
//!
//! Source: Halstead, Elements of Software Science, 1977; the choices are radon's.

use std::collections::HashSet;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Stmt};
use crate::operand::Operand;
use crate::parser::Module;

/// Halstead's metrics of a file or a function.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Halstead {
    /// Number of distinct operators, at most 29.
    pub h1: usize,
    /// Number of distinct operands.
    pub h2: usize,
    /// Total number of operators.
    #[serde(rename = "N1")]
    pub n1_total: usize,
    /// Total number of operands.
    #[serde(rename = "N2")]
    pub n2_total: usize,
    /// `h = h1 + h2`.
    pub vocabulary: usize,
    /// `N = N1 + N2`.
    pub length: usize,
    /// `h1 log2 h1 + h2 log2 h2`, 0 if either is 0.
    pub calculated_length: f64,
    /// `V = N log2 h`, in bits.
    pub volume: f64,
    /// `D = h1 N2 / (2 h2)`.
    pub difficulty: f64,
    /// `E = D V`.
    pub effort: f64,
    /// `E / 18`, in seconds.
    pub time: f64,
    /// `V / 3000`.
    pub bugs: f64,
}

/// The metrics of a file and of its functions that are not nested in another function.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HalsteadReport {
    /// The whole file.
    pub total: Halstead,
    /// By unqualified function name, including methods, in source order; serialised as a map, in which the last
    /// function of a name replaces the others.
    #[serde(serialize_with = "as_map")]
    pub functions: Vec<(String, Halstead)>,
}

fn as_map<S: Serializer>(
    functions: &[(String, Halstead)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut last = std::collections::HashMap::new();
    for (name, halstead) in functions {
        last.insert(name, halstead);
    }
    let mut map = serializer.serialize_map(Some(last.len()))?;
    for (name, _) in functions {
        if let Some(halstead) = last.remove(name) {
            map.serialize_entry(name, halstead)?;
        }
    }
    map.end()
}

/// Counts operators and operands of a parsed module.
pub(crate) fn count(module: &Module<'_>) -> HalsteadReport {
    let mut counter = Counter {
        text: module.text,
        context: None,
        file: Tally::default(),
        function: None,
        functions: Vec::new(),
    };
    counter.visit_body(module.body());
    HalsteadReport {
        total: counter.file.metrics(),
        functions: counter.functions,
    }
}

/// Counts of the operators and operands seen.
#[derive(Default)]
struct Tally<'a> {
    n_operators: usize,
    n_operands: usize,
    /// One bit for each operator seen.
    operators: u32,
    operands: HashSet<(Option<&'a str>, Operand<'a>)>,
    /// Number of operands that equal only themselves.
    unique_operands: usize,
}

impl<'a> Tally<'a> {
    fn operator(&mut self, bit: u32) {
        self.n_operators += 1;
        self.operators |= 1 << bit;
    }

    fn operand(&mut self, context: Option<&'a str>, operand: Option<&Operand<'a>>) {
        self.n_operands += 1;
        match operand {
            Some(operand) => {
                self.operands.insert((context, operand.clone()));
            }
            None => self.unique_operands += 1,
        }
    }

    fn metrics(&self) -> Halstead {
        let h1 = self.operators.count_ones() as usize;
        let h2 = self.operands.len() + self.unique_operands;
        let (n1, n2) = (self.n_operators, self.n_operands);
        let (vocabulary, length) = (h1 + h2, n1 + n2);
        let calculated_length = if h1 > 0 && h2 > 0 {
            h1 as f64 * log2(h1) + h2 as f64 * log2(h2)
        } else {
            0.0
        };
        let volume = if vocabulary > 0 {
            length as f64 * log2(vocabulary)
        } else {
            0.0
        };
        let difficulty = if h2 > 0 {
            (h1 * n2) as f64 / (2 * h2) as f64
        } else {
            0.0
        };
        let effort = difficulty * volume;
        Halstead {
            h1,
            h2,
            n1_total: n1,
            n2_total: n2,
            vocabulary,
            length,
            calculated_length,
            volume,
            difficulty,
            effort,
            time: effort / 18.0,
            bugs: volume / 3000.0,
        }
    }
}

/// Python's `math.log(x, 2)`: a quotient, whose last bit may differ from a true `log2`.
fn log2(x: usize) -> f64 {
    (x as f64).ln() / 2.0_f64.ln()
}

struct Counter<'a> {
    text: &'a str,
    /// The innermost enclosing function.
    context: Option<&'a str>,
    file: Tally<'a>,
    /// The tally of the outermost enclosing function.
    function: Option<Tally<'a>>,
    functions: Vec<(String, Halstead)>,
}

impl<'a> Counter<'a> {
    fn operator(&mut self, bit: u32) {
        self.file.operator(bit);
        if let Some(function) = &mut self.function {
            function.operator(bit);
        }
    }

    fn operand(&mut self, expr: &'a Expr) {
        let operand = Operand::of(expr, self.text);
        self.file.operand(self.context, operand.as_ref());
        if let Some(function) = &mut self.function {
            function.operand(self.context, operand.as_ref());
        }
    }

    /// Counts only the body: radon ignores decorators, defaults and annotations of functions.
    fn function(&mut self, function: &'a ast::StmtFunctionDef) {
        let outer_context = self.context.replace(&function.name);
        let is_outermost = self.function.is_none();
        if is_outermost {
            self.function = Some(Tally::default());
        }
        self.visit_body(&function.body);
        if is_outermost && let Some(tally) = self.function.take() {
            self.functions
                .push((function.name.to_string(), tally.metrics()));
        }
        self.context = outer_context;
    }
}

// The four kinds of operators use 13, 4, 2 and 10 consecutive bits.
fn binary_bit(op: ast::Operator) -> u32 {
    op as u32
}
fn unary_bit(op: ast::UnaryOp) -> u32 {
    13 + op as u32
}
fn bool_bit(op: ast::BoolOp) -> u32 {
    17 + op as u32
}
fn compare_bit(op: ast::CmpOp) -> u32 {
    19 + op as u32
}

impl<'a> Visitor<'a> for Counter<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.function(function),
            Stmt::AugAssign(ast::StmtAugAssign {
                target, op, value, ..
            }) => {
                self.operator(binary_bit(*op));
                self.operand(target);
                self.operand(value);
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::BinOp(ast::ExprBinOp {
                left, op, right, ..
            }) => {
                self.operator(binary_bit(*op));
                self.operand(left);
                self.operand(right);
            }
            Expr::UnaryOp(ast::ExprUnaryOp { op, operand, .. }) => {
                self.operator(unary_bit(*op));
                self.operand(operand);
            }
            Expr::BoolOp(ast::ExprBoolOp { op, values, .. }) => {
                self.operator(bool_bit(*op));
                for value in values {
                    self.operand(value);
                }
            }
            Expr::Compare(ast::ExprCompare {
                left,
                ops,
                comparators,
                ..
            }) => {
                for op in ops {
                    self.operator(compare_bit(*op));
                }
                self.operand(left);
                for comparator in comparators {
                    self.operand(comparator);
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}
