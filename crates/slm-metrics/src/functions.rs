//! The documented functions of a file, each split into a stub with its docstring and a body.

use crate::ast::comparable::ComparableStmt;
use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::{self, Stmt};
use crate::ast::{Ranged, TextRange, TextSize};
use crate::function_context::{ClassContext, Imports};
use crate::parser::{Fstrings, Module, SyntaxError, parses, with_module};

/// A function or method with a docstring, split for a prompt and its answer.
///
/// `context`, `stub` and `body` together are a program: the definition as in the file, after what a reader needs to
/// know of the file to write the body. A method is inside its class, with the indentation of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSource {
    /// The unqualified name.
    pub name: String,
    /// The class that contains a method.
    pub class_name: Option<String>,
    /// Line of the `def` (or `async`) in the file, counted from 1.
    pub lineno: usize,
    /// The file's imports that the function uses. For a method also the header of its class, and the attributes of the
    /// class and of `__init__` that the method reads. Empty if there is nothing of this; else ends with a newline.
    pub context: String,
    /// Decorators, signature and docstring; ends with a newline.
    pub stub: String,
    /// Everything after the docstring, including comments; ends with a newline.
    pub body: String,
    /// The definition moved to column 0, without decorators; ends with a newline. It parses to the tree of the
    /// original; only the indentation inside the docstring may differ.
    pub source: String,
    /// The value of the docstring as written, including indentation.
    pub docstring: String,
    /// Number of statements in `body`, including nested ones.
    pub n_statements: usize,
    /// Whether it is an `async def`.
    pub is_async: bool,
    /// Whether it has decorators.
    pub has_decorators: bool,
    /// First line in the file, including decorators, counted from 1.
    pub first_line: usize,
    /// First line in the file after the docstring.
    pub body_first_line: usize,
    /// Last line in the file.
    pub last_line: usize,
}

impl FunctionSource {
    /// Returns the text that asks for the body: context and stub.
    pub fn prompt(&self) -> String {
        format!("{}{}", self.context, self.stub)
    }

    /// Returns the name with that of its class, if it is a method: `Class.method`.
    pub fn qualified_name(&self) -> String {
        match &self.class_name {
            Some(class) => format!("{class}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

/// All documented functions of a file: those that could be split, and the others with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionSurvey {
    /// Functions at the top level and methods of top-level classes, in file order.
    pub functions: Vec<FunctionSource>,
    /// The other documented functions.
    pub uncut: Vec<UncutFunction>,
    /// Number of functions without a docstring, at any depth.
    pub undocumented: usize,
}

/// A documented function that could not be split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncutFunction {
    /// The unqualified name.
    pub name: String,
    /// Line of the `def` (or `async`) in the file, counted from 1.
    pub lineno: usize,
    /// Whether it is directly inside a class.
    pub is_method: bool,
    /// Why it could not be split.
    pub reason: Uncut,
}

/// Why a documented function could not be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncut {
    /// It is inside another function, or inside a class that is not at the top level.
    Nested,
    /// It is in a block such as `if` or `try`, outside of any function.
    InBlock,
    /// It has no statement after the docstring.
    NoBody,
    /// The docstring shares a line with other code.
    SharesLine,
    /// Dedented to column 0 it would parse to a different function.
    Immovable,
}

/// Returns the documented top-level functions and methods of `source` that [`survey_functions`] could split, in
/// file order.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn documented_functions(source: &str) -> Result<Vec<FunctionSource>, SyntaxError> {
    survey_functions(source).map(|survey| survey.functions)
}

/// Splits or lists all documented functions of `source`.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn survey_functions(source: &str) -> Result<FunctionSurvey, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut surveyor = Surveyor {
            cutter: Cutter::new(module),
            survey: FunctionSurvey::default(),
            in_class: false,
            in_function: false,
        };
        for stmt in module.body() {
            match stmt {
                Stmt::FunctionDef(function) => surveyor.cut(function, None),
                Stmt::ClassDef(class) => {
                    let context = ClassContext::of(module, class);
                    for stmt in &class.body {
                        match stmt {
                            Stmt::FunctionDef(method) => surveyor.cut(method, Some(&context)),
                            other => surveyor.visit_in(true, |surveyor| surveyor.visit_stmt(other)),
                        }
                    }
                }
                other => surveyor.visit_stmt(other),
            }
        }
        surveyor.survey
    })
}

/// Splits top-level functions and lists nested ones.
struct Surveyor<'a> {
    cutter: Cutter<'a>,
    survey: FunctionSurvey,
    /// Whether the visited statement is directly inside a class.
    in_class: bool,
    /// Whether it is inside a function at any depth.
    in_function: bool,
}

impl Surveyor<'_> {
    fn cut(&mut self, function: &ast::StmtFunctionDef, class: Option<&ClassContext<'_>>) {
        match self.cutter.cut(function, class) {
            Ok(source) => self.survey.functions.push(source),
            Err(reason) => self.leave(function, class.is_some(), reason),
        }
        self.visit_in_function(|surveyor| surveyor.visit_body(&function.body));
    }

    /// Lists a function as not split if it is documented, and counts it otherwise.
    fn leave(&mut self, function: &ast::StmtFunctionDef, is_method: bool, reason: Uncut) {
        if docstring(function).is_some() {
            self.survey.uncut.push(UncutFunction {
                name: function.name.to_string(),
                lineno: self
                    .cutter
                    .module
                    .lines
                    .line(keyword_start(self.cutter.module, function)),
                is_method,
                reason,
            });
        } else {
            self.survey.undocumented += 1;
        }
    }

    fn visit_in_function(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.in_function, true);
        self.visit_in(false, visit);
        self.in_function = before;
    }

    fn visit_in(&mut self, in_class: bool, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.in_class, in_class);
        visit(self);
        self.in_class = before;
    }
}

impl StatementVisitor<'_> for Surveyor<'_> {
    fn visit_stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                let is_in_block = !self.in_function && !self.in_class;
                let reason = if is_in_block {
                    Uncut::InBlock
                } else {
                    Uncut::Nested
                };
                self.leave(function, self.in_class, reason);
                self.visit_in_function(|surveyor| walk_stmt(surveyor, stmt));
            }
            Stmt::ClassDef(_) => self.visit_in(true, |surveyor| walk_stmt(surveyor, stmt)),
            _ => walk_stmt(self, stmt),
        }
    }
}

/// Returns the start of `def` or `async`; the statement itself begins with its decorators.
fn keyword_start(module: &Module<'_>, function: &ast::StmtFunctionDef) -> TextSize {
    module.keyword_start(function.start(), &function.decorator_list)
}

/// Returns the docstring of a function.
fn docstring(function: &ast::StmtFunctionDef) -> Option<&ast::ExprStringLiteral> {
    match &function.body[..] {
        [Stmt::Expr(first), ..] => first.value.as_string_literal_expr(),
        _ => None,
    }
}

struct Cutter<'a> {
    module: &'a Module<'a>,
    imports: Imports<'a>,
    /// The multi-line strings in order: their inner lines keep their indentation.
    multiline_strings: Vec<TextRange>,
}

impl<'a> Cutter<'a> {
    fn new(module: &'a Module<'a>) -> Self {
        Self {
            module,
            imports: Imports::of(module),
            multiline_strings: module.multiline_strings(),
        }
    }

    /// Splits a function after its docstring; a function without one is an error as well.
    fn cut(
        &self,
        function: &ast::StmtFunctionDef,
        class: Option<&ClassContext<'_>>,
    ) -> Result<FunctionSource, Uncut> {
        let docstring = docstring(function).ok_or(Uncut::NoBody)?;
        let rest = &function.body[1..];
        if rest.is_empty() {
            return Err(Uncut::NoBody);
        }
        let start = keyword_start(self.module, function);
        let indent = self.module.blank_before(start).ok_or(Uncut::SharesLine)?;
        for start in [docstring.start(), function.start()] {
            self.module.blank_before(start).ok_or(Uncut::SharesLine)?;
        }
        let docstring_end = self.next_line(docstring.end());
        let after_docstring = &self.module.text[TextRange::new(docstring.end(), docstring_end)];
        if !matches!(
            after_docstring.trim_start().chars().next(),
            None | Some('#')
        ) {
            return Err(Uncut::SharesLine);
        }
        let end = self.next_line(function.end());
        let bare_start = self.module.lines.line_start(start);
        let source =
            with_newline(self.dedent(
                TextRange::new(bare_start, docstring_end),
                indent,
                Some(docstring.range()),
            )) + &with_newline(self.dedent(TextRange::new(docstring_end, end), indent, None));
        if !is_same_function(&source, function) {
            return Err(Uncut::Immovable);
        }
        // Lines of white space only become empty, as in `source`.
        let whole_start = self.module.lines.line_start(function.start());
        let stub = with_newline(self.dedent(
            TextRange::new(whole_start, docstring_end),
            "",
            Some(docstring.range()),
        ));
        let body = with_newline(self.dedent(TextRange::new(docstring_end, end), "", None));
        let context = self.imports.context_of(function, class);
        if !parses(&format!("{context}{stub}{body}")) {
            return Err(Uncut::Immovable);
        }
        let lines = &self.module.lines;
        Ok(FunctionSource {
            name: function.name.to_string(),
            class_name: class.map(|class| class.name.to_owned()),
            lineno: lines.line(start),
            context,
            stub,
            body,
            source,
            docstring: docstring.value.to_str().to_owned(),
            n_statements: count_statements(rest),
            is_async: function.is_async,
            has_decorators: !function.decorator_list.is_empty(),
            first_line: lines.line(function.start()),
            body_first_line: lines.line(docstring_end),
            last_line: lines.line(function.end()),
        })
    }

    /// Returns the start of the line after that of `offset`.
    fn next_line(&self, offset: TextSize) -> TextSize {
        let end = self.module.line_end(offset);
        let newline = self.module.text[end.to_usize()..].starts_with('\n');
        end + TextSize::new(u32::from(newline))
    }

    /// Returns the lines of `range` without `indent`, except inside strings other than the docstring.
    fn dedent(&self, range: TextRange, indent: &str, docstring: Option<TextRange>) -> String {
        let mut dedented = String::with_capacity(range.len().to_usize());
        let mut start = range.start();
        for line in self.module.text[range].split_inclusive('\n') {
            let kept = if line.trim().is_empty() && !self.is_in_string(start, docstring) {
                "\n"
            } else if self.is_in_string(start, docstring) {
                line
            } else {
                &line[common_prefix(line, indent)..]
            };
            dedented.push_str(kept);
            start += TextSize::new(line.len() as u32);
        }
        dedented
    }

    /// Returns whether `offset` is inside a multi-line string other than `docstring`.
    fn is_in_string(&self, offset: TextSize, docstring: Option<TextRange>) -> bool {
        let after = self
            .multiline_strings
            .partition_point(|string| string.start() < offset);
        self.multiline_strings[..after]
            .last()
            .is_some_and(|string| offset < string.end() && Some(*string) != docstring)
    }
}

/// Adds a newline to a text that ends without one.
fn with_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Returns the length in bytes of the common prefix of `line` and `indent`.
fn common_prefix(line: &str, indent: &str) -> usize {
    let pairs = line.bytes().zip(indent.bytes());
    pairs.take_while(|(line, indent)| line == indent).count()
}

/// Returns whether `source` contains only `function`, ignoring decorators and the text of its docstring.
fn is_same_function(source: &str, function: &ast::StmtFunctionDef) -> bool {
    with_module(source, Fstrings::Pep701, |module| match module.body() {
        [Stmt::FunctionDef(moved)] => {
            let bare = |function: &ast::StmtFunctionDef| {
                let mut function = function.clone();
                function.decorator_list.clear();
                if !function.body.is_empty() {
                    function.body.remove(0);
                }
                Stmt::FunctionDef(function)
            };
            ComparableStmt::from(&bare(moved)) == ComparableStmt::from(&bare(function))
        }
        _ => false,
    })
    .unwrap_or(false)
}

fn count_statements(body: &[Stmt]) -> usize {
    struct Count(usize);
    impl StatementVisitor<'_> for Count {
        fn visit_stmt(&mut self, stmt: &Stmt) {
            self.0 += 1;
            walk_stmt(self, stmt);
        }
    }
    let mut count = Count(0);
    count.visit_body(body);
    count.0
}
