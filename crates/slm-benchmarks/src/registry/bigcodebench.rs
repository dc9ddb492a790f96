//! `BigCodeBench`: functions that use many libraries, tested by `unittest` classes.
//!
//! The libraries must be installed for the interpreter that runs the tests; tasks whose imports are missing remain
//! unscored.
//!
//! # Source
//! Zhuo et al. 2024, arXiv:2406.15877; huggingface.co/datasets/bigcode/bigcodebench.

use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::{BenchmarkError, Task, TaskView, Tests, Unittest, docstring};

pub(crate) const FORMAT: Format = Format {
    name: "bigcodebench",
    data: Data {
        file: "v0.1.4-00000-of-00001.parquet",
        publisher: "huggingface.co/datasets/bigcode/bigcodebench",
    },
    read: Reader::Whole(|path| tasks_of_rows(path, task)),
};

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let prompt = row.text("complete_prompt")?;
    let tests = Unittest::of(row.text("test")?.to_owned());
    if tests.methods.is_empty() {
        return Err(row.malformed("`test` contains no unittest method"));
    }
    let examples = docstring::all(prompt)
        .last()
        .map(|text| docstring::examples(&docstring::unescaped(text)));
    let view = TaskView {
        instruction: row.optional_text("instruct_prompt")?.map(str::to_owned),
        public_examples: examples.unwrap_or_default(),
        ..TaskView::new(
            row.text("task_id")?,
            prompt.to_owned(),
            row.text("entry_point")?,
        )
    };
    let solution = row.text("canonical_solution")?.to_owned();
    Ok(Task::new(view, Tests::Unittest(tests), solution))
}
