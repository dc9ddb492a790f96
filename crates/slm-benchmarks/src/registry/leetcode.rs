//! `LeetCodeDataset`: a method of a class `Solution` for a problem's text, tested by a function `check`.
//!
//! # Source
//! Xia et al. 2025, arXiv:2504.14655; github.com/newfacade/LeetCodeDataset, version 0.2.0.

use std::ops::RangeInclusive;

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::split::Split;
use crate::{Asserts, BenchmarkError, Task, TaskView, Tests, docstring};

pub(crate) const FORMAT: Format = Format {
    name: "leetcode",
    data: Data {
        file: "LeetCodeDataset-v0.2.0-test.jsonl.gz",
        publisher: "github.com/newfacade/LeetCodeDataset",
    },
    read: Reader::Whole(|path| tasks_of_rows(path, task)),
};

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    // Imports, and on many tasks the classes of lists and trees with helpers that the tests use.
    let preamble = row.text("prompt")?;
    let query = row.text("query")?;
    let method = row.text("entry_point")?;
    let class = method.split(['(', '.']).next().unwrap_or_default();
    let prompt = format!("{}\n\n{}", preamble.trim_end(), docstring::module(query));
    let view = TaskView {
        instruction: Some(query.to_owned()),
        method: method.rsplit_once('.').map(|(_, name)| name.to_owned()),
        ..TaskView::new(format!("LeetCode/{}", row.text("task_id")?), prompt, class)
    };
    let source = row.text("test")?;
    let (setup, tests) = match docstring::asserts_of_check(source) {
        // All tests use one instance, since `check` gets a bound method.
        Some(tests) => (format!("candidate = {method}"), tests),
        None => (source.to_owned(), vec![format!("check({method})")]),
    };
    let tests = Tests::Asserts(Asserts {
        preamble: preamble.to_owned(),
        setup,
        tests,
    });
    let task = Task::new(view, tests, row.text("completion")?.to_owned());
    let question = row
        .get("meta")
        .and_then(|meta| meta["question_id"].as_u64());
    Ok(match question {
        Some(id) if TEST_QUESTIONS.contains(&id) => task.in_split(Split::Test),
        Some(_) => task.in_split(Split::Train),
        None => task,
    })
}

/// Numbers of the questions in the publisher's file of tests; its file for training contains none of them.
const TEST_QUESTIONS: RangeInclusive<u64> = 3044..=3546;
