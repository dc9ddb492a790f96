//! Functions as documentation: what is needed to call them, without their bodies.

use slm_metrics::syntax::{Definition, definitions};
use slm_retrieval::{Chunk, ChunkKind};

/// Returns a documented function as a page of documentation; `None` for other chunks.
///
/// Shown the body of a function that they should call, small models copy it, with private names that they lack; shown
/// signature and docstring as code, they end their own function after its docstring.
pub(super) fn documentation(chunk: &Chunk) -> Option<String> {
    if chunk.kind != ChunkKind::Function {
        return None;
    }
    let definitions = definitions(&chunk.text).ok()?;
    let function = definitions.first()?;
    let docstring = dedented(function.docstring.as_deref()?);
    let call = call(&chunk.name, function)?;
    let source = &chunk.source;
    Some(format!("### `{call}` ({source})\n\n{docstring}\n"))
}

/// Returns the qualified name with the parameters.
fn call(name: &str, function: &Definition) -> Option<String> {
    let parameters = &function.signature[function.signature.find('(')?..];
    let parameters: Vec<&str> = parameters.split_whitespace().collect();
    Some(format!(
        "{name}{}",
        parameters.join(" ").trim_end_matches(':').trim_end()
    ))
}

/// Removes the indentation that the lines after the first share.
fn dedented(docstring: &str) -> String {
    let indent_of = |line: &&str| line.len() - line.trim_start().len();
    let later = docstring.lines().skip(1);
    let indent = later.filter(|line| !line.trim().is_empty());
    let indent = indent.map(|line| indent_of(&line)).min().unwrap_or(0);
    let lines = docstring.lines().enumerate();
    let lines: Vec<&str> = lines
        .map(|(at, line)| match at {
            0 => line.trim(),
            _ => line.get(indent..).unwrap_or_default().trim_end(),
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let lines = (1, text.lines().count());
        let chunk = Chunk::new("m.py", ChunkKind::Function, "C.f", lines, text);
        documentation(&chunk)
    }

    #[test]
    fn a_documented_function_is_its_call_and_docstring() {
        for (text, expected) in [
            (
                "@cached\ndef f(\n    x: int,\n) -> int:\n    \"\"\"Twice x.\n\n    >>> f(1)\n    2\n    \"\"\"\n    y = _SECRET\n    return y\n",
                "### `C.f( x: int, ) -> int` (m.py)\n\nTwice x.\n\n>>> f(1)\n2\n",
            ),
            (
                "async def f(self):\n    '''Waits.'''\n    def g():\n        \"\"\"Inner.\"\"\"\n    return g\n",
                "### `C.f(self)` (m.py)\n\nWaits.\n",
            ),
            (
                "def f(x): \"Twice x.\"\n",
                "### `C.f(x)` (m.py)\n\nTwice x.\n",
            ),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_has_no_docstring_is_shown_as_it_is() {
        for text in ["def f(x):\n    return 2 * x\n", "def f(x:\n"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
