//! The test programs in the hub's copies of EvalPlus's data, read as data: the calls of a loop over `inputs`.
//!
//! The publisher writes each program from a template: `inputs` and `results` on one line each, as Python prints lists,
//! and a loop with one comparison. A program of another form is `None` here, so that its tests are never guessed.
//!
//! # Source
//! `tools/humaneval/to_original_fmt.py` and `tools/mbpp/to_original_fmt.py` of github.com/evalplus/evalplus.

/// Names that an input may contain besides literals; those that the sandbox evaluates.
const NAMES: [&str; 10] = [
    "True",
    "False",
    "None",
    "inf",
    "nan",
    "set",
    "frozenset",
    "complex",
    "range",
    "bytearray",
];

/// A test program: one call and one comparison for each input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TestProgram<'a> {
    /// Arguments of each call, as a Python expression for a tuple.
    pub(super) arguments: Vec<String>,
    /// Number of expected results; `None` if the program computes them.
    pub(super) results: Option<usize>,
    /// The function that the loop calls.
    pub(super) called: &'a str,
    /// The absolute tolerance of the comparison.
    pub(super) atol: f64,
    /// The text before the inputs: imports, and the definition of the comparison.
    pub(super) definitions: &'a str,
}

/// Reads a test program; `None` if it has another form than the publisher's.
pub(super) fn parse(text: &str) -> Option<TestProgram<'_>> {
    let (definitions, inputs, rest) = assignment(text, "inputs")?;
    let (results, rest) = match assignment(rest, "results") {
        Some((between, results, rest)) if between.trim().is_empty() => {
            (Some(items(results)?.len()), rest)
        }
        Some(_) => return None,
        None => (None, rest),
    };
    let mut lines = rest.lines().map(str::trim).filter(|line| !line.is_empty());
    let (head, comparison) = (lines.next()?, lines.next()?);
    if !(head.starts_with("for ") && head.ends_with(':')) || lines.next().is_some() {
        return None;
    }
    let arguments = items(inputs)?;
    Some(TestProgram {
        arguments: arguments.into_iter().map(as_tuple).collect::<Option<_>>()?,
        results,
        called: called(comparison)?,
        atol: tolerance(comparison)?,
        definitions,
    })
}

/// Finds the line `NAME = [...]`, and returns the text before it, the list and the text after it.
fn assignment<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let value = line
            .trim_start()
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(" = "));
        if let Some(value) = value.filter(|value| value.starts_with('[')) {
            return Some((
                &text[..start],
                value.trim_end(),
                &text[start + line.len()..],
            ));
        }
        start += line.len();
    }
    None
}

/// Returns the function that a comparison calls with an input: the name before the first `(*inp)`.
fn called(comparison: &str) -> Option<&str> {
    let before = &comparison[..comparison.find("(*inp)")?];
    let start = before
        .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
        .map_or(0, |at| at + 1);
    Some(&before[start..]).filter(|name| !name.is_empty())
}

/// Returns the tolerance, the last number of a comparison: `assertion(f(*inp), exp, 0)` or `assert p(...) <= 1e-4`.
fn tolerance(comparison: &str) -> Option<f64> {
    let number = match comparison.rsplit_once("<=") {
        Some((_, number)) => number,
        None => comparison.strip_suffix(')')?.rsplit_once(',')?.1,
    };
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// Returns an input, a list or tuple of arguments, as a tuple.
fn as_tuple(input: &str) -> Option<String> {
    let inner = input
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .or_else(|| input.strip_prefix('(')?.strip_suffix(')'))?;
    let inner = inner.trim().trim_end_matches(',');
    Some(if inner.is_empty() {
        "()".to_owned()
    } else {
        format!("({inner},)")
    })
}

/// Splits the text of a list of literals into its items; `None` if it is no such list.
fn items(list: &str) -> Option<Vec<&str>> {
    let bytes = list.as_bytes();
    let mut open = Vec::new();
    let (mut items, mut start, mut at) = (Vec::new(), 1, 0);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while *bytes.get(at)? != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'(' | b'{' => open.push(bytes[at]),
            close @ (b']' | b')' | b'}') => {
                let expected = match open.pop()? {
                    b'[' => b']',
                    b'(' => b')',
                    _ => b'}',
                };
                if close != expected {
                    return None;
                }
                if open.is_empty() {
                    let last = list[start..at].trim();
                    if !last.is_empty() {
                        items.push(last);
                    }
                    return (at + 1 == bytes.len()).then_some(items);
                }
            }
            b',' if open.len() == 1 => {
                items.push(list[start..at].trim());
                start = at + 1;
            }
            c if c.is_ascii_alphabetic() || c == b'_' => {
                let word = word(&list[at..]);
                let is_prefix = matches!(bytes.get(at + word.len()), Some(b'\'' | b'"'));
                let is_known = NAMES.contains(&word) || (is_prefix && word == "b");
                if !is_known {
                    return None;
                }
                at += word.len() - 1;
            }
            // A number, with its exponent or its imaginary unit.
            c if c.is_ascii_digit() => at += word(&list[at..]).len() - 1,
            b' ' | b':' | b'.' | b'+' | b'-' | b',' => {}
            _ => return None,
        }
        at += 1;
    }
    None
}

/// Returns the letters, digits and underscores that a text begins with.
fn word(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: &str = "import numpy as np\n\ndef check(candidate):\n    inputs = [[1, 'a]'], [], [(2, 3)]]\n    \
                         results = [0.5, None, {1: {2}}]\n    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        \
                         assertion(candidate(*inp), exp, 1e-06)\n";

    #[test]
    fn the_calls_of_a_loop_are_read_as_data() {
        let program = parse(CHECK).expect("a loop");
        assert_eq!(program.arguments, ["(1, 'a]',)", "()", "((2, 3),)"]);
        assert_eq!(
            (program.results, program.called, program.atol),
            (Some(3), "candidate", 1e-6)
        );
        assert!(program.definitions.starts_with("import numpy"));
    }

    #[test]
    fn a_loop_that_computes_its_results_or_asks_for_a_zero_is_read_as_well() {
        let reference = "inputs = [[-1.5e+3], [(1+2j)], [inf, b'\\'x']]\nfor i, inp in enumerate(inputs):\n    \
                         assertion(f(*inp), ref_func(*inp), 0)\n";
        let program = parse(reference).expect("a loop");
        assert_eq!(
            program.arguments,
            ["(-1.5e+3,)", "((1+2j),)", "(inf, b'\\'x',)"]
        );
        assert_eq!((program.results, program.called), (None, "f"));
        let zero = CHECK.replace(
            "assertion(candidate(*inp), exp, 1e-06)",
            "assert abs(_poly(*inp, candidate(*inp))) <= 0.0001",
        );
        let program = parse(&zero).expect("a loop");
        assert_eq!((program.called, program.atol), ("candidate", 1e-4));
    }

    #[test]
    fn a_program_of_another_form_is_not_guessed() {
        for (from, to) in [
            ("inputs = [", "inputs = list(["),
            ("[1, 'a]']", "[1, 'a]"),
            ("[1, 'a]']", "[1, open('a')]"),
            ("[1, 'a]']", "'ab'"),
            ("[1, 'a]']", "[1, 'a')"),
            ("for i,", "while i,"),
            ("exp, 1e-06)", "exp, 1e-06)\n        assert True"),
            ("exp, 1e-06)", "exp)"),
            ("(*inp)", "(inp)"),
        ] {
            let program = CHECK.replace(from, to);
            assert_ne!(program, CHECK);
            assert_eq!(parse(&program), None, "{to}");
        }
    }
}
