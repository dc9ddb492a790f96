//! `EvoEval`: `HumanEval`'s problems changed by a language model; a reference program defines the correct results.
//!
//! One file per part (difficult, creative, subtle, combine, `tool_use`, verbose, concise). In the first five, inputs
//! are Python text, and task ids do not identify the part: the file's name must. The last two have `HumanEval`+'s
//! form, extra tests included. Results are compared with their types; a few tasks have several correct answers, each
//! with its own rule. If a program changes its arguments, these rules use the arguments before the change.
//!
//! # Source
//! Xia et al. 2024, arXiv:2403.19114; github.com/evo-eval/evoeval; PyPI's `evoeval` 0.1.0 for rules and limits.

use std::path::Path;

use super::evalplus::{self, ZERO};
use super::humaneval;
use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::{BenchmarkError, CallTime, Calls, Expected, Oracle, Puzzle, Task, Tests};

/// The parts that do not have `HumanEval`+'s form.
const PARTS: [&str; 5] = ["difficult", "creative", "subtle", "combine", "tool_use"];

pub(crate) const FORMAT: Format = Format {
    name: "evoeval",
    data: Data {
        file: "EvoEval_difficult.jsonl.gz",
        publisher: "github.com/evo-eval/evoeval_release/releases",
    },
    read: Reader::Whole(read),
};

fn read(path: &Path) -> Result<Vec<Task>, BenchmarkError> {
    let first = slm_table::open(path)?.next().transpose()?;
    if first.is_some_and(|row| row.fields.contains_key("plus_input")) {
        return evalplus::read_reworded(path, FORMAT.data);
    }
    let part = part_of(path).ok_or_else(|| BenchmarkError::Malformed {
        place: path.display().to_string(),
        problem: format!(
            "the file's name contains none of {}\nhint: the part decides how some tasks are scored; keep the publisher's file name, for example {}",
            PARTS.join(", "),
            FORMAT.data.file
        ),
    })?;
    tasks_of_rows(path, |row| task(part, row))
}

fn part_of(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy();
    PARTS.into_iter().find(|part| name.contains(part))
}

fn task(part: &str, row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let (task_id, prompt) = (row.text("task_id")?, row.text("prompt")?);
    let entry_point = row.text("entry_point")?;
    let solution = row.text("canonical_solution")?;
    let inputs = row.texts("inputs")?;
    if inputs.is_empty() {
        return Err(row.malformed("`inputs` is empty: every program would pass"));
    }
    let tests = Tests::Calls(Calls {
        entry_point: entry_point.to_owned(),
        prelude: String::new(),
        base: inputs.iter().map(|input| arguments(input)).collect(),
        plus: None,
        expected: Expected::Reference(format!("{prompt}\n{solution}")),
        oracle: oracle(part, task_id, entry_point),
        atol: ZERO,
        time: CallTime::EVALPLUS,
    });
    let view = humaneval::view(task_id, prompt, entry_point);
    Ok(Task::new(view, tests, format!("\n{solution}")))
}

/// Returns the rule for comparing the results of a task.
fn oracle(part: &str, task_id: &str, entry_point: &str) -> Oracle {
    let puzzle = match (part, task_id) {
        ("difficult", "EvoEval/10") => Puzzle::Palindrome,
        ("difficult", "EvoEval/32") => Puzzle::ZeroInInterval,
        ("creative", "EvoEval/26") => Puzzle::Moves,
        ("creative", "EvoEval/30") => Puzzle::Cells,
        ("creative", "EvoEval/69") => Puzzle::Factors,
        // After the first two, coefficients are those of odd powers only.
        ("subtle", "EvoEval/32") => {
            return Oracle::ZeroOf(format!(
                "def {entry_point}(xs):\n    return [xs[0], xs[1]] + [y for x in xs[2:] for y in (0, x)]\n"
            ));
        }
        _ => return Oracle::Typed,
    };
    Oracle::Puzzle {
        puzzle,
        arguments: format!("def {entry_point}(*arguments):\n    return arguments\n"),
    }
}

/// Turns the text of a call's arguments into an expression for a tuple.
fn arguments(input: &str) -> String {
    match input.trim().trim_end_matches(',') {
        "" => "()".to_owned(),
        input => format!("({input},)"),
    }
}
