//! Puts a program's definition of a function into the repository's file, in place of the original.

use slm_metrics::syntax::{OutlineItem, OutlineKind, outline, parses};

use crate::additions::{Definition, LeftOut, additions, is_text, moved};
use crate::fault::SpliceFault;

/// The place of a function in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// `function` or `Class.method`.
    pub(crate) qualified_name: &'a str,
    /// First line, including decorators.
    pub(crate) first_line: usize,
}

/// A file with a program's definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spliced {
    pub(crate) text: String,
    /// Statements of the program that the file does not contain.
    pub(crate) left_out: LeftOut,
}

/// Returns the text of a file with the function at `place` replaced by the program's; `None` if the file does not
/// contain the function.
///
/// The original's decorators remain. What the program adds to its prompt and to the file is kept:
/// - imports, functions, classes, assignments, and `try` and `if` blocks of imports and assignments, precede the
///   top-level statement that contains the function;
/// - after the definition, the first such assignment or block that uses it and those after that follow the end of the
///   file;
/// - imports of `__future__` follow the docstring of the file;
/// - new methods, classes and attributes of the method's class precede the method.
///
/// Other statements, such as prints of examples, are left out. So are members of the class that the file's class
/// has with other values.
pub(crate) fn splice(
    file: &str,
    place: Place<'_>,
    prompt: &str,
    program: &str,
) -> Option<Result<Spliced, SpliceFault>> {
    let items = outline(file).ok()?;
    let original = find_place(&items, place)?;
    Some(splice_at(file, &items, original, place, prompt, program))
}

fn splice_at(
    file: &str,
    items: &[OutlineItem],
    original: Definition<'_>,
    place: Place<'_>,
    prompt: &str,
    program: &str,
) -> Result<Spliced, SpliceFault> {
    let written = outline(program).map_err(|_| SpliceFault::Unparsable)?;
    let definition =
        find_definition(&written, place.qualified_name).ok_or(SpliceFault::NoDefinition)?;
    let added = additions(&written, definition, prompt, items, original)?;
    let Definition {
        container,
        item: original,
    } = original;
    let definition = moved(definition.item, &original.indent).ok_or(SpliceFault::DoesNotFit)?;
    let first_line = line_of_futures(items);
    let mut text = String::with_capacity(file.len() + program.len());
    for (number, line) in (1..).zip(normal_lines(file).lines()) {
        if number == first_line {
            text.push_str(&added.futures);
        }
        if number == container.first_line {
            text.push_str(&added.before);
        }
        if number == original.first_line {
            text.push_str(&added.members);
        }
        if number == original.keyword_line {
            text.push_str(&definition);
        }
        if !(original.keyword_line..=original.last_line).contains(&number) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&added.at_end);
    if parses(&text) {
        Ok(Spliced {
            text,
            left_out: added.left_out,
        })
    } else {
        Err(SpliceFault::DoesNotFit)
    }
}

/// Returns the first line of the first statement after the docstring of a file.
fn line_of_futures(items: &[OutlineItem]) -> usize {
    let first = match items {
        [docstring, second, ..] if is_text(&docstring.text) => Some(second),
        _ => items.first(),
    };
    first.map_or(1, |item| item.first_line)
}

/// Converts line ends as Python does.
fn normal_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Returns the place of a function in a file.
fn find_place<'a>(items: &'a [OutlineItem], place: Place<'_>) -> Option<Definition<'a>> {
    let is_it = |item: &OutlineItem, name: &str| {
        item.kind == OutlineKind::Function
            && item.name.as_deref() == Some(name)
            && item.first_line == place.first_line
    };
    match place.qualified_name.split_once('.') {
        None => {
            let item = items
                .iter()
                .find(|item| is_it(item, place.qualified_name))?;
            Some(Definition {
                container: item,
                item,
            })
        }
        Some((class, name)) => items
            .iter()
            .filter(|item| item.name.as_deref() == Some(class))
            .find_map(|container| {
                let item = container.members.iter().find(|item| is_it(item, name))?;
                Some(Definition { container, item })
            }),
    }
}

/// Returns the definition of `function` or `Class.method` in a program that a run would test, at the left margin and
/// without decorators; `None` if there is none.
pub fn definition_in(program: &str, qualified_name: &str) -> Option<String> {
    let written = outline(program).ok()?;
    moved(find_definition(&written, qualified_name)?.item, "")
}

/// Returns the place of a program's last definition of the function. A program may define a method outside its class.
fn find_definition<'a>(written: &'a [OutlineItem], qualified_name: &str) -> Option<Definition<'a>> {
    let (class, name) = match qualified_name.split_once('.') {
        Some((class, name)) => (Some(class), name),
        None => (None, qualified_name),
    };
    let is_function = |item: &&OutlineItem| {
        item.kind == OutlineKind::Function && item.name.as_deref() == Some(name)
    };
    let in_class = class.and_then(|class| {
        let items = written.iter().rev();
        items
            .filter(|item| item.name.as_deref() == Some(class))
            .find_map(|container| {
                let item = container.members.iter().rev().find(is_function)?;
                Some(Definition { container, item })
            })
    });
    in_class.or_else(|| {
        let item = written.iter().rev().find(is_function)?;
        Some(Definition {
            container: item,
            item,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_definition_of_a_function_or_method_is_found() {
        let program = "def f():\n    return 1\n\nclass A:\n    @a\n    def f(self):\n        return 2\n    def f(self):\n        return 3\n\ndef g():\n    return 4\n";
        assert_eq!(
            definition_in(program, "f").as_deref(),
            Some("def f():\n    return 1\n")
        );
        assert_eq!(
            definition_in(program, "A.f").as_deref(),
            Some("def f(self):\n    return 3\n")
        );
        assert_eq!(
            definition_in(program, "A.g").as_deref(),
            Some("def g():\n    return 4\n")
        );
        assert_eq!(definition_in(program, "A.h"), None);
    }

    const FILE: &str = "\
import os

@cache
def f(x):
    '''F.'''
    return x

class C:
\t@property
\tdef g(self):
\t\t'''G.'''
\t\treturn 1

\tdef h(self):
\t\treturn 2
";

    const F: Place<'static> = Place {
        qualified_name: "f",
        first_line: 3,
    };
    const G: Place<'static> = Place {
        qualified_name: "C.g",
        first_line: 9,
    };

    fn of(place: Place<'_>, prompt: &str, program: &str) -> Result<Spliced, SpliceFault> {
        splice(FILE, place, prompt, program).expect("the function")
    }

    fn text_of(place: Place<'_>, prompt: &str, program: &str) -> String {
        of(place, prompt, program).expect("a file").text
    }

    #[test]
    fn the_original_gives_the_same_file() {
        let prompt = "@cache\ndef f(x):\n    '''F.'''\n";
        let program = format!("{prompt}    return x\n");
        assert_eq!(text_of(F, prompt, &program), FILE);
        let prompt = "class C:\n\t@property\n\tdef g(self):\n\t\t'''G.'''\n";
        let program = format!("{prompt}\t\treturn 1\n");
        assert_eq!(text_of(G, prompt, &program), FILE);
    }

    #[test]
    fn what_a_program_declares_is_kept_and_examples_are_left_out() {
        let prompt = "@cache\ndef f(x):\n    '''F.'''\n";
        let program = "\
\"\"\"A program.\"\"\"
from __future__ import annotations
import os
import re
K = 1
def f(x):
    return helper(x)
def helper(x):
    return K + L
try:
    import json
except ImportError:
    json = None
L = 2
L += 1
y = f(1)
z = [y,
1]
print(y)
if y:
    print(z)
";
        let made = of(F, prompt, program).expect("a file");
        let text = &made.text;
        assert!(
            text.starts_with(
                "from __future__ import annotations\nimport os\n\nimport re\nK = 1\ndef helper(x):\n    return K + L\ntry:\n    import json\nexcept ImportError:\n    json = None\nL = 2\nL += 1\n@cache\ndef f(x):\n    return helper(x)\n\nclass C:"
            ),
            "{text}"
        );
        assert!(
            text.ends_with("\t\treturn 2\ny = f(1)\nz = [y,\n1]\n"),
            "{text}"
        );
        assert_eq!(
            made.left_out.explain(""),
            "left out of the program: print(y); if y:..."
        );
    }

    #[test]
    fn imports_of_the_future_follow_the_docstring_unless_the_file_has_them() {
        let program = "from __future__ import annotations\ndef f(): return 1\n";
        let place = |first_line| Place {
            qualified_name: "f",
            first_line,
        };
        for (file, first_line, expected) in [
            (
                "# c\n\"\"\"D\nD.\"\"\"\n'other'\ndef f(): return 2\n",
                5,
                "# c\n\"\"\"D\nD.\"\"\"\nfrom __future__ import annotations\n'other'\ndef f(): return 1\n",
            ),
            (
                "'D.'\nfrom __future__ import annotations\ndef f(): return 2\n",
                3,
                "'D.'\nfrom __future__ import annotations\ndef f(): return 1\n",
            ),
        ] {
            let made = splice(file, place(first_line), "", program).expect("the function");
            assert_eq!(made.expect("a file").text, expected);
        }
    }

    #[test]
    fn a_method_is_found_in_and_outside_its_class_and_indented_as_the_file() {
        let program = "\
class C:
    @staticmethod
    def new():
        return 3
    table: dict = {
        1: 2}
    def g(self):
        return '''
    x'''
    def h(self):
        return 5
";
        let made = of(G, "", program).expect("a file");
        let text = &made.text;
        assert!(
            text.contains(
                "class C:\n\t@staticmethod\n\tdef new():\n\t    return 3\n\n\ttable: dict = {\n        1: 2}\n\t@property\n\tdef g(self):\n\t    return '''\n    x'''\n\n\tdef h(self):\n\t\treturn 2\n"
            ),
            "{text}"
        );
        assert_eq!(
            made.left_out.explain(""),
            "left out of the program: def h(self):..."
        );
        let text = text_of(G, "", "def g(self): return 7");
        assert!(
            text.contains("\t@property\n\tdef g(self): return 7\n"),
            "{text}"
        );
    }

    #[test]
    fn a_form_feed_before_a_definition_does_not_matter() {
        let text = text_of(F, "", "\x0cdef f(x): return 7\n");
        assert!(text.contains("@cache\ndef f(x): return 7\n"), "{text}");
        let text = text_of(G, "", "class C:\n\x0c  def g(self): return 7\n");
        assert!(text.contains("\tdef g(self): return 7\n"), "{text}");
    }

    #[test]
    fn many_new_methods_are_moved_one_by_one() {
        let methods = (0..2_000).fold(String::new(), |text, i| {
            text + &format!("    def m{i}(self):\n        return {i}\n")
        });
        let program = format!("class C:\n{methods}    def g(self):\n        return 7\n");
        let text = text_of(G, "", &program);
        assert_eq!(text.matches("\tdef m").count(), 2_000);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (program, fault) in [
            ("def f(x) return", SpliceFault::Unparsable),
            ("def h(x): return 1", SpliceFault::NoDefinition),
            ("f = 1", SpliceFault::NoDefinition),
        ] {
            assert_eq!(of(F, "", program), Err(fault));
        }
        let moved = Place { first_line: 2, ..F };
        let program = "def f(x): return 1";
        assert_eq!(splice(FILE, moved, "", program), None);
    }
}
