//! Docstrings in a prompt, and examples in a docstring.

use slm_metrics::syntax::{is_call_with_literals, is_literal};

const PROMPT: &str = ">>>";
const CONTINUATION: &str = "...";

/// Returns the triple-quoted texts in Python source, without their quotes.
pub(crate) fn all(source: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some((start, quotes)) = first_quotes(rest) {
        let inside = &rest[start + quotes.len()..];
        let Some(end) = inside.find(quotes) else {
            break;
        };
        found.push(&inside[..end]);
        rest = &inside[end + quotes.len()..];
    }
    found
}

fn first_quotes(source: &str) -> Option<(usize, &'static str)> {
    [r#"""""#, "'''"]
        .into_iter()
        .filter_map(|quotes| Some((source.find(quotes)?, quotes)))
        .min()
}

/// Writes a text as the docstring of a module, followed by a newline.
pub(crate) fn module(text: &str) -> String {
    let escaped = text
        .trim()
        .replace('\\', "\\\\")
        .replace("\"\"\"", "\\\"\\\"\\\"");
    format!("\"\"\"\n{escaped}\n\"\"\"\n")
}

/// Halves the doubled backslashes of a docstring, which are required without the prefix `r`. A single backslash is
/// kept.
pub(crate) fn unescaped(docstring: &str) -> String {
    docstring.replace("\\\\", "\\")
}

/// Splits a test module that consists only of `def check(candidate)` with one assertion per line into separate tests;
/// `None` for any other module.
pub(crate) fn asserts_of_check(source: &str) -> Option<Vec<String>> {
    let mut lines = source.lines().filter(|line| !line.trim().is_empty());
    if lines.next()?.trim_end() != "def check(candidate):" {
        return None;
    }
    lines
        .map(|line| {
            line.strip_prefix("    ")
                .filter(|line| line.starts_with("assert "))
                .map(str::to_owned)
        })
        .collect::<Option<Vec<_>>>()
        .filter(|tests| !tests.is_empty())
}

/// Returns the text of a docstring before its first example.
pub(crate) fn description(docstring: &str) -> &str {
    docstring.split(PROMPT).next().unwrap_or_default()
}

/// Returns the examples of a docstring as tests: `>>> f(1)` with `2` below becomes `assert f(1) == 2`.
///
/// Examples up to a blank line belong together. If one of them has no value, it serves to prepare the others, and all
/// become one test; otherwise each is a separate test. Values are compared with `==`, not by their text as in
/// Python's doctest: `1.0` equals `1`.
pub(crate) fn examples(docstring: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut session: Vec<Example> = Vec::new();
    for line in docstring.lines().map(str::trim).chain([""]) {
        if let Some(code) = line.strip_prefix(PROMPT) {
            session.push(Example {
                code: code.trim().to_owned(),
                expected: String::new(),
            });
        } else if line.is_empty() {
            tests.extend(session_tests(&session));
            session.clear();
        } else if let Some(example) = session.last_mut() {
            match line.strip_prefix(CONTINUATION) {
                Some(code) if example.expected.is_empty() => {
                    example.code.push('\n');
                    // One space belongs to the marker, the rest is Python's indentation.
                    example
                        .code
                        .push_str(code.strip_prefix(' ').unwrap_or(code));
                }
                _ => example.expected.push_str(line),
            }
        }
    }
    tests
}

/// What separates a call from its value where a docstring writes an example in one line; the first that matches counts.
const SEPARATORS: [&str; 12] = [
    "==>",
    "==",
    "=>",
    "➞",
    "→",
    "->",
    "=",
    "# =>",
    "# returns",
    "returns",
    "should return",
    "should be",
];

/// What may precede such an example in its line.
const BEFORE: [&str; 6] = ["", "*", "-", "for", "For", "Example:"];

/// Returns the examples of `function` that a docstring writes in one line, as tests: `f(1) ➞ 2` and `f(1) should return 2.`
/// become `assert f(1) == 2`.
///
/// Arguments and value must be literals: other lines describe, and some calls are no Python. `true` and `false` are read as
/// Python's. Of `1 + 9 = 10` the last value counts. A line such as `f(n) = n + 1` is a
/// definition; then `=` marks no example.
pub(crate) fn written_examples(docstring: &str, function: &str) -> Vec<String> {
    let lines = || docstring.lines().map(str::trim);
    let begun = format!("{function}(");
    let defines = |line: &str| {
        let Some((arguments, value)) = line.strip_prefix(&begun).and_then(|of| of.split_once(')'))
        else {
            return false;
        };
        let is_name =
            |of: &str| of.trim().chars().all(char::is_alphabetic) && !of.trim().is_empty();
        is_name(arguments) && value.trim_start().starts_with("= ")
    };
    let defined = lines().any(defines);
    let examples = lines().filter_map(|line| written(line, function));
    examples
        .filter(|(separator, _)| !(defined && *separator == "="))
        .map(|(_, test)| test)
        .collect()
}

/// Returns the separator and the test of a line.
fn written(line: &str, function: &str) -> Option<(&'static str, String)> {
    let start = line.find(&format!("{function}("))?;
    if !BEFORE.contains(&line[..start].trim()) {
        return None;
    }
    let line = &line[start..];
    // The shortest prefix that is a call: a bracket may be inside of a text.
    let mut ends = line.match_indices(')').map(|(at, _)| at + 1);
    let end = ends.find(|&end| is_call_with_literals(&line[..end], function))?;
    let (call, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let separator = SEPARATORS.into_iter().find(|of| rest.starts_with(of))?;
    let value = value(rest[separator.len()..].trim())?;
    Some((separator, format!("assert {call} == {value}")))
}

/// Returns the value at the start of a text, without what explains it.
fn value(text: &str) -> Option<&str> {
    let without_note = |mark: &str| text.split(mark).next().unwrap_or_default();
    let candidates = [
        without_note(" #"),
        text,
        without_note(" ("),
        text.rsplit('=').next().unwrap_or_default(),
    ];
    let candidates = candidates.map(|of| of.trim().trim_end_matches(['.', ',', ';']));
    candidates.into_iter().find_map(|value| match value {
        "true" => Some("True"),
        "false" => Some("False"),
        value => is_literal(value).then_some(value),
    })
}

struct Example {
    code: String,
    /// Empty if the example has no value.
    expected: String,
}

fn session_tests(session: &[Example]) -> Vec<String> {
    let tests: Vec<String> = session.iter().map(Example::test).collect();
    if session.iter().any(|example| example.expected.is_empty()) {
        vec![tests.join("\n")]
    } else {
        tests
    }
}

impl Example {
    fn test(&self) -> String {
        let Self { code, expected } = self;
        if expected.is_empty() {
            code.clone()
        } else if binds_weaker_than_equality(code) {
            format!("assert ({code}) == {expected}")
        } else {
            format!("assert {code} == {expected}")
        }
    }
}

/// Whether `code == value` might mean something else than `(code) == value`. False positives are possible, for
/// example for a string that contains such a word.
fn binds_weaker_than_equality(code: &str) -> bool {
    const OPERATORS: [&str; 12] = [
        "\n", " in ", " is ", "not ", "<", ">", "==", "!=", " and ", " or ", " if ", "lambda",
    ];
    OPERATORS.iter().any(|operator| code.contains(operator))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(docstring: &str, expected: &[&str]) {
        assert_eq!(examples(docstring), expected, "{docstring}");
    }

    #[test]
    fn an_example_in_one_line_is_a_test_if_all_in_it_is_literal() {
        for (line, expected) in [
            ("f(1) == 2", "f(1) == 2"),
            ("  * f([1, 2], 'a)') ➞ [2, 1]", "f([1, 2], 'a)') == [2, 1]"),
            ("for f(3) => true", "f(3) == True"),
            ("f(1)==>False", "f(1) == False"),
            ("f(1) should return -1.", "f(1) == -1"),
            (
                "f(\"a.b\") # => 'No' (the name is wrong)",
                "f(\"a.b\") == 'No'",
            ),
            ("f(2)   # returns \"x\"", "f(2) == \"x\""),
            ("f(5, 19) ->19 - 5 - 6 = 8", "f(5, 19) == 8"),
            (
                "f(5) returns [1, 5] # The others are even.",
                "f(5) == [1, 5]",
            ),
            ("f(71) == 6.00", "f(71) == 6.00"),
        ] {
            let found = written_examples(&format!("Text.\n{line}\n"), "f");
            assert_eq!(found, [format!("assert {expected}")], "{line}");
        }
        for line in [
            "f(a) => False",
            "f() returns the result",
            "f(n) = 1 + n / 2, if n is even.",
            "if f(1) == 2 then",
            "g(1) == 2",
            "f(2) = 1 + (2 / 2)",
            "f(1) == \"\"a\"",
            "f(1) != 2",
            "f(1)",
            "f([",
        ] {
            assert_eq!(written_examples(line, "f"), [""; 0], "{line}");
        }
        let definition = "f(1) = 3\nf(n) = 1 + n / 2\nf(4) == 3";
        assert_eq!(written_examples(definition, "f"), ["assert f(4) == 3"]);
    }

    #[test]
    fn each_example_with_a_value_is_a_test() {
        check(
            "Adds.\n\n    >>> f(1)\n    2\n    >>> f(2)\n    3\n    ",
            &["assert f(1) == 2", "assert f(2) == 3"],
        );
    }

    #[test]
    fn examples_around_one_without_a_value_are_one_test() {
        check(
            ">>> s = Stack()\n>>> s.push(1)\n>>> s.pop()\n1\n\n>>> len(Stack())\n0",
            &[
                "s = Stack()\ns.push(1)\nassert s.pop() == 1",
                "assert len(Stack()) == 0",
            ],
        );
    }

    #[test]
    fn weaker_operators_are_set_in_parentheses() {
        check(">>> f(1) is None\nTrue", &["assert (f(1) is None) == True"]);
        check(">>> not f(1)\nTrue", &["assert (not f(1)) == True"]);
    }

    #[test]
    fn code_and_values_may_span_lines() {
        check(
            ">>> f([1,\n...    2])\n[1,\n 2]",
            &["assert (f([1,\n   2])) == [1,2]"],
        );
    }

    #[test]
    fn a_docstring_without_examples_has_none() {
        check("Adds two numbers.\n\nAnd nothing else.", &[]);
    }

    #[test]
    fn all_docstrings_of_a_source_are_found() {
        let source = "def f():\n    \"\"\"One.\"\"\"\ndef g():\n    '''Two \"\"\" quotes.'''\n";
        assert_eq!(all(source), ["One.", "Two \"\"\" quotes."]);
        assert_eq!(all("def f(): \"\"\"never closed"), Vec::<&str>::new());
    }

    #[test]
    fn a_text_becomes_a_docstring_and_doubled_backslashes_come_back() {
        let text = "A \\n of \"\"\" and \\.";
        let docstring = module(text);
        assert_eq!(
            docstring,
            "\"\"\"\nA \\\\n of \\\"\\\"\\\" and \\\\.\n\"\"\"\n"
        );
        assert_eq!(unescaped(r#"f("a\\nb\n")"#), r#"f("a\nb\n")"#);
    }

    #[test]
    fn a_check_of_asserts_alone_is_split() {
        let check =
            "def check(candidate):\n    assert candidate(1) == 2\n    assert g(candidate(2))\n\n";
        let tests = asserts_of_check(check);
        assert_eq!(
            tests,
            Some(vec![
                "assert candidate(1) == 2".to_owned(),
                "assert g(candidate(2))".to_owned()
            ])
        );
        for other in [
            "def check(candidate):\n    x = 1\n",
            "def check(candidate):\n    assert (\n        1)\n",
            "def check(candidate):\n",
            "",
        ] {
            assert_eq!(asserts_of_check(other), None, "{other}");
        }
    }

    #[test]
    fn the_description_ends_before_the_first_example() {
        assert_eq!(description("Adds.\n>>> f(1)\n2\nMore."), "Adds.\n");
        assert_eq!(description("Adds."), "Adds.");
    }
}
