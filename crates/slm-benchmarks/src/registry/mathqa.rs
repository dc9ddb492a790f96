//! MathQA-Python: word problems whose programs assign a number to the variable `answer`.
//!
//! Rows have `text`, `code`, `answer` and optionally `task_id`; without it a task is named by its line number.
//!
//! # Source
//! Austin et al. 2021, arXiv:2108.07732, section 3.2.

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::{BenchmarkError, Task, TaskView, Tests, docstring};

/// Relative tolerance of the answer, which allows another order of the same operations.
const TOLERANCE: f64 = 1e-8;

pub(crate) const FORMAT: Format = Format {
    name: "mathqa-python",
    data: Data {
        file: "mathqa-python-test.json",
        publisher: "github.com/google-research/google-research/tree/master/mbpp",
    },
    read: Reader::Whole(|path| tasks_of_rows(path, task)),
};

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let answer = row
        .need("answer")?
        .as_f64()
        .ok_or_else(|| row.malformed("field `answer` is not a number"))?;
    let id = match row.get("task_id") {
        Some(_) => row.id("task_id")?,
        None => row.number().to_string(),
    };
    let text = row.text("text")?.trim();
    let view = TaskView {
        instruction: Some(format!(
            "{text}\n\nWrite Python code that leaves the result in the variable `answer`."
        )),
        ..TaskView::new(format!("MathQA/{id}"), docstring::module(text), "answer")
    };
    let test =
        format!("assert abs(answer - {answer:?}) <= {TOLERANCE:e} * max(1.0, abs({answer:?}))");
    Ok(Task::new(
        view,
        Tests::plain(vec![test]),
        row.text("code")?.to_owned(),
    ))
}
