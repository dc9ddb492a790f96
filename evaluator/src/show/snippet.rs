//! Renders a snippet that was tried after a program, and its output.

use super::paint::harmless;
use crate::workflow::event::{ExecutionResult, Tried};

pub(super) fn title(after: Option<u32>) -> String {
    match after {
        Some(step) => format!("snippet after step {step}"),
        None => "snippet".to_owned(),
    }
}

pub(super) fn facts(run: &ExecutionResult) -> [String; 2] {
    [
        run.verdict.to_string(),
        format!("{:.2} s of CPU time", run.measured.cpu_s),
    ]
}

pub(super) fn body(tried: &Tried) -> String {
    let lines = |text: &str, mark: &str| -> String {
        let text = harmless(text);
        let lines = text
            .trim_end()
            .lines()
            .map(|line| format!("  {mark}{line}\n"));
        lines.collect()
    };
    lines(&tried.snippet, "") + &lines(&tried.output, "| ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_precedes_its_output_and_neither_controls_the_terminal() {
        let tried = Tried {
            snippet: "print(1)\nprint('\u{1b}[2J')\n".to_owned(),
            output: "1\n\u{1b}[2J".to_owned(),
        };
        assert_eq!(
            body(&tried),
            "  print(1)\n  print('\\u{1b}[2J')\n  | 1\n  | \\u{1b}[2J\n"
        );
        assert_eq!(title(Some(3)), "snippet after step 3");
        assert_eq!(title(None), "snippet");
    }
}
