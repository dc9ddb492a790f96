//! A program as the continuation of its task's prompt.

use slm_metrics::syntax::{function_body, is_preamble, normalised_hash, parses};

/// Returns what follows the line after `stub` (imports, signature, docstring) so that both together are `program`,
/// except for layout, comments and docstrings. `None` if the program is no continuation of the stub.
///
/// A program that starts with the stub is cut there. After a stub without a definition, which has only a docstring,
/// comments and imports, the whole program is the continuation. Otherwise the body of the function `entry_point` is it,
/// if the rest of the program equals the stub.
pub fn continuation(stub: &str, program: &str, entry_point: &str) -> Option<String> {
    let given = stub.trim_end();
    if let Some(rest) = program.strip_prefix(given) {
        let rest = rest.trim_start_matches([' ', '\t', '\r']);
        let body = rest.strip_prefix('\n').map(without_blank_lines);
        if let Some(body) = body.filter(|body| is_same(given, body, program)) {
            return Some(body);
        }
    }
    if is_preamble(given) {
        let body = without_blank_lines(program);
        // The imports of the stub may occur in the program again, which has no effect.
        return parses(&joined(given, &body)).then_some(body);
    }
    let body = function_body(program, entry_point)?;
    let body = body.trim_end().to_owned();
    is_same(given, &body, program).then_some(body)
}

/// Returns the program that a continuation completes.
pub(crate) fn joined(stub: &str, body: &str) -> String {
    format!("{}\n{body}\n", stub.trim_end())
}

fn is_same(given: &str, body: &str, program: &str) -> bool {
    let hash = normalised_hash(&joined(given, body));
    !body.trim().is_empty() && hash.is_some() && hash == normalised_hash(program)
}

/// Removes blank lines at the start, and white space at the end.
fn without_blank_lines(text: &str) -> String {
    let mut rest = text.trim_end();
    while let Some((line, after)) = rest.split_once('\n') {
        if !line.trim().is_empty() {
            break;
        }
        rest = after;
    }
    rest.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUB: &str = "import math\n\ndef area(r):\n    \"\"\"Area.\"\"\"\n";

    #[track_caller]
    fn check(stub: &str, program: &str, expected: Option<&str>) {
        assert_eq!(continuation(stub, program, "area").as_deref(), expected);
    }

    #[test]
    fn a_program_that_starts_with_the_stub_is_cut_there() {
        check(
            STUB,
            &format!("{STUB}\n    # two\n    return r\n\n"),
            Some("    # two\n    return r"),
        );
        check(
            STUB,
            &format!("{STUB}    return r\n\nA = 1\n"),
            Some("    return r\n\nA = 1"),
        );
    }

    #[test]
    fn a_program_in_other_words_becomes_the_body_of_its_function() {
        let program =
            "import math\n\n\ndef area(r):\n    '''Other words.'''\n    return math.pi * r\n";
        check(STUB, program, Some("    return math.pi * r"));
        check(STUB, &program.replace("import math\n", ""), None);
        check(STUB, &program.replace("area(r)", "area(r, s)"), None);
        check(STUB, &format!("{program}\nA = 1\n"), None);
        check(STUB, "def other(r):\n    return r\n", None);
    }

    #[test]
    fn a_stub_in_prose_is_continued_by_the_whole_program() {
        let program = "def area(r):\n    return r\n";
        let body = Some(program.trim_end());
        check("\"\"\"Write a function.\n\"\"\"\n", program, body);
        check(
            "# Write it.\nfrom math import (\n    pi,\n)\n",
            program,
            body,
        );
        let whole = format!("\"\"\"Write a function.\n\"\"\"\n{program}");
        check("\"\"\"Write a function.\n\"\"\"\n", &whole, body);
    }

    #[test]
    fn a_stub_alone_is_continued_by_nothing() {
        check(STUB, STUB, None);
        check(
            "def area(r):\n",
            "def area(r): return r\n",
            Some("    return r"),
        );
    }
}
