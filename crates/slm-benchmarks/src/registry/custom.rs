//! Custom tasks: a `.jsonl`, `.json` or `.parquet` file whose rows have these fields.
//!
//! | field | | |
//! |---|---|---|
//! | `task_id` | required | unique text or number |
//! | `prompt` | required | Python to be continued: imports, signature, docstring |
//! | `entry_point` | required | name of the function or class that the tests use |
//! | `tests` | this | list of Python snippets, usually one `assert` each, that raise if the program is wrong |
//! | `test` | or this | Python that defines `check(candidate)`, as in `HumanEval` |
//! | `setup` | optional | Python that is run before `tests` |
//! | `preamble` | optional | definitions that program and tests share |
//! | `canonical_solution` | optional | a right continuation of the prompt |
//! | `public_examples` | optional | list of tests that a workflow may see and run |
//! | `instruction` | optional | the request in prose, for conversations |
//! | `references` | optional | list of `{"source": FILE, "name": QUALIFIED_NAME}`: what solves the task in your library |

use crate::error::YOURS;
use crate::fields::{Fields, tasks_of_rows};
use crate::format::{Data, Format, Reader};
use crate::{Asserts, BenchmarkError, Task, TaskView, Tests};

pub(crate) const FORMAT: Format = Format {
    name: "custom",
    data: Data {
        file: "tasks.jsonl",
        publisher: YOURS,
    },
    read: Reader::Whole(|path| tasks_of_rows(path, task)),
};

fn task(row: &Fields<'_>) -> Result<Task, BenchmarkError> {
    let entry_point = row.text("entry_point")?;
    let public_examples = match row.get("public_examples") {
        Some(_) => row.texts("public_examples")?,
        None => Vec::new(),
    };
    let setup = row.optional_text("setup")?.unwrap_or_default();
    let view = TaskView {
        public_examples,
        setup: setup.to_owned(),
        instruction: row.optional_text("instruction")?.map(str::to_owned),
        ..TaskView::new(
            row.id("task_id")?,
            row.text("prompt")?.to_owned(),
            entry_point,
        )
    };
    let mut setup = setup.to_owned();
    let tests = match (row.get("tests"), row.optional_text("test")?) {
        (Some(_), None) => row.texts("tests")?,
        (None, Some(check)) => {
            setup = format!("{setup}\n{check}");
            vec![format!("check({entry_point})")]
        }
        (None, None) => return Err(row.malformed("no field `tests` and no field `test`")),
        (Some(_), Some(_)) => {
            return Err(row.malformed("both `tests` and `test`, expected one of them"));
        }
    };
    if tests.is_empty() {
        return Err(row.malformed("`tests` is empty: every program would pass"));
    }
    let tests = Tests::Asserts(Asserts {
        preamble: row
            .optional_text("preamble")?
            .unwrap_or_default()
            .to_owned(),
        setup,
        tests,
    });
    let solution = row.optional_text("canonical_solution")?.unwrap_or_default();
    let references = match row.get("references") {
        Some(value) => serde_json::from_value(value.clone()).map_err(|_| {
            row.malformed(
                "`references` is not a list of {\"source\": FILE, \"name\": QUALIFIED_NAME}",
            )
        })?,
        None => Vec::new(),
    };
    Ok(Task::new(view, tests, solution.to_owned()).with_references(references))
}
