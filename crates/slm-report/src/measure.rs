//! The metrics of a program, with what its prompt gave set apart.
//!
//! A program contains the prompt's text if the model continued it, and often repeats parts of it if the model wrote a
//! whole program. Both cases have one rule, by line: a comment, a line of a docstring or a finding belongs to the
//! prompt if the prompt alone has the same one. A rule that looks at a whole function, such as its length, reports it
//! at its `def` line, which the prompt contains; the prompt alone has no such finding, so the finding is the model's.

use std::collections::HashMap;
use std::hash::Hash;

use slm_metrics::rules::{Finding, findings};
use slm_metrics::syntax::{CommentLines, comment_lines, parses};
use slm_metrics::{FileMetrics, analyze};

use crate::code_metric::{Given, Measured, ProgramMetrics};

impl ProgramMetrics {
    /// Measures a program that answers `prompt`; `None` if it does not parse.
    ///
    /// Findings in the prompt's text are not counted. A prompt that is not Python contains nothing of the program.
    pub fn measure(program: &str, prompt: &str) -> Option<Self> {
        let file = analyze(program).ok()?;
        let prompt = alone(prompt).unwrap_or_default();
        let given = comment_lines(&prompt).ok()?;
        let own = comment_lines(program).ok()?;
        let measured = Measured {
            file: &file,
            findings: Some(&own_findings(
                findings(program).ok()?,
                program,
                &findings(&prompt).ok()?,
                &prompt,
            )),
            given: Some(Given::new(&own, &given)),
        };
        Some(Self::from(measured))
    }

    /// Adds what a record of an earlier version lacks and its program alone determines.
    pub(crate) fn complete(&mut self, program: &str) {
        if self.lloc_code.is_some() && self.cognitive_complexity.is_some() {
            return;
        }
        let found = analyze(program).ok();
        let fill = |field: &mut Option<usize>, value: fn(&FileMetrics) -> usize| {
            *field = field.or(found.as_ref().map(value));
        };
        fill(&mut self.lloc_code, |found| found.lloc_code);
        fill(&mut self.cognitive_complexity, |found| {
            found.cognitive_complexity
        });
    }
}

/// Returns the prompt as a program: itself, or with a body for the function that it begins. `None` if it is no Python.
fn alone(prompt: &str) -> Option<String> {
    if parses(prompt) {
        return Some(prompt.to_owned());
    }
    let text = prompt.trim_end();
    let last = text.lines().last()?;
    let indent = &last[..last.len() - last.trim_start().len()];
    let bodies = [format!("{indent}    pass\n"), format!("{indent}pass\n")];
    let mut texts = bodies.iter().map(|body| format!("{text}\n{body}"));
    texts.find(|text| parses(text))
}

/// A multiset from which each item can be taken once.
struct Left<T>(HashMap<T, usize>);

impl<T: Eq + Hash> Left<T> {
    fn new(items: impl IntoIterator<Item = T>) -> Self {
        let mut left = HashMap::new();
        for item in items {
            *left.entry(item).or_default() += 1;
        }
        Self(left)
    }

    /// Takes an item out; whether it was there.
    fn take(&mut self, item: &T) -> bool {
        let left = self.0.get_mut(item).filter(|left| **left > 0);
        left.is_some_and(|left| {
            *left -= 1;
            true
        })
    }
}

impl Given {
    /// Counts those comments and docstring lines of `own` that `given` has too, each of them once.
    fn new(own: &CommentLines, given: &CommentLines) -> Self {
        let mut comments = Left::new(&given.comments);
        let mut lines = Left::new(given.strings.iter().flat_map(|string| &string.lines));
        let shared = own.comments.iter().filter(|text| comments.take(text));
        let mut found = Self {
            comments: shared.count(),
            ..Self::default()
        };
        for string in &own.strings {
            let shared = string.lines.iter().filter(|line| lines.take(line)).count();
            if string.multiline {
                found.multi += shared;
            }
            // A docstring that the model has changed is the task's if half of it is.
            found.docstrings += usize::from(shared > 0 && 2 * shared >= string.lines.len());
        }
        found
    }
}

/// Returns those findings in a program that are not among the `given` ones in its prompt, by rule and text of the line.
fn own_findings(
    found: Vec<Finding>,
    program: &str,
    given: &[Finding],
    prompt: &str,
) -> Vec<Finding> {
    let mut given = Left::new(places(given, prompt));
    let places = places(&found, program);
    let own = found.into_iter().zip(places);
    own.filter(|(_, place)| !given.take(place))
        .map(|(finding, _)| finding)
        .collect()
}

/// Returns the rule of each finding and the text of its line.
fn places<'a>(findings: &[Finding], source: &'a str) -> Vec<(&'static str, &'a str)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let text = |finding: &Finding| lines.get(finding.line.saturating_sub(1)).copied();
    findings
        .iter()
        .map(|finding| (finding.rule.id, text(finding).unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod tests {
    use slm_metrics::rules::{Category, Minutes, Rule, Severity};

    use super::*;

    /// Asserts comments, docstring lines and docstrings that are the prompt's.
    fn check_given(program: &str, prompt: &str, expected: [usize; 3]) {
        let found = ProgramMetrics::measure(program, prompt).expect("valid Python");
        let given = [
            found.given_comments,
            found.given_multi,
            found.given_docstrings,
        ];
        assert_eq!(given, expected.map(Some), "{program}");
    }

    const PROMPT: &str =
        "import re  # patterns\n\n\ndef f(x):\n    \"\"\"Return y.\n\n    Of x.\n    \"\"\"\n";

    #[test]
    fn comments_and_docstrings_of_a_continued_prompt_are_the_prompts() {
        let own = "    # The sum.\n    \"\"\"Own.\n    Mine.\"\"\"\n    return x\n";
        let program = format!("{PROMPT}{own}");
        check_given(&program, PROMPT, [1, 3, 1]);
        let found = ProgramMetrics::measure(&program, PROMPT).expect("valid Python");
        assert_eq!((found.comments, found.multi), (2, 5));
    }

    #[test]
    fn what_a_whole_program_repeats_of_its_prompt_is_the_prompts() {
        let of =
            |docstring: &str, end: &str| format!("def f(x):\n  {docstring}\n  return x{end}\n");
        let same = "\"\"\"Return y.\n\n  Of x.\n  \"\"\"";
        check_given(&of(same, ""), PROMPT, [0, 3, 1]);
        let changed = "\"\"\"Return the y.\n\n  Of x.\n  \"\"\"";
        check_given(&of(changed, "  # patterns"), PROMPT, [1, 2, 1]);
        check_given(&of("\"\"\"Mine.\"\"\"", ""), PROMPT, [0, 0, 0]);
        let twice = "# patterns\n  # patterns";
        check_given(&of(twice, ""), "# patterns\n", [1, 0, 0]);
    }

    #[test]
    fn a_prompt_that_ends_before_its_body_or_is_no_python_gives_what_it_can() {
        let prompt = "class A:\n    # About A.\n    def f(self):";
        let program = format!("{prompt}\n        # One.\n        return 1\n");
        check_given(&program, prompt, [1, 0, 0]);
        let begun = "def f(self):\n    # First.\n";
        check_given(&format!("{begun}    return 1\n"), begun, [1, 0, 0]);
        check_given(&program, "Write a class. # About A.", [0, 0, 0]);
        assert_eq!(ProgramMetrics::measure("def f(:\n", ""), None);
    }

    #[test]
    fn findings_in_the_prompt_are_not_the_models() {
        let prompt =
            "import pickle\n\n\ndef f(password=\"secret\"):\n    \"\"\"Load.\"\"\"\n".to_owned();
        let program = format!("{prompt}    return eval(password)\n");
        let security = |prompt: &str| {
            let found = ProgramMetrics::measure(&program, prompt).expect("valid Python");
            (found.security_findings, found.debt_minutes)
        };
        let (all, own) = (security(""), security(&prompt));
        assert_eq!((all.0, own.0), (Some(3), Some(1)));
        assert!(own.1 > Some(0.0) && own.1 < all.1, "{own:?} of {all:?}");
    }

    #[test]
    fn a_finding_on_a_whole_function_at_its_def_line_is_the_models() {
        static RULE: Rule = Rule {
            id: "long-function",
            category: Category::Smell,
            title: "Too long",
            known_as: "",
            minutes: Minutes::Constant(1.0),
        };
        let prompt = "def f(x):\n    \"\"\"Load.\"\"\"\n";
        let program = format!("{prompt}    return x\n");
        let at = |line| Finding {
            rule: &RULE,
            severity: Severity::Low,
            line,
            column: 1,
            end_line: line,
            message: String::new(),
            minutes: 1.0,
        };
        let own = |given: &[Finding]| own_findings(vec![at(1), at(3)], &program, given, prompt);
        assert_eq!(own(&[]), [at(1), at(3)]);
        assert_eq!(own(&[at(1)]), [at(3)]);
    }

    #[test]
    fn what_earlier_records_lack_is_computed_from_the_program() {
        let program = "def f(x):\n    for y in x:\n        if y:\n            return y\n";
        let mut found = ProgramMetrics::measure(program, "").expect("valid Python");
        let whole = found;
        (found.lloc_code, found.cognitive_complexity) = (None, None);
        found.complete(program);
        assert_eq!(found, whole);
        assert_eq!(found.cognitive_complexity, Some(3));
    }
}
