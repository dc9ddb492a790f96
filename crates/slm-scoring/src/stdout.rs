//! Compares printed output with the expected output, by a benchmark's rule; pure.

mod apps;
mod livecodebench;

use slm_benchmarks::OutputRule;

/// Returns whether printed output matches the expected output under a benchmark's rule.
///
/// ```
/// use slm_benchmarks::OutputRule;
/// use slm_scoring::stdout_matches;
///
/// assert!(stdout_matches(OutputRule::LiveCodeBench, "1.50 2\n", "1.5 2.0"));
/// assert!(!stdout_matches(OutputRule::LiveCodeBench, "2 1", "1 2"));
/// assert!(stdout_matches(OutputRule::Apps, "2 1", "1 2"), "words of a line have no order in APPS");
/// ```
pub fn stdout_matches(rule: OutputRule, printed: &str, expected: &str) -> bool {
    match rule {
        OutputRule::LiveCodeBench => livecodebench::agrees(printed, expected),
        OutputRule::Apps => apps::agrees(printed, expected),
    }
}

/// Removes white space at both ends, like Python's `str.strip`.
fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Returns the words of a text, like Python's `str.split`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Returns whether Python treats a character as white space, which includes ASCII's four separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// A verdict of the publishers' scorers on one output.
    #[derive(Deserialize)]
    struct Judged {
        printed: String,
        expected: String,
        apps: bool,
        livecodebench: bool,
    }

    #[test]
    fn outputs_are_judged_as_the_publishers_scorers_judge_them() {
        let golden = include_str!("../tests/it/golden/contests/printed.jsonl");
        let judged: Vec<Judged> = golden
            .lines()
            .map(|line| serde_json::from_str(line).expect("a verdict"))
            .collect();
        assert!(judged.len() > 200);
        for case in &judged {
            let found = [OutputRule::Apps, OutputRule::LiveCodeBench]
                .map(|rule| stdout_matches(rule, &case.printed, &case.expected));
            assert_eq!(
                found,
                [case.apps, case.livecodebench],
                "{:?} for {:?}",
                case.printed,
                case.expected
            );
        }
    }
}
