//! A benchmark of a repository's own code, from `evaluator tasks` to the report.

use std::fs;

use serde_json::Value;
use slm_metrics::syntax::{FunctionSource, documented_functions};

use crate::support::{Finished, Project, finish, says};
use crate::{compare, trained_project};

fn tasks(project: &Project, words: &[&str]) -> Finished {
    let words = [&["tasks"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document")
}

const CODE: &str = r#"
"""Numbers."""

import math


class Circle:
    """A circle."""

    def __init__(self, radius):
        self.radius = radius

    @property
    def area(self):
        """Return the area of the circle."""
        if self.radius < 0:
            return 0.0
        return math.pi * self.radius ** 2


def clamp(value, low, high):
    """Limit a value to a range.

    >>> clamp(5, 1, 3)
    3
    >>> clamp(0, 1, 3)
    1
    >>> clamp(2, 1, 3)
    2
    """
    if value < low:
        return low
    if value > high:
        return high
    return value


def untested(words):
    """Count the long words."""
    return sum(1 for word in words if len(word) > 7)
"#;

const TESTS: &str = r"
import math
import unittest

from shapes import Circle


class CircleTest(unittest.TestCase):
    def test_area(self):
        self.assertAlmostEqual(Circle(2).area, math.pi * 4)
        self.assertEqual(Circle(-1).area, 0.0)
        self.assertEqual(Circle(0).area, 0.0)
        self.assertAlmostEqual(Circle(0.5).area, math.pi / 4)
";

fn repository(project: &Project) {
    project.write("repo/src/shapes.py", CODE);
    project.write("repo/tests/test_shapes.py", TESTS);
}

#[test]
fn a_repository_becomes_tasks_that_a_run_evaluates() {
    let project = trained_project();
    repository(&project);
    let report = document(&tasks(&project, &["repo", "-o", "own.jsonl", "--json"]).result());
    assert_eq!(
        (&report["found"], &report["tested"]),
        (&3.into(), &2.into()),
        "{report}"
    );
    let first = project.read("own.jsonl");
    let page = tasks(&project, &["repo", "-o", "own.jsonl"]).result();
    says(
        &page,
        &[
            "documented functions: 3",
            "doctest",
            "unittest",
            "own.jsonl",
        ],
    );
    assert_eq!(project.read("own.jsonl"), first, "the same bytes twice");

    // The request for a function is the text that `python_source` makes a training example of.
    let functions = documented_functions(CODE).expect("Python");
    let prompts: Vec<Value> = first
        .lines()
        .map(|row| document(row)["prompt"].clone())
        .collect();
    let expected: Vec<String> = functions.iter().map(FunctionSource::prompt).collect();
    assert_eq!(prompts, expected);
    assert!(expected[0].starts_with("import math\n\n\nclass Circle:\n    def __init__"));

    let benchmark = "evaluate.benchmarks=[{name: repository, path: own.jsonl}]";
    let workflows = "evaluate.workflows=[single, reflection]";
    let _ = compare(&project, &["--set", benchmark, "--set", workflows]).result();
    let run = fs::read_dir(project.path("reports")).expect("runs").next();
    let run = run.expect("a run").expect("a run").path();
    let page = fs::read_to_string(run.join("report.md")).expect("a report");
    let opening: String = page.lines().take(8).collect();
    says(&opening, &["Your code: 3 functions"]);
    let info = document(&fs::read_to_string(run.join("run.json")).expect("a run"));
    assert_eq!(info["human"].as_object().map(serde_json::Map::len), Some(3));
    let records = fs::read_to_string(run.join("records.jsonl")).expect("records");
    let records: Vec<Value> = records.lines().map(document).collect();
    assert_eq!(records.len(), 12);
    for record in &records {
        assert!(
            record["reference_loss"]
                .as_f64()
                .is_some_and(|loss| loss > 0.0),
            "{record}"
        );
        let is_measured = record["task_id"]
            .as_str()
            .is_some_and(|id| id.contains("untested"));
        assert_eq!(record["tests_total"] == 0, is_measured, "{record}");
    }
    // The loss belongs to the arm and the task, not to the sample.
    let of = |arm: &str, workflow: &str| {
        let found = records.iter().find(|record| {
            record["arm"] == arm
                && record["workflow"] == workflow
                && record["task_id"] == records[0]["task_id"]
        });
        found.expect("a record")["reference_loss"].clone()
    };
    assert_eq!(of("base", "single"), of("base", "reflection"));
    assert_ne!(of("base", "single"), of("tiny", "single"));

    // A changed repository is not the one that the tasks were made of.
    project.write(
        "repo/src/shapes.py",
        CODE.replace("2\n    \"\"\"", "2\n\n    \"\"\""),
    );
    let words = ["--set", benchmark, "--set", "evaluate.sampling.seed=5"];
    let error = compare(&project, &words).error(2);
    says(&error, &["changed since its tasks were made"]);
}

/// As with an interpreter that lacks pytest or the repository's packages: without the check, every answer would fail.
#[test]
fn tests_that_do_not_run_here_are_refused_before_the_model_is_asked() {
    let project = trained_project();
    repository(&project);
    let _ = tasks(&project, &["repo"]).result();
    let missing = project.read("own.jsonl").replace("test_area", "test_gone");
    project.write("own.jsonl", missing);
    let benchmark = "evaluate.benchmarks=[{name: repository, path: own.jsonl}]";
    let error = compare(&project, &["--set", benchmark]).error(2);
    says(
        &error,
        &[
            "shapes.py::Circle.area: the original body does not pass its tests (unittest) here",
            "hint: choose the interpreter that `evaluator tasks` used",
        ],
    );
    assert!(!project.path("reports").exists(), "no run was started");
}

#[test]
fn mistakes_about_repositories_are_named() {
    let project = Project::new();
    says(
        &tasks(&project, &["nowhere"]).error(2),
        &["no folder nowhere"],
    );
    project.write("empty/notes.md", "text");
    says(
        &tasks(&project, &["empty"]).error(2),
        &["contains no Python file"],
    );
    repository(&project);
    project.write("own.jsonl", "{\"text\": \"mine\"}\n");
    let error = tasks(&project, &["repo"]).error(2);
    says(&error, &["holds no tasks of a repository", "--output"]);
    says(
        &tasks(&project, &["repo", "--split", "1"]).error(2),
        &["between 0 and 1"],
    );
}
