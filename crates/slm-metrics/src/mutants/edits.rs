//! The edits that turn a program into its mutants.

use std::ops::RangeInclusive;

use crate::ast::token::{Token, TokenKind};
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, CmpOp, Expr, Number, Operator, Ranged, Stmt, TextRange, TextSize, UnaryOp};
use crate::code_lines::without_docstring;
use crate::parser::Module;

use super::MutationKind;
use super::locals::locals;

/// One replacement in the text of a module.
pub(super) struct Edit {
    pub(super) kind: MutationKind,
    pub(super) range: TextRange,
    pub(super) replacement: String,
}

/// Returns the edits of these kinds whose range is within `lines`, in source order.
pub(super) fn edits(
    module: &Module<'_>,
    lines: RangeInclusive<usize>,
    kinds: &[MutationKind],
) -> Vec<Edit> {
    let mut collector = Collector {
        module,
        lines,
        kinds,
        variables: Vec::new(),
        edits: Vec::new(),
    };
    collector.visit_body(without_docstring(module.body()));
    collector
        .edits
        .sort_by_key(|edit| (edit.range.start(), edit.range.end(), edit.kind));
    collector.edits
}

struct Collector<'a> {
    module: &'a Module<'a>,
    lines: RangeInclusive<usize>,
    kinds: &'a [MutationKind],
    /// The variables of the innermost function around the current node.
    variables: Vec<&'a str>,
    edits: Vec<Edit>,
}

impl<'a> Collector<'a> {
    fn add(&mut self, kind: MutationKind, range: TextRange, replacement: impl Into<String>) {
        if !self.kinds.contains(&kind) {
            return;
        }
        let line = |offset| self.module.lines.line(offset);
        if self.lines.contains(&line(range.start())) && self.lines.contains(&line(range.end())) {
            let mut replacement = replacement.into();
            // `if"a":` needs no space before its condition, `if not "a":` does.
            let before = self.module.text[..range.start().to_usize()]
                .chars()
                .next_back();
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            if before.is_some_and(is_word) && replacement.starts_with(is_word) {
                replacement.insert(0, ' ');
            }
            self.edits.push(Edit {
                kind,
                range,
                replacement,
            });
        }
    }

    fn text(&self, range: TextRange) -> &'a str {
        &self.module.text[range]
    }

    /// Returns the tokens between two offsets, without brackets, comments and line ends.
    fn operators(
        &self,
        start: TextSize,
        end: TextSize,
    ) -> impl Iterator<Item = &'a Token> + use<'a> {
        let tokens = self.module.tokens();
        let first = tokens.partition_point(|token| token.start() < start);
        tokens[first..]
            .iter()
            .take_while(move |token| token.end() <= end)
            .filter(|token| {
                !token.kind().is_trivia()
                    && !matches!(token.kind(), TokenKind::Lpar | TokenKind::Rpar)
            })
    }

    fn comparison(&mut self, compare: &'a ast::ExprCompare) {
        let mut left = &*compare.left;
        for (op, right) in compare.ops.iter().zip(&compare.comparators) {
            let flipped = match op {
                CmpOp::Eq => "!=",
                CmpOp::NotEq => "==",
                CmpOp::Lt => ">=",
                CmpOp::LtE => ">",
                CmpOp::Gt => "<=",
                CmpOp::GtE => "<",
                CmpOp::Is => "is not",
                CmpOp::IsNot => "is",
                CmpOp::In => "not in",
                CmpOp::NotIn => "in",
            };
            let mut tokens = self.operators(left.end(), right.start());
            if let Some(first) = tokens.next() {
                let range = tokens
                    .last()
                    .map_or(first.range(), |last| first.range().cover(last.range()));
                self.add(MutationKind::ComparisonFlip, range, flipped);
            }
            left = right;
        }
    }

    fn boolean(&mut self, boolean: &'a ast::ExprBoolOp) {
        let swapped = match boolean.op {
            ast::BoolOp::And => "or",
            ast::BoolOp::Or => "and",
        };
        for pair in boolean.values.windows(2) {
            if let Some(token) = self.operators(pair[0].end(), pair[1].start()).next() {
                self.add(MutationKind::BooleanSwap, token.range(), swapped);
            }
        }
    }

    fn arithmetic(&mut self, op: Operator, left: &'a Expr, right: &'a Expr, suffix: &str) {
        let swapped = match op {
            Operator::Add => "-",
            Operator::Sub => "+",
            Operator::Mult => "/",
            Operator::Div | Operator::FloorDiv => "*",
            _ => return,
        };
        if let Some(token) = self.operators(left.end(), right.start()).next() {
            self.add(
                MutationKind::ArithmeticSwap,
                token.range(),
                format!("{swapped}{suffix}"),
            );
        }
    }

    fn negate(&mut self, test: &'a Expr) {
        let replacement = match test {
            Expr::Compare(compare) if compare.ops.len() == 1 => return,
            Expr::BooleanLiteral(_) => return,
            Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => {
                format!("({})", self.text(unary.operand.range()))
            }
            test => format!("not ({})", self.text(test.range())),
        };
        self.add(MutationKind::NegatedCondition, test.range(), replacement);
    }

    fn returned(&mut self, value: &'a Expr) {
        if value.is_none_literal_expr() {
            return;
        }
        self.add(MutationKind::ReturnNone, value.range(), "None");
        if let Expr::StringLiteral(string) = value
            && !string.value.is_empty()
        {
            self.add(MutationKind::EmptyString, value.range(), "\"\"");
        }
    }

    /// Removes the keyword of a `return` and the space after it, which would be indentation.
    fn drop_return(&mut self, stmt: &'a ast::StmtReturn) {
        let tokens = self.module.tokens();
        let keyword = tokens.partition_point(|token| token.start() < stmt.start());
        if let [keyword, next, ..] = &tokens[keyword..] {
            let range = TextRange::new(keyword.start(), next.start());
            self.add(MutationKind::DroppedReturn, range, "");
        }
    }

    /// Reads the next variable of the function in place of this one.
    fn confuse(&mut self, name: &'a ast::ExprName) {
        let place = self.variables.iter().position(|of| *of == name.id.as_str());
        if let Some(place) = place.filter(|_| name.ctx.is_load() && self.variables.len() > 1) {
            let other = self.variables[(place + 1) % self.variables.len()];
            self.add(MutationKind::WrongVariable, name.range, other);
        }
    }

    /// Replaces statements that are not all `pass`.
    fn swallow(&mut self, body: &'a [Stmt]) {
        if let (Some(first), Some(last)) = (body.first(), body.last())
            && !body.iter().all(Stmt::is_pass_stmt)
        {
            let range = first.range().cover(last.range());
            self.add(MutationKind::SwallowedException, range, "pass");
        }
    }
}

impl<'a> Visitor<'a> for Collector<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                self.visit_parameters(&function.parameters);
                let around = std::mem::replace(&mut self.variables, locals(function));
                self.visit_body(without_docstring(&function.body));
                self.variables = around;
                return;
            }
            Stmt::ClassDef(class) => {
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                self.visit_body(without_docstring(&class.body));
                return;
            }
            Stmt::TypeAlias(_) => return,
            Stmt::If(stmt) => self.negate(&stmt.test),
            Stmt::While(stmt) => self.negate(&stmt.test),
            Stmt::Return(stmt) => {
                if let Some(value) = &stmt.value {
                    self.returned(value);
                    if !value.is_none_literal_expr() {
                        self.drop_return(stmt);
                    }
                }
            }
            Stmt::Raise(_) => self.swallow(std::slice::from_ref(stmt)),
            Stmt::AugAssign(stmt) => self.arithmetic(stmt.op, &stmt.target, &stmt.value, "="),
            Stmt::Expr(stmt) => {
                let call = match &*stmt.value {
                    Expr::Await(awaited) => &awaited.value,
                    _ => &stmt.value,
                };
                if call.is_call_expr() {
                    self.add(MutationKind::RemovedCall, stmt.range, "pass");
                }
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_elif_else_clause(&mut self, clause: &'a ast::ElifElseClause) {
        if let Some(test) = &clause.test {
            self.negate(test);
        }
        visitor::walk_elif_else_clause(self, clause);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(of) = handler;
        self.swallow(&of.body);
        visitor::walk_except_handler(self, handler);
    }

    fn visit_annotation(&mut self, _annotation: &'a Expr) {}

    fn visit_decorator(&mut self, _decorator: &'a ast::Decorator) {}

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Compare(compare) => self.comparison(compare),
            Expr::BoolOp(boolean) => self.boolean(boolean),
            Expr::BinOp(binary) => self.arithmetic(binary.op, &binary.left, &binary.right, ""),
            Expr::Name(name) => self.confuse(name),
            Expr::BooleanLiteral(literal) => {
                let swapped = if literal.value { "False" } else { "True" };
                self.add(MutationKind::TrueFalse, literal.range, swapped);
            }
            Expr::NumberLiteral(literal) => {
                if let Number::Int(value) = &literal.value
                    && let Some(value) = value.as_i64().and_then(|value| value.checked_add(1))
                {
                    self.add(MutationKind::OffByOne, literal.range, value.to_string());
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}
