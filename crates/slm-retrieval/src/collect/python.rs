//! Chunks of Python: functions and classes of code, and the public objects of a package.

use std::fmt::Write as _;

use slm_metrics::syntax::{
    Definition, DefinitionKind, SyntaxError, definitions, exported_names, module_docstring,
};

use crate::chunk::{Chunk, ChunkKind};
use crate::lines::module_name;

/// Returns the functions, methods and classes of a file, except those inside functions, in the order of the text.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub(super) fn code_chunks(source: &str, text: &str) -> Result<Vec<Chunk>, SyntaxError> {
    let all = definitions(text)?;
    let lines: Vec<&str> = text.split('\n').collect();
    let mut chunks = Vec::new();
    for (at, definition) in all.iter().enumerate().filter(|(_, d)| !d.is_local) {
        let span = (definition.first_line, definition.last_line);
        let (kind, own) = match definition.kind {
            DefinitionKind::Assignment => continue,
            DefinitionKind::Class => (ChunkKind::Class, class_text(&lines, &all, at)),
            _ => (
                ChunkKind::Function,
                lines[span.0 - 1..span.1].join("\n") + "\n",
            ),
        };
        let name = &*definition.qualified_name;
        chunks.push(Chunk::new(source, kind, name, span, dedented(&own)));
    }
    Ok(chunks)
}

/// Returns the header of a class, its docstring and attributes, and the headers of its methods and inner classes.
fn class_text(lines: &[&str], all: &[Definition], class: usize) -> String {
    let definition = &all[class];
    let mut shown = Shown {
        lines,
        text: String::new(),
        last: 0,
    };
    shown.lines(definition.first_line, definition.signature_last_line);
    if let Some((from, to)) = definition.docstring_lines {
        shown.lines(from, to);
    }
    for member in all.iter().filter(|d| d.parent == Some(class)) {
        if member.kind == DefinitionKind::Assignment {
            shown.lines(member.first_line, member.last_line);
        } else {
            shown.header(member);
        }
    }
    shown.text
}

/// Lines of a file, each shown once.
struct Shown<'a> {
    lines: &'a [&'a str],
    text: String,
    last: usize,
}

impl Shown<'_> {
    fn lines(&mut self, from: usize, to: usize) {
        for number in from.max(self.last + 1)..=to {
            self.text.push_str(self.lines[number - 1]);
            self.text.push('\n');
        }
        self.last = self.last.max(to);
    }

    /// Shows the decorators and the signature of a definition, with `...` as its body.
    fn header(&mut self, of: &Definition) {
        if of.first_line <= self.last {
            return;
        }
        self.lines(of.first_line, of.keyword_line - 1);
        let keyword = self.lines[of.keyword_line - 1];
        let indent = &keyword[..keyword.len() - keyword.trim_start().len()];
        self.text.push_str(indent);
        self.text.push_str(&of.signature);
        self.text.push_str(" ...\n");
        self.last = of.signature_last_line;
    }
}

/// Removes the indentation of the first line from all lines that have it.
pub(super) fn dedented(text: &str) -> String {
    let indent = &text[..text.len() - text.trim_start_matches([' ', '\t']).len()];
    if indent.is_empty() {
        return text.to_owned();
    }
    let line = |line: &str| line.strip_prefix(indent).unwrap_or(line).to_owned();
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the public objects of a package's file: the module, and its functions, classes and methods without a leading
/// underscore in their names. Of a literal `__all__` only what it names is public.
///
/// `is_shown` decides by the name of a top-level definition, for a module that is itself private.
///
/// # Errors
/// [`SyntaxError`] if it is not Python.
pub(super) fn object_chunks(
    source: &str,
    text: &str,
    is_shown: &dyn Fn(&str) -> bool,
) -> Result<Vec<Chunk>, SyntaxError> {
    let all = definitions(text)?;
    let module = module_name(source);
    let exported = exported_names(text);
    let mut chunks = Vec::new();
    let is_private_module = module.split('.').any(|part| part.starts_with('_'));
    if !is_private_module && let Some((docstring, lines)) = module_docstring(text) {
        chunks.extend(object(source, &module, lines, &docstring));
    }
    let mut public = vec![false; all.len()];
    for (at, definition) in all.iter().enumerate() {
        public[at] = match definition.parent {
            None => {
                let name = &definition.name;
                is_shown(name)
                    && match &exported {
                        Some(names) => names.contains(name),
                        None => !name.starts_with('_'),
                    }
            }
            Some(parent) => {
                public[parent] && !definition.is_local && !definition.name.starts_with('_')
            }
        };
        if !public[at] || definition.kind == DefinitionKind::Assignment {
            continue;
        }
        let mut documented = signature(definition);
        let mut last_line = definition.signature_last_line;
        let init = all
            .iter()
            .find(|of| of.parent == Some(at) && of.name == "__init__");
        let parts = [Some(definition), init];
        for (place, part) in parts.into_iter().flatten().enumerate() {
            if place == 1 {
                let _ = write!(documented, "\n    {}", signature(part));
                last_line = last_line.max(part.signature_last_line);
            }
            if let Some(docstring) = &part.docstring {
                documented.push('\n');
                documented.push_str(&undented(docstring));
                let end = part.docstring_lines.map_or(0, |lines| lines.1);
                last_line = last_line.max(end);
            }
        }
        let name = format!("{module}.{}", definition.qualified_name);
        let lines = (definition.first_line, last_line);
        chunks.extend(object(source, &name, lines, &documented));
    }
    Ok(chunks)
}

fn object(source: &str, name: &str, lines: (usize, usize), text: &str) -> Option<Chunk> {
    let text = text.trim();
    (!text.is_empty()).then(|| Chunk::new(source, ChunkKind::Object, name, lines, text))
}

fn signature(definition: &Definition) -> String {
    let signature = definition.signature.trim_end();
    signature.strip_suffix(':').unwrap_or(signature).to_owned()
}

/// Removes the indentation that the lines of a docstring after the first share.
///
/// # Source
/// PEP 257, handling docstring indentation.
fn undented(docstring: &str) -> String {
    let indent = docstring
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let mut text = String::new();
    for (at, line) in docstring.lines().enumerate() {
        let line = if at == 0 {
            line.trim_start()
        } else {
            // Shorter lines are blank.
            line.get(indent..).unwrap_or_default()
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChunkKind::{Class, Function};

    const SOURCE: &str = "\
\"\"\"The module.\"\"\"

class Box(Base):
    \"\"\"A box.

    It is square.
    \"\"\"

    size: int = 1

    def __init__(self, size):
        \"\"\"Make it.\"\"\"
        self.size = size

    @property
    def area(self) -> int:
        \"\"\"Its area.\"\"\"
        return self.size ** 2

    def _private(self): return 1

    class Lid: pass


def top(box):
    \"\"\"Find the top.\"\"\"
    def inner(): pass
    return inner(box)
";

    fn short(chunks: &[Chunk]) -> Vec<(ChunkKind, &str, (usize, usize))> {
        chunks
            .iter()
            .map(|c| (c.kind, c.name.as_str(), c.lines))
            .collect()
    }

    #[test]
    fn functions_methods_and_classes_are_chunks() {
        let chunks = code_chunks("a.py", SOURCE).expect("Python");
        assert_eq!(
            short(&chunks),
            [
                (Class, "Box", (3, 22)),
                (Function, "Box.__init__", (11, 13)),
                (Function, "Box.area", (15, 18)),
                (Function, "Box._private", (20, 20)),
                (Class, "Box.Lid", (22, 22)),
                (Function, "top", (25, 28)),
            ]
        );
        assert_eq!(
            chunks[0].text,
            "class Box(Base):\n    \"\"\"A box.\n\n    It is square.\n    \"\"\"\n    size: int = 1\n    def __init__(self, size): ...\n    @property\n    def area(self) -> int: ...\n    def _private(self): ...\n    class Lid: ...\n"
        );
        assert_eq!(
            chunks[2].text,
            "@property\ndef area(self) -> int:\n    \"\"\"Its area.\"\"\"\n    return self.size ** 2\n"
        );
        assert!(code_chunks("a.py", "def f(").is_err());
    }

    #[test]
    fn public_objects_have_signature_and_docstring() {
        let chunks = object_chunks("pip:box/core.py", SOURCE, &|_| true).expect("Python");
        let texts: Vec<_> = chunks
            .iter()
            .map(|c| (c.name.as_str(), c.lines, c.text.as_str()))
            .collect();
        assert_eq!(
            texts,
            [
                ("box.core", (1, 1), "The module."),
                (
                    "box.core.Box",
                    (3, 12),
                    "class Box(Base)\nA box.\n\nIt is square.\n    def __init__(self, size)\nMake it."
                ),
                (
                    "box.core.Box.area",
                    (15, 17),
                    "def area(self) -> int\nIts area."
                ),
                ("box.core.Box.Lid", (22, 22), "class Lid"),
                ("box.core.top", (25, 26), "def top(box)\nFind the top."),
            ]
        );
    }

    #[test]
    fn exports_and_the_caller_limit_what_is_public() {
        let source = "__all__ = ['a', '_b']\ndef a(): pass\ndef _b(): pass\ndef c(): pass\n";
        let names = |is_shown: &dyn Fn(&str) -> bool| -> Vec<String> {
            let chunks = object_chunks("pip:m/m.py", source, is_shown).expect("Python");
            chunks.into_iter().map(|c| c.name).collect()
        };
        assert_eq!(names(&|_| true), ["m.m.a", "m.m._b"]);
        assert_eq!(names(&|name| name == "a"), ["m.m.a"]);
    }
}
