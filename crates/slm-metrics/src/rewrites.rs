//! The functions of a file as texts at the left margin, and what a rewritten function must keep of the original.

use crate::ast::comparable::{ComparableExpr, ComparableStmt};
use crate::ast::statement_visitor::{StatementVisitor, walk_stmt};
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Ranged, Stmt};
use crate::code_lines::without_docstring;
use crate::parser::{Fstrings, Module, SyntaxError, with_module};
use crate::signature::same_signature;

/// A function or method that is not inside another function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionText {
    /// The name after `def`.
    pub name: String,
    /// The name after those of the classes around it, joined by dots.
    pub qualified_name: String,
    /// First line in the file, decorators included, counted from 1.
    pub first_line: usize,
    /// Line of `def` or `async`.
    pub keyword_line: usize,
    /// Last line in the file.
    pub last_line: usize,
    /// The white space before it.
    pub indent: String,
    /// Its lines without `indent`, decorators included, except inside strings; ends with a newline. It has as many lines
    /// as the function in the file.
    pub text: String,
}

/// Returns the functions of a file that are not inside another, in the order of the text.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn function_texts(source: &str) -> Result<Vec<FunctionText>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        let mut finder = Finder {
            module,
            string_lines: string_lines(module),
            classes: Vec::new(),
            found: Vec::new(),
        };
        finder.visit_body(module.body());
        finder.found
    })
}

/// Returns the file with the function's lines replaced by `rewritten`, a text at the left margin that is moved to the
/// function's indentation; line ends are `\n`. `None` if `rewritten` does not parse.
pub fn with_function(source: &str, function: &FunctionText, rewritten: &str) -> Option<String> {
    let moved = moved_right(rewritten, &function.indent)?;
    let lines = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = String::with_capacity(lines.len() + moved.len());
    for (number, line) in (1..).zip(lines.split_inclusive('\n')) {
        if number == function.first_line {
            text.push_str(&moved);
        }
        if !(function.first_line..=function.last_line).contains(&number) {
            text.push_str(line);
        }
    }
    Some(text)
}

/// Returns a program at the left margin moved to an indentation, except lines inside strings; it ends with a newline.
/// `None` if it does not parse.
pub fn moved_right(program: &str, indent: &str) -> Option<String> {
    with_module(program, Fstrings::Pep701, |module| {
        let strings = string_lines(module);
        let mut moved = String::new();
        for (number, line) in (1..).zip(module.text.lines()) {
            if !line.trim().is_empty() && !is_in(&strings, number) {
                moved.push_str(indent);
            }
            moved.push_str(line);
            moved.push('\n');
        }
        moved
    })
    .ok()
}

/// Returns the first and the last line of each string over several lines.
fn string_lines(module: &Module<'_>) -> Vec<(usize, usize)> {
    let line = |offset| module.lines.line(offset);
    let strings = module.multiline_strings();
    let lines = strings.iter().map(|of| (line(of.start()), line(of.end())));
    lines.collect()
}

/// Returns whether a line begins inside one of the strings.
fn is_in(strings: &[(usize, usize)], line: usize) -> bool {
    let after = strings.partition_point(|(first, _)| *first < line);
    strings[..after]
        .last()
        .is_some_and(|(_, last)| line <= *last)
}

struct Finder<'a> {
    module: &'a Module<'a>,
    string_lines: Vec<(usize, usize)>,
    classes: Vec<&'a str>,
    found: Vec<FunctionText>,
}

impl<'a> StatementVisitor<'a> for Finder<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                let text = self.text_of(function);
                self.found.push(text);
            }
            Stmt::ClassDef(class) => {
                self.classes.push(class.name.as_str());
                walk_stmt(self, stmt);
                self.classes.pop();
            }
            _ => walk_stmt(self, stmt),
        }
    }
}

impl Finder<'_> {
    fn text_of(&self, function: &ast::StmtFunctionDef) -> FunctionText {
        let module = self.module;
        let keyword = module.keyword_start(function.start(), &function.decorator_list);
        let first_line = module.lines.line(function.start());
        let last_line = module.lines.line(function.end());
        let indent = module.blank_before(function.start()).unwrap_or_default();
        let lines = module.text.lines().skip(first_line - 1);
        let mut text = String::new();
        for (number, line) in (first_line..=last_line).zip(lines) {
            let kept = if is_in(&self.string_lines, number) {
                line
            } else {
                line.strip_prefix(indent).unwrap_or(line.trim_start())
            };
            text.push_str(kept);
            text.push('\n');
        }
        let names = self.classes.iter().copied().chain([function.name.as_str()]);
        FunctionText {
            name: function.name.to_string(),
            qualified_name: names.collect::<Vec<_>>().join("."),
            first_line,
            keyword_line: module.lines.line(keyword),
            last_line,
            indent: indent.to_owned(),
            text,
        }
    }
}

/// Why a text is no rewritten form of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RewriteFault {
    /// It does not parse.
    Unparsable,
    /// It is not one function alone.
    NotOneFunction,
    /// The function has another name.
    OtherName,
    /// It has other parameters, by the rule of [`same_signature`].
    OtherParameters,
    /// It has other decorators.
    OtherDecorators,
    /// The docstring is missing or another one; white space does not matter.
    OtherDocstring,
    /// It has no body, or one that only raises, which the original does not.
    Stub,
    /// It returns no value although the original does, or only one of both is a generator.
    OtherResult,
    /// Its tree is that of the original.
    Same,
}

/// Compares a rewritten function with the original; both are texts at the left margin. `None` if the rewritten one keeps
/// name, parameters, decorators, docstring and kind of result, and differs in its body or in default values.
pub fn rewrite_fault(original: &str, rewritten: &str) -> Option<RewriteFault> {
    let found = with_module(original, Fstrings::Pep701, |before| {
        with_module(rewritten, Fstrings::Pep701, |after| {
            match (before.body(), after.body()) {
                ([Stmt::FunctionDef(of_before)], [Stmt::FunctionDef(of_after)]) => {
                    fault((of_before, original), (of_after, rewritten))
                }
                _ => Some(RewriteFault::NotOneFunction),
            }
        })
    });
    match found {
        Ok(Ok(fault)) => fault,
        Ok(Err(_)) | Err(_) => Some(RewriteFault::Unparsable),
    }
}

fn fault(
    (before, original): (&ast::StmtFunctionDef, &str),
    (after, rewritten): (&ast::StmtFunctionDef, &str),
) -> Option<RewriteFault> {
    let name = before.name.as_str();
    let (results, rewritten_results) = (Results::of(before), Results::of(after));
    if name != after.name.as_str() {
        Some(RewriteFault::OtherName)
    } else if same_signature(rewritten, name, original) != Some(true) {
        Some(RewriteFault::OtherParameters)
    } else if !has_same_decorators(before, after) {
        Some(RewriteFault::OtherDecorators)
    } else if docstring(before).is_some_and(|of| docstring(after) != Some(of)) {
        Some(RewriteFault::OtherDocstring)
    } else if is_same(before, after) {
        Some(RewriteFault::Same)
    } else if is_stub(after) && !is_stub(before) {
        Some(RewriteFault::Stub)
    } else if results.yields != rewritten_results.yields
        || results.returns && !rewritten_results.returns
    {
        Some(RewriteFault::OtherResult)
    } else {
        None
    }
}

fn has_same_decorators(one: &ast::StmtFunctionDef, other: &ast::StmtFunctionDef) -> bool {
    let (one, other) = (&one.decorator_list, &other.decorator_list);
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            ComparableExpr::from(&one.expression) == ComparableExpr::from(&other.expression)
        })
}

fn is_same(one: &ast::StmtFunctionDef, other: &ast::StmtFunctionDef) -> bool {
    let (one, other) = (
        Stmt::FunctionDef(one.clone()),
        Stmt::FunctionDef(other.clone()),
    );
    ComparableStmt::from(&one) == ComparableStmt::from(&other)
}

/// Returns the lines of a docstring without white space around them.
fn docstring(function: &ast::StmtFunctionDef) -> Option<Vec<String>> {
    let Some(Stmt::Expr(first)) = function.body.first() else {
        return None;
    };
    let text = first.value.as_string_literal_expr()?.value.to_str();
    let lines = text.trim().lines();
    Some(lines.map(|line| line.trim().to_owned()).collect())
}

fn is_stub(function: &ast::StmtFunctionDef) -> bool {
    let body = without_docstring(&function.body);
    body.iter().all(|stmt| match stmt {
        Stmt::Pass(_) | Stmt::Raise(_) => true,
        Stmt::Expr(expr) => expr.value.is_ellipsis_literal_expr(),
        _ => false,
    })
}

/// How a function gives back values.
#[derive(Default)]
struct Results {
    returns: bool,
    yields: bool,
}

impl Results {
    fn of(function: &ast::StmtFunctionDef) -> Self {
        let mut results = Self::default();
        results.visit_body(&function.body);
        results
    }
}

impl<'a> Visitor<'a> for Results {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => return,
            Stmt::Return(stmt) => {
                let value = stmt.value.as_deref();
                self.returns |= value.is_some_and(|value| !value.is_none_literal_expr());
            }
            _ => {}
        }
        visitor::walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_) => return,
            Expr::Yield(_) | Expr::YieldFrom(_) => self.yields = true,
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
import os
class A:
    class B:
        @cached
        def f(self, x=1):
            \"\"\"Doc
        of f.\"\"\"
            text = '''a
    b'''

            return text
if os:
    async def g(): return 1
";

    #[test]
    fn functions_move_to_the_left_margin_and_back() {
        let found = function_texts(FILE).expect("Python");
        let names: Vec<&str> = found.iter().map(|of| of.qualified_name.as_str()).collect();
        assert_eq!(names, ["A.B.f", "g"]);
        let f = &found[0];
        assert_eq!((f.first_line, f.keyword_line, f.last_line), (4, 5, 11));
        assert_eq!(
            f.text,
            "@cached\ndef f(self, x=1):\n    \"\"\"Doc\n        of f.\"\"\"\n    text = '''a\n    b'''\n\n    return text\n"
        );
        assert_eq!(found[1].text, "async def g(): return 1\n");
        for function in &found {
            let back = with_function(FILE, function, &function.text);
            assert_eq!(back.as_deref(), Some(FILE));
        }
        let shorter = with_function(FILE, f, "def f(self, x=1):\n    return 1\n").expect("parses");
        assert!(
            shorter.contains(
                "    class B:\n        def f(self, x=1):\n            return 1\nif os:\n"
            )
        );
        assert_eq!(with_function(FILE, f, "def f(:"), None);
    }

    #[track_caller]
    fn check(rewritten: &str, expected: Option<RewriteFault>) {
        let original = "@d\ndef f(a, b=[]):\n    \"\"\"Do.\n\n    >>> f(1)\n    \"\"\"\n    if a: return b\n    return a\n";
        assert_eq!(rewrite_fault(original, rewritten), expected, "{rewritten}");
    }

    #[test]
    fn a_rewritten_function_keeps_what_callers_see() {
        use RewriteFault as Fault;
        let with_body = |body: &str| {
            format!("@d\ndef f(a, b=[]):\n    \"\"\"Do.\n\n      >>> f(1)\"\"\"\n    {body}\n")
        };
        check(&with_body("return b if a else a"), None);
        check(
            &with_body("return b if a else a").replace("[]", "None"),
            None,
        );
        check(&with_body("raise E"), Some(Fault::Stub));
        check(&with_body("..."), Some(Fault::Stub));
        check(&with_body("print(a)"), Some(Fault::OtherResult));
        check(&with_body("yield a"), Some(Fault::OtherResult));
        for (header, fault) in [
            ("@d\ndef f(a, b=[]", Fault::Unparsable),
            ("import os\n@d\ndef f(a, b=[])", Fault::NotOneFunction),
            ("class f", Fault::NotOneFunction),
            ("@d\ndef g(a, b=[])", Fault::OtherName),
            ("@d\ndef f(a, b=[], c=1)", Fault::OtherParameters),
            ("@d\ndef f(a=1, b=[])", Fault::OtherParameters),
            ("@d\nasync def f(a, b=[])", Fault::OtherParameters),
            ("def f(a, b=[])", Fault::OtherDecorators),
            ("@d\n@e\ndef f(a, b=[])", Fault::OtherDecorators),
            ("@d\ndef f(a, b=[])", Fault::OtherDocstring),
        ] {
            check(&format!("{header}:\n    x = a\n"), Some(fault));
        }
    }

    #[test]
    fn the_same_tree_is_no_rewrite() {
        let original = "def f(a):\n    if a: return 1\n    return 2\n";
        let laid_out = "def f(a):\n    # why\n    if a:\n        return 1\n    return 2\n";
        assert_eq!(rewrite_fault(original, laid_out), Some(RewriteFault::Same));
    }
}
