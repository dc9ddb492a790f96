//! What the parser finds wrong in a program, with the line.

use slm_benchmarks::TaskView;
use slm_metrics::analyze;
use slm_metrics::syntax::{Placeholder, placeholders};

/// Returns the placeholders in what a task asks for; none in a program that does not parse.
pub(super) fn missing(task: &TaskView, program: &str) -> Vec<Placeholder> {
    let method = task.method.as_deref();
    placeholders(program, &task.entry_point, method, &task.prompt).unwrap_or_default()
}

/// Returns the parser's error, or that the program parses; `fault` is why it cannot be run nevertheless.
pub(super) fn check(program: &str, fault: Option<&str>) -> String {
    match (error(program), fault) {
        (Some(error), _) => error,
        (None, Some(fault)) => format!("it parses, but {fault}"),
        (None, None) => "it parses".to_owned(),
    }
}

/// Returns why a program cannot be run, with the parser's error if it has one.
pub(super) fn fault(program: &str, fault: &str) -> String {
    match error(program) {
        Some(error) => format!("{fault} ({error})"),
        None => fault.to_owned(),
    }
}

/// Returns the parser's error with its line and that line's text.
fn error(program: &str) -> Option<String> {
    let error = analyze(program).err()?;
    let line = program.lines().nth(error.line.saturating_sub(1));
    let line = line.map_or_else(String::new, |line| format!(": `{}`", line.trim()));
    Some(format!("line {}: {}{line}", error.line, error.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_line() {
        let broken = "def f(x):\n    y = (x\n    return y\n";
        let checked = check(broken, Some("nothing defines the entry point"));
        assert!(
            checked.starts_with("line ") && checked.contains('`'),
            "{checked}"
        );
        assert!(fault(broken, "it is broken").starts_with("it is broken (line "));
    }

    #[test]
    fn a_program_that_parses_may_be_none_of_the_task() {
        assert_eq!(check("x = 1\n", None), "it parses");
        assert_eq!(
            check("x = 1\n", Some("nothing defines the entry point")),
            "it parses, but nothing defines the entry point"
        );
        assert_eq!(fault("x = 1\n", "nothing is there"), "nothing is there");
    }
}
