//! Walks a module in the order of `CPython`'s syntax tree, as bandit does: an import acts on all that follows, and the
//! decorators of a function or class follow its body.

use std::borrow::Cow;

use super::super::report::Report;
use super::banned_calls::CALLS;
use super::banned_imports::IMPORTS;
use super::call::Call;
use super::imports::Imports;
use super::sql::Chain;
use super::{
    banned, crypto, django, files, loading, passwords, processes, sql, statements, strings, tls,
    web,
};
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Ranged, Stmt, TextRange, TextSize};

/// Applies the rules to each node.
struct Walk<'r, 'a> {
    report: &'r mut Report<'a>,
    imports: Imports<'a>,
}

/// Adds the findings of all rules of this category.
pub(in crate::rules) fn check(report: &mut Report<'_>) {
    let body = report.module.body();
    let mut walk = Walk {
        report,
        imports: Imports::default(),
    };
    walk.visit_body(body);
}

impl<'a> Walk<'_, 'a> {
    fn check_call(&mut self, node: &'a ast::ExprCall) {
        let call = Call::new(node, &self.imports);
        let report = &mut *self.report;
        banned::check_call(&call, [&CALLS, &IMPORTS], report);
        crypto::check(&call, report);
        django::check(&call, report);
        files::check(&call, report);
        loading::check(&call, report);
        passwords::check_call(&call, report);
        processes::check(&call, report);
        tls::check(&call, report);
        web::check(&call, report);
    }

    fn visit_function(&mut self, function: &'a ast::StmtFunctionDef) {
        if !function.is_async {
            let range = TextRange::new(
                self.report
                    .module
                    .keyword_start(function.start(), &function.decorator_list),
                function.end(),
            );
            passwords::check_function(function, range, self.report);
            tls::check_function(function, range, self.report);
        }
        self.visit_parameters(&function.parameters);
        self.visit_body(&function.body);
        self.visit_decorators(&function.decorator_list);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        if let Some(type_params) = &function.type_params {
            self.visit_type_params(type_params);
        }
    }

    fn visit_class(&mut self, class: &'a ast::StmtClassDef) {
        if let Some(arguments) = &class.arguments {
            self.visit_arguments(arguments);
        }
        self.visit_body(&class.body);
        self.visit_decorators(&class.decorator_list);
        if let Some(type_params) = &class.type_params {
            self.visit_type_params(type_params);
        }
    }

    fn visit_decorators(&mut self, decorators: &'a [ast::Decorator]) {
        for decorator in decorators {
            self.visit_decorator(decorator);
        }
    }

    /// Checks the constant texts of an f-string, and visits its expressions.
    fn visit_parts(&mut self, parts: impl Iterator<Item = Part<'a>>) {
        let mut texts: Vec<Text<'a>> = Vec::new();
        // The text that the next constant part continues.
        let mut current: Option<Text<'a>> = None;
        let add = |range: TextRange, piece: &'a str, current: &mut Option<Text<'a>>| match current {
            Some(text) => text.append(range, piece),
            None => *current = Some(Text::new(range, piece)),
        };
        for part in parts {
            match part {
                Part::Text(range, piece) => add(range, piece, &mut current),
                Part::Value(value) => {
                    if let Some(debug) = &value.debug_text {
                        // `f"{x=}"`: the source of the value is text, too.
                        let brace = TextSize::new(1);
                        let start = value.start() + brace;
                        let range = TextRange::at(start, TextSize::of(debug.as_str()));
                        add(range, debug.as_str(), &mut current);
                    }
                    texts.extend(current.take());
                    self.visit_expr(&value.expression);
                    if let Some(format) = &value.format_spec {
                        self.visit_parts(format.elements.iter().map(Part::of));
                    }
                }
            }
        }
        texts.extend(current);
        texts.retain(|text| !text.value.is_empty());
        for text in &texts {
            strings::check(&text.value, text.range, self.report);
        }
        if let [first, rest @ ..] = texts.as_slice() {
            let mut whole = Cow::Borrowed(&*first.value);
            for text in rest {
                whole.to_mut().push_str(&text.value);
            }
            sql::check_text(&whole, first.range, self.report);
        }
    }
}

/// A part of an f-string.
enum Part<'a> {
    Text(TextRange, &'a str),
    Value(&'a ast::InterpolatedElement),
}

impl<'a> Part<'a> {
    fn of(element: &'a ast::InterpolatedStringElement) -> Self {
        match element {
            ast::InterpolatedStringElement::Literal(text) => Self::Text(text.range(), &text.value),
            ast::InterpolatedStringElement::Interpolation(value) => Self::Value(value),
        }
    }

    /// Returns the parts of an f-string and the strings concatenated with it.
    fn all(fstring: &'a ast::ExprFString) -> impl Iterator<Item = Self> {
        fstring.value.iter().flat_map(|part| {
            let (literal, elements) = match part {
                ast::FStringPart::Literal(literal) => (Some(literal), None),
                ast::FStringPart::FString(fstring) => (None, Some(fstring.elements.iter())),
            };
            let literal = literal.map(|literal| Self::Text(literal.range(), &literal.value));
            literal
                .into_iter()
                .chain(elements.into_iter().flatten().map(Self::of))
        })
    }
}

/// Constant text of an f-string between two values, which is one node of `CPython`'s tree.
struct Text<'a> {
    range: TextRange,
    value: Cow<'a, str>,
}

impl<'a> Text<'a> {
    fn new(range: TextRange, value: &'a str) -> Self {
        Self {
            range,
            value: Cow::Borrowed(value),
        }
    }

    fn append(&mut self, range: TextRange, value: &str) {
        self.range = self.range.cover(range);
        self.value.to_mut().push_str(value);
    }
}

impl<'a> Visitor<'a> for Walk<'_, 'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.visit_function(function),
            Stmt::ClassDef(class) => return self.visit_class(class),
            Stmt::Import(import) => {
                self.imports.add_import(&import.names);
                banned::check_import(stmt, &IMPORTS, self.report);
            }
            Stmt::ImportFrom(import) => {
                self.imports.add_import_from(import);
                banned::check_import(stmt, &IMPORTS, self.report);
            }
            Stmt::Assert(assert) => statements::check_assert(assert, self.report),
            Stmt::Assign(assign) => passwords::check_assign(assign, self.report),
            // Docstrings, and other strings without effect.
            Stmt::Expr(expr) if expr.value.is_string_literal_expr() => return,
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Call(call) => self.check_call(call),
            Expr::StringLiteral(string) => {
                strings::check(string.value.to_str(), string.range(), self.report);
                return;
            }
            Expr::FString(fstring) => return self.visit_parts(Part::all(fstring)),
            Expr::BinOp(operator) => {
                let mut chain = Chain::default();
                chain.add(operator);
                chain.check(self.report);
                for operand in chain.operands {
                    self.visit_expr(operand);
                }
                return;
            }
            Expr::Attribute(attribute) => sql::check_attribute(attribute, self.report),
            Expr::Compare(compare) => passwords::check_compare(compare, self.report),
            Expr::Dict(dict) => passwords::check_dict(dict, self.report),
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(node) = handler;
        statements::check_handler(node, self.report);
        visitor::walk_except_handler(self, handler);
    }
}
