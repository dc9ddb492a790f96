//! Cognitive complexity of functions and files, by the definition of G. Ann Campbell (`SonarSource`, 2018 to 2023).
//!
//! | construct | counts | deepens the nesting |
//! |---|---|---|
//! | `if`, `for`, `while`, `match`, `except`, `a if b else c` | 1 and 1 more for each level of nesting | its bodies |
//! | `elif`, `else` of `if`, `for` and `while` | 1 | its body |
//! | `and` and `or` | 1 for each run of equal operators in the order of the text | no |
//! | function that calls itself | 1 | no |
//! | nested function, `lambda` | nothing | its body |
//!
//! All others count nothing: `try`, its `else` and `finally`, `with`, `assert`, `break` and `continue`, comprehensions.
//! `not` ends a run of operators, parentheses do not.
//!
//! Where the definition leaves a choice for Python: a loop's `else` counts as any `else`; the `else` of a `try` does not,
//! since its handlers count. The header of a statement, and the condition of a conditional expression, have the nesting
//! of the statement or expression itself. A function that contains only another function and a `return`, besides a
//! docstring, is a decorator, and its inner function is not nested in it. A function calls itself by its own name, a
//! method by its first parameter (`self.f()`) unless it is a `staticmethod`; cycles of several functions are not searched
//! for.

use serde::Serialize;

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, BoolOp, Expr, Ranged, Stmt};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, Module, SyntaxError, with_module};

/// The longest prefix of a qualified name, in bytes.
const MAX_PREFIX: usize = 1_000;

/// The cognitive complexity of one function or method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FunctionComplexity {
    /// The name after those of the classes around it, as in `Stack.push`; the part before the last dot is cut after
    /// 1,000 bytes.
    pub name: String,
    /// Line of `def` or `async`, counted from 1.
    pub line: usize,
    /// Cognitive complexity, nested functions and classes included.
    pub complexity: usize,
}

/// Returns the cognitive complexity of each function and method that is not inside another, in the order of the text.
///
/// # Errors
/// [`SyntaxError`] if `source` is not valid Python.
pub fn cognitive_by_function(source: &str) -> Result<Vec<FunctionComplexity>, SyntaxError> {
    with_module(source, Fstrings::Pep701, of_functions)
}

/// Returns the cognitive complexity of each function and method that is not inside another.
pub(crate) fn of_functions(module: &Module<'_>) -> Vec<FunctionComplexity> {
    walked(module).functions
}

/// Returns the cognitive complexity of the file: the sum over its functions, and the code outside functions.
pub(crate) fn count(module: &Module<'_>) -> usize {
    let walk = walked(module);
    let functions = walk.functions.iter().map(|function| function.complexity);
    walk.complexity + functions.sum::<usize>()
}

fn walked<'a>(module: &'a Module<'a>) -> Walk<'a> {
    let mut walk = Walk {
        module,
        functions: Vec::new(),
        complexity: 0,
        nesting: 0,
        frames: Vec::new(),
        prefix: String::new(),
        in_class: false,
    };
    walk.visit_body(module.body());
    walk
}

struct Walk<'a> {
    module: &'a Module<'a>,
    /// The functions that ended.
    functions: Vec<FunctionComplexity>,
    /// Complexity of the outermost function, or of the code outside functions.
    complexity: usize,
    nesting: usize,
    /// The functions around the current node, outermost first.
    frames: Vec<Frame<'a>>,
    /// The classes around the outermost function, each with a dot.
    prefix: String,
    /// Whether the current statement is directly in the body of a class.
    in_class: bool,
}

/// A function around the current node.
struct Frame<'a> {
    name: &'a str,
    /// The first parameter of a method.
    receiver: Option<&'a str>,
    is_method: bool,
    is_decorator: bool,
    calls_itself: bool,
}

impl<'a> Frame<'a> {
    fn new(function: &'a ast::StmtFunctionDef, is_method: bool) -> Self {
        let parameters = &function.parameters;
        let first = parameters.posonlyargs.iter().chain(&parameters.args).next();
        let is_static = function.decorator_list.iter().any(|decorator| {
            matches!(&decorator.expression, Expr::Name(name) if name.id == "staticmethod")
        });
        Self {
            name: &function.name,
            receiver: first
                .filter(|_| !is_static)
                .map(|parameter| parameter.name().as_str()),
            is_method,
            is_decorator: matches!(
                without_docstring(&function.body),
                [Stmt::FunctionDef(_), Stmt::Return(_)]
            ),
            calls_itself: false,
        }
    }
}

impl<'a> Walk<'a> {
    /// Counts a construct that costs more the deeper it is nested.
    fn add_nested(&mut self) {
        self.complexity += 1 + self.nesting;
    }

    fn visit_deeper(&mut self, body: &'a [Stmt]) {
        self.nesting += 1;
        self.visit_body(body);
        self.nesting -= 1;
    }

    /// Counts the `else` of a loop.
    fn visit_else(&mut self, body: &'a [Stmt]) {
        if !body.is_empty() {
            self.complexity += 1;
            self.visit_deeper(body);
        }
    }

    fn visit_function(&mut self, function: &'a ast::StmtFunctionDef) {
        // Evaluated where the function is defined.
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        self.visit_parameters(&function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }

        let is_outermost = self.frames.is_empty();
        let is_decorated = self.frames.last().is_some_and(|frame| frame.is_decorator);
        let outside = (self.complexity, self.nesting);
        if is_outermost {
            (self.complexity, self.nesting) = (0, 0);
        } else if !is_decorated {
            self.nesting += 1;
        }
        self.frames.push(Frame::new(function, self.in_class));
        let in_class = std::mem::replace(&mut self.in_class, false);
        self.visit_body(&function.body);
        self.in_class = in_class;
        if self.frames.pop().is_some_and(|frame| frame.calls_itself) {
            self.complexity += 1;
        }
        if is_outermost {
            let start = self
                .module
                .keyword_start(function.start(), &function.decorator_list);
            self.functions.push(FunctionComplexity {
                name: format!("{}{}", self.prefix, function.name),
                line: self.module.lines.line(start),
                complexity: self.complexity,
            });
            self.complexity = outside.0;
        }
        self.nesting = outside.1;
    }

    fn visit_class(&mut self, class: &'a ast::StmtClassDef) {
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        let length = self.prefix.len();
        if self.frames.is_empty() {
            let room = MAX_PREFIX.saturating_sub(length);
            let shown = &class.name[..class.name.floor_char_boundary(room)];
            self.prefix.push_str(shown);
            self.prefix.push('.');
        }
        let in_class = std::mem::replace(&mut self.in_class, true);
        self.visit_body(&class.body);
        self.in_class = in_class;
        self.prefix.truncate(length);
    }

    /// Marks the function that a call calls, if the call is inside it.
    fn note_recursion(&mut self, call: &ast::ExprCall) {
        let mut inner_first = self.frames.iter_mut().rev();
        let called = match &*call.func {
            Expr::Name(name) => inner_first.find(|frame| !frame.is_method && frame.name == name.id),
            Expr::Attribute(attribute) => match &*attribute.value {
                Expr::Name(receiver) => inner_first.find(|frame| {
                    frame.is_method
                        && frame.name == attribute.attr.as_str()
                        && frame.receiver == Some(receiver.id.as_str())
                }),
                _ => None,
            },
            _ => None,
        };
        if let Some(frame) = called {
            frame.calls_itself = true;
        }
    }

    /// Counts the runs of equal operators, and visits the operands.
    fn visit_operators(&mut self, operators: &'a ast::ExprBoolOp, last: &mut Option<BoolOp>) {
        for (index, operand) in operators.values.iter().enumerate() {
            if index > 0 && last.replace(operators.op) != Some(operators.op) {
                self.complexity += 1;
            }
            match operand {
                Expr::BoolOp(inner) => self.visit_operators(inner, last),
                _ => self.visit_expr(operand),
            }
        }
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => self.visit_function(function),
            Stmt::ClassDef(class) => self.visit_class(class),
            Stmt::If(stmt) => {
                self.add_nested();
                self.visit_expr(&stmt.test);
                self.visit_deeper(&stmt.body);
                for clause in &stmt.elif_else_clauses {
                    self.complexity += 1;
                    if let Some(test) = &clause.test {
                        self.visit_expr(test);
                    }
                    self.visit_deeper(&clause.body);
                }
            }
            Stmt::For(stmt) => {
                self.add_nested();
                self.visit_expr(&stmt.target);
                self.visit_expr(&stmt.iter);
                self.visit_deeper(&stmt.body);
                self.visit_else(&stmt.orelse);
            }
            Stmt::While(stmt) => {
                self.add_nested();
                self.visit_expr(&stmt.test);
                self.visit_deeper(&stmt.body);
                self.visit_else(&stmt.orelse);
            }
            Stmt::Match(stmt) => {
                self.add_nested();
                self.visit_expr(&stmt.subject);
                for case in &stmt.cases {
                    self.visit_pattern(&case.pattern);
                    if let Some(guard) = &case.guard {
                        self.visit_expr(guard);
                    }
                    self.visit_deeper(&case.body);
                }
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(handler) = handler;
        self.add_nested();
        if let Some(caught) = &handler.type_ {
            self.visit_expr(caught);
        }
        self.visit_deeper(&handler.body);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::If(conditional) => {
                self.add_nested();
                self.visit_expr(&conditional.test);
                self.nesting += 1;
                self.visit_expr(&conditional.body);
                self.visit_expr(&conditional.orelse);
                self.nesting -= 1;
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                }
                self.nesting += 1;
                self.visit_expr(&lambda.body);
                self.nesting -= 1;
            }
            Expr::BoolOp(operators) => self.visit_operators(operators, &mut None),
            Expr::Call(call) => {
                self.note_recursion(call);
                visitor::walk_expr(self, expr);
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}
