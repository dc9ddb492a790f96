//! Functions without their bodies: what is needed to call them.

use slm_metrics::syntax::definitions;
use slm_retrieval::{Chunk, ChunkKind};

/// Returns a chunk as a prompt shows it: of a documented function signature and docstring, of others the text.
///
/// Shown the body of a function that they should call, small models copy it, with private names that they lack; shown
/// `...` in its place, they answer with that.
pub(super) fn interface(chunk: &Chunk) -> String {
    without_body(chunk).unwrap_or_else(|| chunk.text.clone())
}

fn without_body(chunk: &Chunk) -> Option<String> {
    if chunk.kind != ChunkKind::Function {
        return None;
    }
    let definitions = definitions(&chunk.text).ok()?;
    let function = definitions.first()?;
    let (first, last) = function.docstring_lines?;
    let kept: Vec<&str> = chunk.text.lines().take(last).collect();
    // The line of a docstring beside the signature may hold the body, too.
    let is_below = first > function.signature_last_line;
    is_below.then(|| kept.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let lines = (1, text.lines().count());
        let chunk = Chunk::new("m.py", ChunkKind::Function, "f", lines, text);
        interface(&chunk)
    }

    #[test]
    fn a_documented_function_is_its_signature_and_docstring() {
        for (text, expected) in [
            (
                "@cached\ndef f(\n    x,\n):\n    \"\"\"Twice x.\n\n    >>> f(1)\n    2\n    \"\"\"\n    y = _SECRET\n    return y\n",
                "@cached\ndef f(\n    x,\n):\n    \"\"\"Twice x.\n\n    >>> f(1)\n    2\n    \"\"\"\n",
            ),
            (
                "async def f(self):\n    '''Waits.'''\n    def g():\n        \"\"\"Inner.\"\"\"\n    return g\n",
                "async def f(self):\n    '''Waits.'''\n",
            ),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn what_has_no_docstring_or_no_body_is_shown_whole() {
        for text in [
            "def f(x):\n    return 2 * x\n",
            "def f(x): \"Twice x.\"\n",
            "def f(x:\n",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
