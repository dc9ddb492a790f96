//! The results of visible tests in words, for the model that revises a program.

use super::event::ExecutionResult;
use super::runner::NOT_RUN;

/// Failed tests in a report.
const MAX_FAILURES: usize = 5;

/// Characters of one test's message.
const MAX_MESSAGE_CHARS: usize = 300;

/// Summarises the results of the tests, shortened to what a small model can use.
pub(super) fn report(fault: Option<&str>, result: Option<&ExecutionResult>) -> String {
    if let Some(reason) = fault {
        return format!("The code could not be run: {reason}.");
    }
    let Some(result) = result else {
        return "The code was not run.".to_owned();
    };
    let (public, own) = result.passed();
    let mut lines = vec![format!(
        "{} of {} tests passed.",
        public + own,
        result.tests.len()
    )];
    let ran = result.tests.iter().any(|test| test.message != NOT_RUN);
    if !ran {
        lines.push(cut(&result.detail));
        return lines.join("\n");
    }
    let failed = result
        .tests
        .iter()
        .enumerate()
        .filter(|(_, test)| !test.passed);
    for (at, test) in failed.take(MAX_FAILURES) {
        let kind = if at < result.public {
            "Example of the task, failed"
        } else {
            "Own test, failed (the test may be wrong)"
        };
        lines.push(format!("\n{kind}:\n{}", cut(&test.message)));
    }
    lines.join("\n")
}

/// Replaces the report if programs are not run.
pub(super) fn unexecuted(fault: Option<&str>, tests: &[String]) -> String {
    let state = fault.map_or_else(
        || "The code was not run.".to_owned(),
        |reason| format!("The code cannot be run: {reason}."),
    );
    if tests.is_empty() {
        return state;
    }
    let tests: Vec<String> = tests.iter().map(|test| cut(test)).collect();
    format!(
        "{state} Tests that it should pass:\n\n```python\n{}\n```",
        tests.join("\n")
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}
