//! Tasks written for this project: from one-liners to small parsers and classes.
//!
//! They are compiled in from `embedded/*.py`, in the format of embedded/README.md. Their form is that of `HumanEval`,
//! but no sentence comes from a published benchmark.

use std::path::Path;

use crate::format::Benchmark;
use crate::{BenchmarkError, Task, TaskView, Tests, docstring};

/// The embedded tasks.
#[derive(Debug, Clone, Copy)]
pub struct Embedded;

/// Name and text of each file, in the order of the tasks.
const FILES: [(&str, &str); 7] = [
    ("numbers.py", include_str!("embedded/numbers.py")),
    ("text.py", include_str!("embedded/text.py")),
    ("lists.py", include_str!("embedded/lists.py")),
    ("mappings.py", include_str!("embedded/mappings.py")),
    ("grids.py", include_str!("embedded/grids.py")),
    ("parsing.py", include_str!("embedded/parsing.py")),
    ("classes.py", include_str!("embedded/classes.py")),
];

const TASK: &str = "# task";
const TESTS: &str = "# tests";

impl Embedded {
    pub(crate) const NAME: &str = "embedded";
}

impl Benchmark for Embedded {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn data(&self) -> Option<&Path> {
        None
    }

    fn tasks(&self) -> Result<Vec<Task>, BenchmarkError> {
        let mut tasks = Vec::new();
        for (file, text) in FILES {
            tasks.extend(parse_file(file, text)?);
        }
        Ok(tasks)
    }
}

/// Splits a file into its tasks.
fn parse_file(file: &str, text: &str) -> Result<Vec<Task>, BenchmarkError> {
    /// The lines after a marker, with the marker and its line number.
    struct Section<'a> {
        mark: &'static str,
        line: usize,
        lines: Vec<&'a str>,
    }
    let malformed = |line: usize, problem: &str| BenchmarkError::Malformed {
        place: format!("{file}:{line}"),
        problem: problem.into(),
    };

    let mut sections: Vec<Section> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        match [TASK, TESTS].into_iter().find(|mark| *mark == line) {
            Some(mark) => sections.push(Section {
                mark,
                line: i + 1,
                lines: Vec::new(),
            }),
            // The file's own comment precedes the first marker.
            None => {
                if let Some(section) = sections.last_mut() {
                    section.lines.push(line);
                }
            }
        }
    }
    sections
        .chunks(2)
        .map(|pair| {
            let [task, tests] = pair else {
                return Err(malformed(pair[0].line, "a task without tests"));
            };
            if (task.mark, tests.mark) != (TASK, TESTS) {
                let problem = format!("expected `{TASK}` and `{TESTS}` in turn");
                return Err(malformed(task.line, &problem));
            }
            parse_task(&task.lines, &tests.lines).map_err(|problem| malformed(task.line, problem))
        })
        .collect()
}

/// Builds a task from its definition and its tests; the error describes the problem.
fn parse_task(definition: &[&str], tests: &[&str]) -> Result<Task, &'static str> {
    let definition = definition.join("\n");
    let first = *docstring::all(&definition)
        .first()
        .ok_or("a task without a docstring")?;
    let quote = definition.find(first).ok_or("a task without a docstring")?;
    let (prompt, solution) = definition[quote + first.len()..]
        .find('\n')
        .map(|end| definition.split_at(quote + first.len() + end + 1))
        .ok_or("a task without a solution")?;
    let entry_point = definition
        .lines()
        .find_map(|line| {
            line.strip_prefix("def ")
                .or_else(|| line.strip_prefix("class "))
        })
        .and_then(|line| line.split(['(', ':']).next())
        .ok_or("a task without a function or class")?;
    let mut view = TaskView::new(
        format!("{}/{entry_point}", Embedded::NAME),
        prompt.into(),
        entry_point,
    );
    view.public_examples = docstring::examples(first);
    Ok(Task::new(
        view,
        Tests::plain(split_tests(tests)),
        format!("{}\n", solution.trim_end()),
    ))
}

/// Returns one test for each unindented `assert`; but a paragraph with any other statement is one test.
fn split_tests(lines: &[&str]) -> Vec<String> {
    let starts_statement = |line: &str| !line.starts_with([' ', ')', ']', '}']);
    let mut tests = Vec::new();
    for paragraph in lines
        .split(|line| line.is_empty())
        .filter(|p| !p.is_empty())
    {
        let only_asserts = paragraph
            .iter()
            .filter(|line| starts_statement(line))
            .all(|line| line.starts_with("assert "));
        if only_asserts {
            let statements = paragraph.chunk_by(|_, next| !starts_statement(next));
            tests.extend(statements.map(|lines| lines.join("\n")));
        } else {
            tests.push(paragraph.join("\n"));
        }
    }
    tests
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScoringPhase;

    const FILE: &str = "# A comment.\n\n# task\nimport math\n\ndef f(x):\n    \"\"\"Does.\n\n    >>> f(1)\n    2\n    \"\"\"\n    return x + 1\n\n# tests\nassert f(0) == 1\nassert f(\n    1\n) == 2\n\ny = f(2)\nassert y == 3\n";

    #[test]
    fn a_task_is_split_at_the_end_of_its_docstring() {
        let tasks = parse_file("x.py", FILE).expect("well-formed");
        assert_eq!(tasks.len(), 1);
        let (view, phase) = (tasks[0].view(), ScoringPhase::begin());
        assert_eq!(view.task_id, "embedded/f");
        assert_eq!(view.entry_point, "f");
        assert!(view.prompt.starts_with("import math\n"), "{}", view.prompt);
        assert!(
            view.prompt.ends_with("    2\n    \"\"\"\n"),
            "{}",
            view.prompt
        );
        assert_eq!(view.public_examples, ["assert f(1) == 2"]);
        assert_eq!(tasks[0].canonical_solution(&phase), "    return x + 1\n");
        assert_eq!(
            *tasks[0].hidden().open(&phase),
            Tests::plain(vec![
                "assert f(0) == 1".to_owned(),
                "assert f(\n    1\n) == 2".to_owned(),
                "y = f(2)\nassert y == 3".to_owned(),
            ])
        );
    }

    #[test]
    fn hidden_tests_are_not_printed() {
        let tasks = parse_file("x.py", FILE).expect("well-formed");
        let debug = format!("{:?}", tasks[0]);
        assert!(debug.contains("HiddenTests(3 hidden)"), "{debug}");
        assert!(!debug.contains("assert f(0)"), "{debug}");
    }

    fn check_malformed(text: &str, message: &str) {
        let error = parse_file("x.py", text).expect_err("malformed");
        assert_eq!(error.to_string(), message, "{text}");
    }

    #[test]
    fn a_malformed_file_is_told_with_its_line() {
        check_malformed(
            "\n# task\ndef f():\n    pass\n",
            "x.py:2: a task without tests",
        );
        check_malformed(
            "# tests\nassert True\n# task\nx = 1\n",
            "x.py:1: expected `# task` and `# tests` in turn",
        );
        check_malformed(
            "# task\ndef f():\n    pass\n# tests\nassert True\n",
            "x.py:1: a task without a docstring",
        );
        check_malformed(
            "# task\ndef f():\n    \"\"\"Does.\"\"\"\n# tests\nassert True\n",
            "x.py:1: a task without a solution",
        );
        check_malformed(
            "# task\n\"\"\"Does.\"\"\"\nx = 1\n# tests\nassert True\n",
            "x.py:1: a task without a function or class",
        );
    }
}
