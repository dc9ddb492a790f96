//! Partial programs: a function whose body ends after some of its statements.

use slm_artifacts::FinishReason;
use slm_metrics::syntax::parses;

/// The spaces of one level of indentation.
const LEVEL: usize = 4;

/// How the text of a function's body continues after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuation {
    /// By another statement.
    Open,
    /// The body is complete.
    Complete,
    /// The answer was cut within a statement.
    Cut,
}

/// Returns how a body continues after the answer that should be its next statement: an answer that another statement follows
/// ends with a line end, and one of no statement ends the body.
pub(super) fn continuation(answer: &str, finish: FinishReason) -> Continuation {
    if finish != FinishReason::Stop {
        Continuation::Cut
    } else if answer.trim().is_empty() || !answer.ends_with('\n') {
        Continuation::Complete
    } else {
        Continuation::Open
    }
}

/// Whether the text that a model was given and wrote parses, so that another statement may follow.
pub(super) fn parses_as_prefix(begun: &str, answer: &str) -> bool {
    let source = begun.rsplit("```python\n").next().unwrap_or_default();
    parses(&format!("{source}{answer}"))
}

/// Returns the indentation of a body, in characters, from the prompt that ends before it: that of the docstring, or else
/// one level below the signature.
pub(super) fn body_indent(prompt: &str) -> usize {
    let depth = |line: &str| line.chars().count() - line.trim_start().chars().count();
    let lines: Vec<&str> = prompt.lines().collect();
    let is_signature = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("def ") || line.starts_with("async def ")
    };
    let Some(at) = lines.iter().rposition(is_signature) else {
        return 0;
    };
    let signature = depth(lines[at]);
    let docstring = lines[at + 1..].iter().find(|line| {
        let text = line.trim_start_matches([' ', '\t', 'r', 'R']);
        text.starts_with("\"\"\"") || text.starts_with("'''")
    });
    docstring
        .map(|line| depth(line))
        .filter(|&depth| depth > signature)
        .unwrap_or(signature + LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_begins_under_the_docstring() {
        for (prompt, expected) in [
            ("def f(x):\n    \"\"\"Twice.\"\"\"\n", 4),
            (
                "def f(x):\n  r\"\"\"Twice.\n\n  >>> f(1)\n  2\n  \"\"\"\n",
                2,
            ),
            ("def f(x):\n\t'''Twice.'''\n", 1),
            ("class A:\n    def f(self,\n          x):\n", 8),
            ("def g():\n    pass\n\ndef f(x):\n", 4),
            ("# a script\n", 0),
        ] {
            assert_eq!(body_indent(prompt), expected, "{prompt:?}");
        }
    }

    #[test]
    fn an_answer_goes_on_is_complete_or_was_cut() {
        use FinishReason::{Length, Stop};
        for (answer, finish, expected) in [
            ("    x = 1\n", Stop, Continuation::Open),
            ("    return 1", Stop, Continuation::Complete),
            ("", Stop, Continuation::Complete),
            ("\n", Stop, Continuation::Complete),
            ("    x = 1\n", Length, Continuation::Cut),
        ] {
            assert_eq!(continuation(answer, finish), expected, "{answer:?}");
        }
    }

    #[test]
    fn whole_statements_are_a_prefix() {
        let begun = "```python\ndef f(x):\n    y = x\n";
        assert!(parses_as_prefix(begun, "    if y:\n        y += 1\n"));
        assert!(!parses_as_prefix(begun, "    if y\n"));
        assert!(parses_as_prefix("def f(x):\n", "    y = 1\n"));
    }
}
