//! `HumanEval`: functions to be completed from signature and docstring, tested by a function `check`.
//!
//! # Source
//! Chen et al. 2021, arXiv:2107.03374; github.com/openai/human-eval.

use std::path::Path;

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::{Asserts, BenchmarkError, Task, TaskView, Tests, docstring};

pub(crate) const FORMAT: Format = Format {
    name: "humaneval",
    data: Data {
        file: "HumanEval.jsonl.gz",
        publisher: "github.com/openai/human-eval",
    },
    read: Reader::Whole(read),
};

fn read(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    tasks_of_rows(path, task)
}

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let view = view(
        row.text("task_id")?,
        row.text("prompt")?,
        row.text("entry_point")?,
    );
    let tests = Tests::Asserts(Asserts {
        preamble: String::new(),
        setup: row.text("test")?.to_owned(),
        tests: vec![format!("check({})", view.entry_point)],
    });
    Ok(Task::new(
        view,
        tests,
        row.text("canonical_solution")?.to_owned(),
    ))
}

/// Returns the view of a task in `HumanEval`'s form, with the examples of the entry point's docstring: those of a session
/// (`>>>`), and without one those that are written in one line.
pub(crate) fn view(task_id: &str, prompt: &str, entry_point: &str) -> TaskView {
    let mut view = TaskView::new(task_id, prompt.to_owned(), entry_point);
    view.public_examples = docstring::all(prompt)
        .last()
        .map(|docstring| {
            let text = docstring::unescaped(docstring);
            let session = docstring::examples(&text);
            if session.is_empty() {
                docstring::written_examples(&text, entry_point)
            } else {
                session
            }
        })
        .unwrap_or_default();
    view
}
