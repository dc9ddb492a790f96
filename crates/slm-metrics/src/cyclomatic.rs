//! Cyclomatic complexity of functions, methods and classes, and of the whole file.
//!
//! Decision points are counted as in radon's code, which differs from its documentation: `with` adds nothing,
//! `assert` adds one but its condition is ignored, `except*` adds nothing, and the bodies of nested functions
//! do not count for the enclosing function.

use serde::{Serialize, Serializer};

use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Stmt};
use crate::ast::{Ranged, TextSize};
use crate::parser::{Fstrings, Module};
use crate::rank::Rank;

/// Kind of a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockKind {
    /// A function outside classes, or one nested in another function.
    Function,
    /// A function in the body of a class.
    Method,
    /// A class.
    Class,
}

/// A function, method or class with its complexity; serialised like `radon cc -j`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Function, method or class.
    #[serde(rename = "type")]
    pub kind: BlockKind,
    /// The rank of `complexity`.
    pub rank: Rank,
    /// The unqualified name.
    pub name: String,
    /// The class that contains a method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classname: Option<String>,
    /// Line of the `def`, `class` or `async` keyword, counted from 1; decorators precede it.
    pub lineno: usize,
    /// The line on which the last node that radon visits begins, which may be before the block's real end.
    pub endline: usize,
    /// Bytes before the keyword on its line.
    pub col_offset: usize,
    /// Cyclomatic complexity; for a class the mean over its methods, rounded as radon does.
    pub complexity: usize,
    /// Complexity of all code in a class, including methods; equals `complexity` for functions.
    #[serde(skip)]
    pub real_complexity: usize,
    /// The methods of a class; `None` for functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<Block>>,
    /// The functions nested in a function; `None` for classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closures: Option<Vec<Block>>,
}

/// The blocks of a file and its total.
pub(crate) struct Complexity {
    /// Functions first, then every class followed by its methods.
    pub(crate) blocks: Vec<Block>,
    pub(crate) total: usize,
}

/// Counts the decision points of a parsed module.
pub(crate) fn count(module: &Module<'_>) -> Complexity {
    let mut counter = Counter::new(module, None);
    counter.visit_body(module.body());
    let Counter {
        complexity,
        functions,
        classes,
        ..
    } = counter;
    let inside = |block: &Block| block.real_complexity - 1;
    let total = 1
        + complexity
        + functions.iter().map(inside).sum::<usize>()
        + classes.iter().map(inside).sum::<usize>();
    let mut blocks = functions;
    for class in classes {
        let methods = class.methods.clone().unwrap_or_default();
        blocks.push(class);
        blocks.extend(methods);
    }
    Complexity { blocks, total }
}

/// Serialises blocks in the order of `radon cc -j`: by decreasing complexity, ties in order of discovery.
pub(crate) fn by_complexity<S: Serializer>(
    blocks: &[Block],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut sorted: Vec<&Block> = blocks.iter().collect();
    sorted.sort_by_key(|block| std::cmp::Reverse(block.complexity));
    sorted.serialize(serializer)
}

/// Counts decision points below one statement (or the module), excluding the functions and classes it defines.
struct Counter<'a> {
    module: &'a Module<'a>,
    /// The class whose body is being counted; functions directly in it are its methods.
    class_name: Option<&'a str>,
    complexity: usize,
    functions: Vec<Block>,
    classes: Vec<Block>,
    /// The greatest start offset of any visited node; radon uses its line as the block's end.
    last_start: Option<TextSize>,
}

impl<'a> Counter<'a> {
    fn new(module: &'a Module<'a>, class_name: Option<&'a str>) -> Self {
        Self {
            module,
            class_name,
            complexity: 0,
            functions: Vec::new(),
            classes: Vec::new(),
            last_start: None,
        }
    }

    fn reach(&mut self, start: TextSize) {
        self.last_start = self.last_start.max(Some(start));
    }

    fn last_line(&self) -> usize {
        self.last_start
            .map_or(0, |start| self.module.lines.line(start))
    }

    fn add_function(&mut self, function: &'a ast::StmtFunctionDef) {
        let start = self
            .module
            .keyword_start(function.start(), &function.decorator_list);
        let mut complexity = 1;
        let mut closures = Vec::new();
        // Only the last statement determines the end of the function.
        let mut last_line = 0;
        for stmt in &function.body {
            let mut counter = Counter::new(self.module, None);
            counter.visit_stmt(stmt);
            complexity += counter.complexity;
            last_line = counter.last_line();
            closures.append(&mut counter.functions);
        }
        let lineno = self.module.lines.line(start);
        self.functions.push(Block {
            kind: match self.class_name {
                Some(_) => BlockKind::Method,
                None => BlockKind::Function,
            },
            rank: Rank::of_complexity(complexity),
            name: function.name.to_string(),
            classname: self.class_name.map(str::to_owned),
            lineno,
            endline: lineno.max(last_line),
            col_offset: self.module.lines.column(start),
            complexity,
            real_complexity: complexity,
            methods: None,
            closures: Some(closures),
        });
    }

    fn add_class(&mut self, class: &'a ast::StmtClassDef) {
        let start = self
            .module
            .keyword_start(class.start(), &class.decorator_list);
        let lineno = self.module.lines.line(start);
        let mut real_complexity = 1;
        let mut methods: Vec<Block> = Vec::new();
        let mut endline = lineno;
        for stmt in &class.body {
            let mut counter = Counter::new(self.module, Some(&class.name));
            counter.visit_stmt(stmt);
            real_complexity += counter.complexity;
            endline = endline.max(counter.last_line());
            methods.append(&mut counter.functions);
        }
        for method in &methods {
            real_complexity += method.complexity;
            endline = endline.max(method.endline);
        }
        let complexity = match methods.len() {
            0 => real_complexity,
            n => real_complexity / n + usize::from(n > 1),
        };
        self.classes.push(Block {
            kind: BlockKind::Class,
            rank: Rank::of_complexity(complexity),
            name: class.name.to_string(),
            classname: None,
            lineno,
            endline,
            col_offset: self.module.lines.column(start),
            complexity,
            real_complexity,
            methods: Some(methods),
            closures: None,
        });
    }

    /// Visits the parts of an f-string that have nodes in `CPython`'s tree, at `CPython`'s positions.
    ///
    /// Up to 3.11 all of them except the expressions are at the start of the string. Since then runs of
    /// constant text are merged across implicit concatenation, and an empty run has no node.
    fn reach_fstring_parts(&mut self, fstring: &'a ast::ExprFString) {
        if self.module.fstrings == Fstrings::Legacy {
            return;
        }
        let mut run = None;
        for part in &fstring.value {
            match part {
                ast::FStringPart::Literal(literal) => {
                    self.reach_text(&mut run, literal.start(), &literal.value);
                }
                ast::FStringPart::FString(fstring) => {
                    for element in &fstring.elements {
                        match element {
                            ast::InterpolatedStringElement::Literal(literal) => {
                                self.reach_text(&mut run, literal.start(), &literal.value);
                            }
                            ast::InterpolatedStringElement::Interpolation(_) => run = None,
                        }
                    }
                }
            }
        }
    }

    /// Records a piece of constant text; `run` is the start of the constant that contains it.
    fn reach_text(&mut self, run: &mut Option<TextSize>, start: TextSize, value: &str) {
        let run_start = *run.get_or_insert(start);
        if !value.is_empty() {
            self.reach(run_start);
        }
    }
}

impl<'a> Visitor<'a> for Counter<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => return self.add_function(function),
            Stmt::ClassDef(class) => return self.add_class(class),
            Stmt::Assert(_) => {
                self.complexity += 1;
                return;
            }
            Stmt::If(_) => self.complexity += 1,
            Stmt::For(ast::StmtFor { orelse, .. }) | Stmt::While(ast::StmtWhile { orelse, .. }) => {
                self.complexity += 1 + usize::from(!orelse.is_empty());
            }
            Stmt::Try(ast::StmtTry {
                handlers,
                orelse,
                is_star: false,
                ..
            }) => self.complexity += handlers.len() + usize::from(!orelse.is_empty()),
            Stmt::Match(ast::StmtMatch { cases, .. }) => {
                let has_catch_all = cases.iter().any(|case| {
                    matches!(&case.pattern, ast::Pattern::MatchAs(pattern) if pattern.pattern.is_none())
                });
                self.complexity += cases.len() - usize::from(has_catch_all);
            }
            _ => {}
        }
        self.reach(stmt.start());
        visitor::walk_stmt(self, stmt);
    }

    fn visit_elif_else_clause(&mut self, clause: &'a ast::ElifElseClause) {
        if clause.test.is_some() {
            self.complexity += 1;
            self.reach(clause.start());
        }
        visitor::walk_elif_else_clause(self, clause);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::If(_) => self.complexity += 1,
            Expr::BoolOp(ast::ExprBoolOp { values, .. }) => self.complexity += values.len() - 1,
            Expr::FString(fstring) => self.reach_fstring_parts(fstring),
            _ => {}
        }
        self.reach(expr.start());
        visitor::walk_expr(self, expr);
    }

    fn visit_comprehension(&mut self, comprehension: &'a ast::Comprehension) {
        self.complexity += 1 + comprehension.ifs.len();
        visitor::walk_comprehension(self, comprehension);
    }

    fn visit_interpolated_string_element(&mut self, element: &'a ast::InterpolatedStringElement) {
        if let ast::InterpolatedStringElement::Interpolation(interpolation) = element
            && self.module.fstrings == Fstrings::Pep701
        {
            self.reach(interpolation.start());
            if let Some(spec) = &interpolation.format_spec {
                self.reach(spec.start());
                for literal in spec.elements.literals() {
                    self.reach(literal.start());
                }
            }
        }
        visitor::walk_interpolated_string_element(self, element);
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        self.reach(handler.start());
        visitor::walk_except_handler(self, handler);
    }

    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.reach(parameter.start());
        visitor::walk_parameter(self, parameter);
    }

    fn visit_keyword(&mut self, keyword: &'a ast::Keyword) {
        self.reach(keyword.start());
        visitor::walk_keyword(self, keyword);
    }

    fn visit_alias(&mut self, alias: &'a ast::Alias) {
        self.reach(alias.start());
    }

    fn visit_pattern(&mut self, pattern: &'a ast::Pattern) {
        self.reach(pattern.start());
        visitor::walk_pattern(self, pattern);
    }

    fn visit_type_param(&mut self, type_param: &'a ast::TypeParam) {
        self.reach(type_param.start());
        visitor::walk_type_param(self, type_param);
    }
}
