//! The outline of a program: its top-level statements and the members of its classes, as text that can be moved.

use crate::ast::{Ranged, Stmt, TextRange};
use crate::parser::{Fstrings, Module, SyntaxError, with_module};

/// A statement at the top level of a program, or in a class at the top level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineItem {
    /// What it does.
    pub kind: OutlineKind,
    /// The name of a function or class.
    pub name: Option<String>,
    /// The statement as written, with its decorators, from its first character.
    pub text: String,
    /// First line, including decorators, counted from 1.
    pub first_line: usize,
    /// Line of the keyword (`def`, `async` or `class`); for other statements the first line.
    pub keyword_line: usize,
    /// Last line.
    pub last_line: usize,
    /// The white space before the keyword.
    pub indent: String,
    /// The statements of a class.
    pub members: Vec<OutlineItem>,
}

/// The kind of an [`OutlineItem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutlineKind {
    /// An import; of `__future__` it has the next kind.
    Import,
    /// An import of `__future__`, which must precede all other statements.
    Future,
    /// A function, possibly asynchronous.
    Function,
    /// A class.
    Class,
    /// A binding of names to values.
    Assignment,
    /// Any other statement.
    Other,
}

/// Returns the outline of a program, in its order. Line ends in the texts are `\n`.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub fn outline(source: &str) -> Result<Vec<OutlineItem>, SyntaxError> {
    with_module(source, Fstrings::Pep701, |module| {
        items_of(module, module.body(), true)
    })
}

/// Returns the function or class whose keyword is on `keyword_line`, without decorators and moved to `indent`; ends
/// with a newline. Lines inside strings stay as they are. `None` if no definition of the outline begins there.
pub fn moved_definition(source: &str, keyword_line: usize, indent: &str) -> Option<String> {
    with_module(source, Fstrings::Pep701, |module| {
        let items = items_of(module, module.body(), true);
        let item = items
            .iter()
            .flat_map(|item| std::iter::once(item).chain(&item.members))
            .find(|item| item.keyword_line == keyword_line && item.name.is_some())?;
        Some(moved(module, item, indent))
    })
    .ok()?
}

fn items_of(module: &Module<'_>, body: &[Stmt], is_top_level: bool) -> Vec<OutlineItem> {
    body.iter()
        .map(|stmt| item_of(module, stmt, is_top_level))
        .collect()
}

fn item_of(module: &Module<'_>, stmt: &Stmt, is_top_level: bool) -> OutlineItem {
    let (kind, name) = match stmt {
        Stmt::ImportFrom(import)
            if import.level == 0 && import.module.as_deref() == Some("__future__") =>
        {
            (OutlineKind::Future, None)
        }
        Stmt::Import(_) | Stmt::ImportFrom(_) => (OutlineKind::Import, None),
        Stmt::FunctionDef(function) => (OutlineKind::Function, Some(function.name.to_string())),
        Stmt::ClassDef(class) => (OutlineKind::Class, Some(class.name.to_string())),
        Stmt::Assign(_) | Stmt::AnnAssign(_) => (OutlineKind::Assignment, None),
        _ => (OutlineKind::Other, None),
    };
    let decorators = match stmt {
        Stmt::FunctionDef(function) => &function.decorator_list[..],
        Stmt::ClassDef(class) => &class.decorator_list[..],
        _ => &[],
    };
    let keyword = module.keyword_start(stmt.start(), decorators);
    let before = &module.text[TextRange::new(module.lines.line_start(keyword), keyword)];
    let members = match stmt {
        Stmt::ClassDef(class) if is_top_level => items_of(module, &class.body, false),
        _ => Vec::new(),
    };
    OutlineItem {
        kind,
        name,
        text: module.text[stmt.range()].to_owned(),
        first_line: module.lines.line(stmt.start()),
        keyword_line: module.lines.line(keyword),
        last_line: module.lines.line(stmt.end()),
        indent: before
            .chars()
            .take_while(|c| matches!(c, ' ' | '\t' | '\x0c'))
            .collect(),
        members,
    }
}

fn moved(module: &Module<'_>, item: &OutlineItem, indent: &str) -> String {
    let strings = module.multiline_strings();
    let is_in_string = |line: usize| {
        let start = module.lines.start(line);
        let after = strings.partition_point(|string| string.start() < start);
        strings[..after]
            .last()
            .is_some_and(|string| start < string.end())
    };
    let mut text = String::new();
    let lines = module.text.lines().skip(item.keyword_line - 1);
    for (number, line) in (item.keyword_line..=item.last_line).zip(lines) {
        if is_in_string(number) || item.indent == indent {
            text.push_str(line);
        } else if !line.trim().is_empty() {
            let own = line
                .bytes()
                .zip(item.indent.bytes())
                .take_while(|(a, b)| a == b);
            text.push_str(indent);
            text.push_str(&line[own.count()..]);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
from __future__ import annotations
import os; x = 1

@a(
    b)
async def f():
    return 1

class C:
    y: int = 2

    @property
    def g(self):
        text = \"\"\"one
two\"\"\"
        # comment

        return text
print(f)
";

    #[test]
    fn statements_have_their_kinds_names_and_lines() {
        let items = outline(SOURCE).expect("Python");
        let short: Vec<_> = items
            .iter()
            .map(|i| {
                (
                    i.kind,
                    i.name.as_deref(),
                    i.first_line,
                    i.keyword_line,
                    i.last_line,
                )
            })
            .collect();
        assert_eq!(
            short,
            [
                (OutlineKind::Future, None, 1, 1, 1),
                (OutlineKind::Import, None, 2, 2, 2),
                (OutlineKind::Assignment, None, 2, 2, 2),
                (OutlineKind::Function, Some("f"), 4, 6, 7),
                (OutlineKind::Class, Some("C"), 9, 9, 18),
                (OutlineKind::Other, None, 19, 19, 19),
            ]
        );
        assert_eq!((&*items[1].text, &*items[2].text), ("import os", "x = 1"));
        let method = &items[4].members[1];
        assert_eq!(
            (
                method.name.as_deref(),
                method.first_line,
                method.keyword_line
            ),
            (Some("g"), 12, 13)
        );
        assert_eq!(method.indent, "    ");
        assert!(outline("def f(:").is_err());
    }

    #[test]
    fn a_definition_moves_without_its_strings() {
        let moved = moved_definition(SOURCE, 13, "\t").expect("a method");
        assert_eq!(
            moved,
            "\tdef g(self):\n\t    text = \"\"\"one\ntwo\"\"\"\n\t    # comment\n\n\t    return text\n"
        );
        let same = moved_definition(SOURCE, 13, "    ").expect("a method");
        assert!(SOURCE.contains(&same), "{same}");
        assert_eq!(moved_definition(SOURCE, 2, ""), None);
    }
}
