//! `EvoEval`: `HumanEval`'s problems changed by a language model; right is what a reference program returns.
//!
//! One file a part (difficult, creative, subtle, combine, `tool_use`, verbose, concise). In the first five, inputs are
//! Python text; the last two have `HumanEval`+'s form. The publisher's special cases for single tasks are not applied:
//! results are compared by the general rule.
//!
//! # Source
//! Xia et al. 2024, arXiv:2403.19114; github.com/evo-eval/evoeval.

use std::path::Path;

use crate::fields::{Fields, tasks_of_rows};
use crate::registry::{Data, Format};
use crate::{BenchmarkError, CallTime, Calls, Expected, Oracle, Task, Tests, evalplus, humaneval};

pub(crate) const FORMAT: Format = Format {
    name: "evoeval",
    data: Data {
        file: "EvoEval_difficult.jsonl.gz",
        publisher: "github.com/evo-eval/evoeval_release/releases",
    },
    read,
};

fn read(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    let first = table::open(path)?.next().transpose()?;
    if first.is_some_and(|row| row.fields.contains_key("plus_input")) {
        (evalplus::HUMANEVAL_PLUS.read)(path)
    } else {
        tasks_of_rows(path, task)
    }
}

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let (prompt, entry_point) = (row.text("prompt")?, row.text("entry_point")?);
    let solution = row.text("canonical_solution")?;
    let inputs = row.texts("inputs")?;
    let tests = Tests::Calls(Calls {
        entry_point: entry_point.to_owned(),
        prelude: String::new(),
        base: inputs.iter().map(|input| arguments(input)).collect(),
        plus: None,
        expected: Expected::Reference(format!("{prompt}\n{solution}")),
        oracle: Oracle::Equal,
        atol: 0.0,
        time: CallTime::EVALPLUS,
    });
    let view = humaneval::view(row.text("task_id")?, prompt, entry_point);
    Ok(Task::new(view, tests, format!("\n{solution}")))
}

/// Arguments as they stand in a call, as an expression that gives a tuple.
fn arguments(input: &str) -> String {
    match input.trim().trim_end_matches(',') {
        "" => "()".to_owned(),
        input => format!("({input},)"),
    }
}
