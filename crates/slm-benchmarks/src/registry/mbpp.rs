//! MBPP: small programs for a sentence, tested by asserts; the full data set, and its hand-checked part.
//!
//! The publisher's split by task id: 1 to 10 for prompts, 11 to 510 for tests, 511 to 600 for validation, the rest
//! for training. A file contains all of them, and all can be scored.
//!
//! # Source
//! Austin et al. 2021, arXiv:2108.07732; github.com/google-research/google-research/tree/master/mbpp.

use std::ops::RangeInclusive;
use std::path::Path;

use slm_table::{Row, TableError};

use super::data_folder::data_files;
use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::prompting::{Shot, few_shot};
use crate::split::Split;
use crate::{Asserts, BenchmarkError, Task, TaskView, Tests};

const PUBLISHER: &str = "github.com/google-research/google-research/tree/master/mbpp";

pub(crate) const FULL: Format = Format {
    name: "mbpp",
    data: Data {
        file: "mbpp.jsonl",
        publisher: PUBLISHER,
    },
    read: Reader::Whole(|path| tasks_of_rows(path, full_task)),
};

pub(crate) const SANITIZED: Format = Format {
    name: "mbpp-sanitized",
    data: Data {
        file: "sanitized-mbpp.json",
        publisher: PUBLISHER,
    },
    read: Reader::Whole(|path| tasks_of_rows(path, sanitized_task)),
};

/// Ids of the tasks with published scores.
pub const TEST_SPLIT: RangeInclusive<u32> = 11..=510;

/// Ids of the three tasks that the paper's few-shot prompt contains.
pub const SHOTS: [u32; 3] = [2, 3, 4];

/// Ids of the tasks for validation.
const VALIDATION_SPLIT: RangeInclusive<u32> = 511..=600;

/// Ids of the tasks for training.
const TRAINING_SPLIT: RangeInclusive<u32> = 601..=974;

/// Returns the part of the publisher's split with this id; the examples of prompts are in none.
fn split_of(id: &str) -> Option<Split> {
    let id = id.parse().ok()?;
    let parts = [
        (TEST_SPLIT, Split::Test),
        (VALIDATION_SPLIT, Split::Validation),
        (TRAINING_SPLIT, Split::Train),
    ];
    let part = parts.into_iter().find(|(ids, _)| ids.contains(&id));
    part.map(|(_, split)| split)
}

fn full_task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let setup = row.text("test_setup_code")?.to_owned();
    task(row, row.text("text")?, setup)
}

fn sanitized_task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    task(
        row,
        row.text("prompt")?,
        row.texts("test_imports")?.join("\n"),
    )
}

fn task(row: &Fields<'_>, text: &str, setup: String) -> Result<Task, BenchmarkError> {
    let code = row.text("code")?.replace("\r\n", "\n");
    let tests = row.texts("test_list")?;
    let first = tests
        .first()
        .ok_or_else(|| row.malformed("`test_list` is empty"))?;
    let entry_point = called_function(first, &code).ok_or_else(|| {
        row.malformed("the first test of `test_list` calls no function of `code`")
    })?;
    let id = row.id("task_id")?;
    let mut view = TaskView::new(format!("Mbpp/{id}"), prompt(text, first), entry_point);
    view.public_examples = vec![first.clone()];
    view.setup = setup.replace("\r\n", "\n");
    let tests = Tests::Asserts(Asserts {
        preamble: String::new(),
        setup: view.setup.clone(),
        tests,
    });
    let task = Task::new(view, tests, format!("{}\n", code.trim_end()));
    Ok(match split_of(&id) {
        Some(split) => task.in_split(split),
        None => task,
    })
}

/// Returns the task as Python: a docstring of the sentence and the first test, as in EvalPlus.
pub(super) fn prompt(text: &str, first_test: &str) -> String {
    format!("\"\"\"\n{}\n{first_test}\n\"\"\"\n", text.trim())
}

/// Returns the first function that `test` calls and `code` defines.
pub(super) fn called_function<'a>(test: &str, code: &'a str) -> Option<&'a str> {
    let names: Vec<&str> = code
        .lines()
        .filter_map(|line| line.strip_prefix("def ")?.split('(').next())
        .map(str::trim)
        .collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    test.split(|c| !is_word(c))
        .find_map(|word| names.iter().copied().find(|name| *name == word))
}

/// Reads the examples of the paper's few-shot prompt from the full data set.
///
/// # Errors
/// The file cannot be read, or lacks these tasks.
pub fn shots(path: &Path) -> Result<Vec<Shot>, BenchmarkError> {
    let mut shots = vec![None; SHOTS.len()];
    for row in rows(path)? {
        let row = row?;
        let row = Fields::of(&row);
        let id = row.id("task_id")?;
        if let Some(i) = SHOTS.iter().position(|shot| shot.to_string() == id) {
            shots[i] = Some(Shot {
                text: row.text("text")?.trim().to_owned(),
                tests: row.texts("test_list")?,
                code: row.text("code")?.replace("\r\n", "\n"),
            });
        }
    }
    shots
        .into_iter()
        .collect::<Option<_>>()
        .ok_or_else(|| BenchmarkError::Malformed {
            place: path.display().to_string(),
            problem: format!(
                "the tasks {SHOTS:?}, the examples of the few-shot prompt, are missing"
            ),
        })
}

/// Returns the rows of the full data set's file, or of all files of its folder.
fn rows(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Row, TableError>> + use<>, BenchmarkError> {
    let files = data_files(FULL.name, path)?;
    let rows: Vec<_> = files
        .iter()
        .map(|file| slm_table::open(file))
        .collect::<Result<_, _>>()?;
    Ok(rows.into_iter().flatten())
}

/// Adds the paper's few-shot request to each task's view.
pub(crate) fn show_shots(path: &Path, tasks: &mut [Task]) -> Result<(), BenchmarkError> {
    let shots = shots(path)?;
    for (row, task) in rows(path)?.zip(tasks) {
        let row = row?;
        let row = Fields::of(&row);
        let (text, tests) = (row.text("text")?.trim().to_owned(), row.texts("test_list")?);
        task.view_mut().few_shot = Some(few_shot(&shots, &text, &tests));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_under_test_is_found() {
        let code = "import math\ndef helper(x):\n  return x\ndef area (r):\n  return helper(r)\n";
        assert_eq!(
            called_function("assert set(area(1)) == set(helper(2))", code),
            Some("area")
        );
        assert_eq!(
            called_function("assert math.isclose(helper(2), 1)", code),
            Some("helper")
        );
        assert_eq!(called_function("assert other(1)", code), None);
    }

    #[test]
    fn the_prompt_is_a_docstring() {
        assert_eq!(
            prompt(" Add. ", "assert f(1) == 2"),
            "\"\"\"\nAdd.\nassert f(1) == 2\n\"\"\"\n"
        );
    }

    #[test]
    fn what_the_first_test_imports_is_seen_with_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sanitized-mbpp.json");
        let text = r#"[{"task_id": 7, "prompt": "Root.", "code": "def root(x):\n  return x ** 0.5",
            "test_imports": ["import math"], "test_list": ["assert math.isclose(root(4), 2)"]}]"#;
        std::fs::write(&path, text).expect("file");
        let set = crate::load(SANITIZED.name, Some(&path)).expect("a task");
        let tasks = set.tasks;
        let view = tasks[0].view();
        assert_eq!(view.setup, "import math");
        assert_eq!(view.public_examples, ["assert math.isclose(root(4), 2)"]);
    }

    #[test]
    fn solved_examples_go_before_a_request_only_where_they_are_asked_for() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mbpp.jsonl");
        let row = |id: u32| {
            format!(
                r#"{{"task_id": {id}, "text": "Task {id}.", "code": "def f{id}(): return {id}", "test_setup_code": "", "test_list": ["assert f{id}() == {id}", "assert f{id}()"]}}"#
            )
        };
        let rows: Vec<String> = (1..=5).map(row).collect();
        std::fs::write(&path, rows.join("\n")).expect("file");
        let plain = crate::load("mbpp", Some(&path)).expect("tasks");
        assert!(
            plain
                .tasks
                .iter()
                .all(|task| task.view().few_shot.is_none())
        );
        let shown = crate::load_few_shot("mbpp", Some(&path)).expect("tasks");
        let text = shown.tasks[4]
            .view()
            .few_shot
            .as_deref()
            .expect("a request");
        assert_eq!(text.matches("[DONE]").count(), SHOTS.len());
        assert!(text.ends_with(
            "Task 5. Your code should pass these tests:\n\nassert f5() == 5\nassert f5()\n[BEGIN]\n"
        ));
        let error = crate::load_few_shot("embedded", None).expect_err("no examples");
        assert_eq!(
            error.to_string(),
            "the benchmark `embedded` defines no examples for few-shot prompts\nhint: `mbpp` does; the other prompting conventions work for all benchmarks"
        );
    }
}
