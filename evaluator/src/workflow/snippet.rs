//! Snippets that the model tries: the script that runs one, and what of its output is shown.

use slm_artifacts::Verdict;
use slm_metrics::syntax::parses;

/// Most characters of an output.
pub(super) const MOST_OUTPUT: usize = 400;

/// Most characters of the exception in an output.
const MOST_EXCEPTION: usize = 200;

/// Most lines of an import statement.
const MOST_IMPORT_LINES: usize = 20;

/// What precedes the address of an object that Python prints.
const ADDRESS: &str = " at 0x";

/// Returns the import statements at the top level of a prompt, which need not parse as a whole.
pub(super) fn imports(prompt: &str) -> String {
    let lines: Vec<&str> = prompt.lines().collect();
    let mut found = String::new();
    let mut at = 0;
    while at < lines.len() {
        let is_import = ["import ", "from "]
            .iter()
            .any(|word| lines[at].starts_with(word));
        let ends = at + 1..=lines.len().min(at + MOST_IMPORT_LINES);
        let mut statements = ends.map(|end| (end, lines[at..end].join("\n")));
        match statements.find(|(_, statement)| is_import && parses(statement)) {
            Some((end, statement)) => {
                found.push_str(&statement);
                found.push('\n');
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Joins a program, its setup and a snippet into one script.
pub(super) fn script(program: &str, setup: &str, snippet: &str) -> String {
    let parts = [program, setup, snippet].map(str::trim_end);
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n") + "\n"
}

/// Returns the beginning of what a snippet printed, and why it did not end well; without addresses, which differ from
/// run to run.
pub(super) fn output(verdict: Verdict, printed: &[u8], detail: &str) -> String {
    let ended_well = verdict == Verdict::Passed;
    let exception = match detail.trim() {
        _ if ended_well => String::new(),
        "" => verdict.to_string(),
        detail => cut(&without_addresses(detail), MOST_EXCEPTION),
    };
    let room = MOST_OUTPUT - exception.chars().count();
    // Of bytes that are no text, each becomes one character.
    let start = &printed[..printed.len().min(4 * room)];
    let printed = without_addresses(&String::from_utf8_lossy(start));
    let printed = cut(printed.trim_end(), room.saturating_sub(1));
    let both = [printed, exception];
    let both: Vec<&str> = both
        .iter()
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .collect();
    if both.is_empty() {
        return "nothing was printed".to_owned();
    }
    both.join("\n")
}

/// Returns the beginning of a text; ` ...` marks that it was longer.
pub(super) fn cut(text: &str, most: usize) -> String {
    const MARK: &str = " ...";
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(MARK.len())).collect();
    kept + MARK
}

fn without_addresses(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(ADDRESS) {
        let (before, after) = rest.split_at(at + ADDRESS.len());
        kept.push_str(before);
        let digits = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        if digits.len() < after.len() {
            kept.push_str("...");
        }
        rest = digits;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imports_of_a_prompt_are_found_though_its_function_has_no_body() {
        let prompt = "\"\"\"import c\"\"\"\nimport a\nfrom b import (\n    x,\n    y,\n)\nimportant = 1\n\ndef f(x):\n    import z\n    \"\"\"Do\n\nimport of goods\n";
        assert_eq!(
            imports(prompt),
            "import a\nfrom b import (\n    x,\n    y,\n)\n"
        );
        assert_eq!(imports("def f(x):\n"), "");
    }

    #[test]
    fn a_script_is_the_program_the_setup_and_the_snippet() {
        assert_eq!(script("a = 1\n", "", "print(a)"), "a = 1\n\nprint(a)\n");
        assert_eq!(script("", "b = 2\n", "print(b)\n"), "b = 2\n\nprint(b)\n");
    }

    #[test]
    fn an_output_is_short_and_names_the_exception() {
        let long = "x".repeat(100_000);
        for (verdict, printed, detail, expected) in [
            (Verdict::Passed, "1\n", "", "1"),
            (Verdict::Passed, "", "", "nothing was printed"),
            (
                Verdict::Error,
                "1\n",
                "ValueError: two (line 2)",
                "1\nValueError: two (line 2)",
            ),
            (Verdict::Timeout, "", "", "timeout"),
            (
                Verdict::Passed,
                "<f object at 0x7f03a> at 0x",
                "",
                "<f object at 0x...> at 0x",
            ),
        ] {
            assert_eq!(output(verdict, printed.as_bytes(), detail), expected);
        }
        for printed in [long.as_bytes(), &vec![0xff; 100_000]] {
            let output = output(Verdict::Error, printed, &long);
            let length = output.chars().count();
            assert!(length <= MOST_OUTPUT && length > 300, "{length}: {output}");
            assert!(
                output.contains(" ...\n") && output.ends_with(" ..."),
                "{output}"
            );
        }
    }
}
