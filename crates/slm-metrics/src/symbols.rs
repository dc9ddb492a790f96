//! The functions, classes and module-level names that a file defines, and the lines that use a name.

use crate::ast::token::TokenKind;
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Ranged, Stmt, TextRange, TextSize};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, Module, SyntaxError, with_module, with_recovered_module};

/// A definition in a file. Lines count from 1 and include the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What is defined.
    pub kind: DefinitionKind,
    /// The name after `def` or `class`, or the assigned name.
    pub name: String,
    /// The name after those of the functions and classes around it, joined by dots.
    pub qualified_name: String,
    /// Index of the definition around it.
    pub parent: Option<usize>,
    /// Whether it is inside a function, at any depth.
    pub is_local: bool,
    /// First line, decorators included.
    pub first_line: usize,
    /// Line of `def`, `async` or `class`: the `lineno` of Python's `ast`. Of an assignment its first line.
    pub keyword_line: usize,
    /// Last line: the `end_lineno` of Python's `ast`.
    pub last_line: usize,
    /// The text from the keyword to the colon, as written; of an assignment the whole statement.
    pub signature: String,
    /// Last line of the signature.
    pub signature_last_line: usize,
    /// The value of the docstring as written, indentation included.
    pub docstring: Option<String>,
    /// Lines of the docstring.
    pub docstring_lines: Option<(usize, usize)>,
    /// Lines of each statement after the docstring; none of an assignment.
    pub statements: Vec<(usize, usize)>,
    /// Names of the parameters, and those in the annotations of parameters and result, in the order of the text.
    pub signature_names: Vec<String>,
}

/// The kind of a [`Definition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefinitionKind {
    /// `def`.
    Function,
    /// `async def`.
    AsyncFunction,
    /// `class`.
    Class,
    /// An assignment to a plain name at the top level of the module or of a class.
    Assignment,
}

impl DefinitionKind {
    /// Returns whether it is a function, asynchronous or not.
    pub fn is_function(self) -> bool {
        matches!(self, Self::Function | Self::AsyncFunction)
    }
}

/// Returns the definitions of a file in the order of the text: functions and classes at any depth, as a walk over
/// Python's `ast` finds them, and the assignments of the module and of its classes.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn definitions(source: &str) -> Result<Vec<Definition>, SyntaxError> {
    with_module(source, Fstrings::Pep701, found_in)
}

/// Returns the definitions of a text that may end before a body, such as a prompt; those that the parser recovers.
pub fn definitions_of_stub(source: &str) -> Vec<Definition> {
    with_recovered_module(source, Fstrings::Pep701, found_in).unwrap_or_default()
}

/// Returns the value and the lines of a module's docstring, if it has one.
pub fn module_docstring(source: &str) -> Option<(String, (usize, usize))> {
    with_module(source, Fstrings::Pep701, |module| {
        docstring_of(module, module.body())
    })
    .ok()?
}

/// Returns each line that uses the identifier `name` outside strings and comments, once, in order.
///
/// The name after `def` or `class` is no use; an attribute, a keyword argument and an import are.
pub fn lines_that_use(source: &str, name: &str) -> Result<Vec<usize>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut lines = Vec::new();
        let mut before = TokenKind::Newline;
        for token in module.tokens() {
            let kind = token.kind();
            if kind == TokenKind::Name
                && !matches!(before, TokenKind::Def | TokenKind::Class)
                && &module.text[token.range()] == name
            {
                lines.push(module.lines.line(token.start()));
            }
            before = kind;
        }
        lines.dedup();
        lines
    })
}

fn found_in(module: &Module<'_>) -> Vec<Definition> {
    let mut finder = Finder {
        module,
        found: Vec::new(),
        around: Vec::new(),
        n_functions: 0,
    };
    finder.visit_body(module.body());
    finder.found
}

struct Finder<'a> {
    module: &'a Module<'a>,
    found: Vec<Definition>,
    around: Vec<usize>,
    n_functions: usize,
}

impl Finder<'_> {
    fn qualified(&self, name: &str) -> String {
        match self.around.last() {
            Some(&parent) => format!("{}.{name}", self.found[parent].qualified_name),
            None => name.to_owned(),
        }
    }

    fn assignment(&mut self, stmt: &Stmt, target: &Expr) {
        match target {
            Expr::Name(name) => {
                let lines = &self.module.lines;
                let last_line = lines.line(stmt.end());
                let definition = Definition {
                    kind: DefinitionKind::Assignment,
                    name: name.id.to_string(),
                    qualified_name: self.qualified(&name.id),
                    parent: self.around.last().copied(),
                    is_local: false,
                    first_line: lines.line(stmt.start()),
                    keyword_line: lines.line(stmt.start()),
                    last_line,
                    signature: self.module.text[stmt.range()].to_owned(),
                    signature_last_line: last_line,
                    docstring: None,
                    docstring_lines: None,
                    statements: Vec::new(),
                    signature_names: Vec::new(),
                };
                self.found.push(definition);
            }
            Expr::Tuple(tuple) => {
                for target in &tuple.elts {
                    self.assignment(stmt, target);
                }
            }
            _ => {}
        }
    }

    fn definition(&mut self, stmt: &Stmt, header: Header<'_>) {
        let module = self.module;
        let lines = &module.lines;
        let keyword = module.keyword_start(stmt.start(), header.decorators);
        let colon = colon_after(module, header.end);
        let (docstring, docstring_lines) = docstring_of(module, header.body).unzip();
        let statements = without_docstring(header.body)
            .iter()
            .map(|stmt| (lines.line(stmt.start()), lines.line(stmt.end())));
        let definition = Definition {
            kind: header.kind,
            name: header.name.to_owned(),
            qualified_name: self.qualified(header.name),
            parent: self.around.last().copied(),
            is_local: self.n_functions > 0,
            first_line: lines.line(stmt.start()),
            keyword_line: lines.line(keyword),
            last_line: lines.line(stmt.end()),
            signature: module.text[TextRange::new(keyword, colon.max(keyword))].to_owned(),
            signature_last_line: lines.line(colon),
            docstring,
            docstring_lines,
            statements: statements.collect(),
            signature_names: header.names,
        };
        self.around.push(self.found.len());
        self.found.push(definition);
    }
}

/// The parts of a function's or class's statement.
struct Header<'a> {
    kind: DefinitionKind,
    name: &'a str,
    decorators: &'a [ast::Decorator],
    /// The end of what precedes the colon.
    end: TextSize,
    body: &'a [Stmt],
    names: Vec<String>,
}

impl<'a> Visitor<'a> for Finder<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                let mut names = SignatureNames::default();
                names.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    names.visit_annotation(returns);
                }
                let kind = if function.is_async {
                    DefinitionKind::AsyncFunction
                } else {
                    DefinitionKind::Function
                };
                let end = function.returns.as_ref();
                self.definition(
                    stmt,
                    Header {
                        kind,
                        name: &function.name,
                        decorators: &function.decorator_list,
                        end: end.map_or(function.parameters.end(), |returns| returns.end()),
                        body: &function.body,
                        names: names.0,
                    },
                );
                self.n_functions += 1;
                self.visit_body(&function.body);
                self.n_functions -= 1;
                self.around.pop();
            }
            Stmt::ClassDef(class) => {
                let ends = [
                    Some(class.name.end()),
                    class.type_params.as_ref().map(|params| params.end()),
                    class.arguments.as_ref().map(|arguments| arguments.end()),
                ];
                self.definition(
                    stmt,
                    Header {
                        kind: DefinitionKind::Class,
                        name: &class.name,
                        decorators: &class.decorator_list,
                        end: ends.into_iter().flatten().max().unwrap_or(class.name.end()),
                        body: &class.body,
                        names: Vec::new(),
                    },
                );
                self.visit_body(&class.body);
                self.around.pop();
            }
            Stmt::Assign(assign) if self.n_functions == 0 => {
                for target in &assign.targets {
                    self.assignment(stmt, target);
                }
            }
            Stmt::AnnAssign(assign) if self.n_functions == 0 => {
                self.assignment(stmt, &assign.target);
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    // No expression has a definition inside.
    fn visit_expr(&mut self, _: &'a Expr) {}
}

/// Collects the names of parameters and annotations in the order of the text.
#[derive(Default)]
struct SignatureNames(Vec<String>);

impl<'a> Visitor<'a> for SignatureNames {
    fn visit_parameter(&mut self, parameter: &'a ast::Parameter) {
        self.0.push(parameter.name.to_string());
        if let Some(annotation) = &parameter.annotation {
            self.visit_annotation(annotation);
        }
    }

    fn visit_parameters(&mut self, parameters: &'a ast::Parameters) {
        // Default values do not count.
        for parameter in parameters {
            self.visit_parameter(parameter.as_parameter());
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) => self.0.push(name.id.to_string()),
            Expr::Attribute(attribute) => {
                visitor::walk_expr(self, expr);
                self.0.push(attribute.attr.to_string());
            }
            // An annotation in quotes.
            Expr::StringLiteral(text) => {
                let is_name = |c: char| c.is_alphanumeric() || c == '_';
                let text = text.value.to_str();
                let words = text.split(|c| !is_name(c)).filter(|word| !word.is_empty());
                self.0.extend(words.map(str::to_owned));
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

fn docstring_of(module: &Module<'_>, body: &[Stmt]) -> Option<(String, (usize, usize))> {
    let [Stmt::Expr(first), ..] = body else {
        return None;
    };
    let text = first.value.as_string_literal_expr()?;
    let lines = &module.lines;
    Some((
        text.value.to_str().to_owned(),
        (lines.line(first.start()), lines.line(first.end())),
    ))
}

/// Returns the end of the first colon at or after `end`; `end` itself if a stub lacks it.
fn colon_after(module: &Module<'_>, end: TextSize) -> TextSize {
    let tokens = module.tokens();
    let after = tokens.partition_point(|token| token.start() < end);
    let colon = tokens[after..]
        .iter()
        .find(|token| token.kind() == TokenKind::Colon);
    colon.map_or(end, Ranged::end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
\"\"\"Module.\"\"\"
LIMIT: int = 3
a, b = 1, 2

@cache
async def f(x: 'Point', *, y: list[int] = LIMIT) -> t.Any:
    \"\"\"Doc.

    More.\"\"\"
    def inner():
        hidden = 1
    return inner

if LIMIT:
    class C(Base):
        size = 1

        def g(self): return f(size=self.f)
";

    #[test]
    fn definitions_at_any_depth_have_names_kinds_and_lines() {
        let all = definitions(SOURCE).expect("Python");
        let short: Vec<_> = all
            .iter()
            .map(|d| {
                (
                    d.kind,
                    d.qualified_name.as_str(),
                    (d.first_line, d.keyword_line, d.last_line),
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                (DefinitionKind::Assignment, "LIMIT", (2, 2, 2)),
                (DefinitionKind::Assignment, "a", (3, 3, 3)),
                (DefinitionKind::Assignment, "b", (3, 3, 3)),
                (DefinitionKind::AsyncFunction, "f", (5, 6, 12)),
                (DefinitionKind::Function, "f.inner", (10, 10, 11)),
                (DefinitionKind::Class, "C", (15, 15, 18)),
                (DefinitionKind::Assignment, "C.size", (16, 16, 16)),
                (DefinitionKind::Function, "C.g", (18, 18, 18)),
            ]
        );
        let f = &all[3];
        assert_eq!(
            f.signature,
            "async def f(x: 'Point', *, y: list[int] = LIMIT) -> t.Any:"
        );
        assert_eq!(
            f.signature_names,
            ["x", "Point", "y", "list", "int", "t", "Any"]
        );
        assert_eq!(f.docstring.as_deref(), Some("Doc.\n\n    More."));
        assert_eq!(f.docstring_lines, Some((7, 9)));
        assert_eq!(f.statements, [(10, 11), (12, 12)]);
        assert_eq!(all[7].signature, "def g(self):");
        assert_eq!(all[7].statements, [(18, 18)]);
        assert!(all[4].is_local && !all[7].is_local);
        assert_eq!(
            module_docstring(SOURCE),
            Some(("Module.".to_owned(), (1, 1)))
        );
    }

    #[test]
    fn the_definition_of_a_stub_is_recovered() {
        let stub = definitions_of_stub("def f(words: list[str], k: int) -> str:\n");
        assert_eq!(stub.len(), 1);
        assert_eq!(
            stub[0].signature_names,
            ["words", "list", "str", "k", "int", "str"]
        );
    }

    #[test]
    fn uses_are_identifiers_outside_strings_and_comments() {
        let source = "from m import f\n# f\nx = 'f'\ndef f(): pass\nf(f)\ny.f = g(f=1)\n";
        assert_eq!(lines_that_use(source, "f"), Ok(vec![1, 5, 6]));
        assert!(lines_that_use("def (", "f").is_err());
    }
}
