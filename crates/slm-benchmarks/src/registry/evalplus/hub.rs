//! `HumanEval`+ and MBPP+ as the hub's data sets contain them: parquet, with each task's tests as one program.
//!
//! The inputs are read from the program. As in the release, the canonical solution defines the correct results, and the
//! rules of comparison are those of [`oracle`]: a program gets the same verdict as by the release. Base and extra tests
//! are not distinguished there, so they are one suite. A test program of another form than the publisher's runs as a single
//! test, in a process apart from the program.
//!
//! # Source
//! huggingface.co/datasets/evalplus/humanevalplus and .../mbppplus.

use std::cell::Cell;
use std::path::Path;

use super::test_program::{TestProgram, parse};
use super::{Family, is_early, mbpp_view, oracle};
use crate::fields::{Fields, tasks_of_rows};
use crate::format::Data;
use crate::registry::{humaneval, mbpp};
use crate::{Asserts, BenchmarkError, CallTime, Calls, Expected, Oracle, Task, TaskView, Tests};

/// Whether a test is a program of EvalPlus.
pub(super) fn is_test_program(test: &str) -> bool {
    parse(test).is_some()
}

/// Reads the tasks of a file.
///
/// # Errors
/// [`BenchmarkError::WantsRelease`] for the original benchmark, whose tests are others; a row without a required column.
pub(super) fn read(path: &Path, family: Family, data: Data) -> Result<Vec<Task>, BenchmarkError> {
    let original = || BenchmarkError::WantsRelease {
        path: path.to_owned(),
        found: "the original benchmark, without the tests that EvalPlus added",
        file: data.file,
        publisher: data.publisher,
    };
    let numbers = tasks_of_rows(path, |row| {
        let id = row.id("task_id")?;
        Ok(id.rsplit('/').next().and_then(|number| number.parse().ok()))
    })?;
    let family = match family {
        Family::Mbpp if numbers.into_iter().flatten().any(is_early) => Family::EarlyMbpp,
        family => family,
    };
    let n_loops = Cell::new(0);
    let tasks = tasks_of_rows(path, |row| {
        if row.get("test").is_none() && row.get("test_list").is_some() {
            return Err(original());
        }
        let test = row.text("test")?;
        if test.trim().is_empty() {
            return Err(row.malformed("`test` is empty: every program would pass"));
        }
        let program = parse(test);
        n_loops.set(n_loops.get() + usize::from(program.is_some()));
        match family {
            Family::Mbpp | Family::EarlyMbpp => mbpp_task(row, family, test, program),
            Family::HumanEval | Family::Evo => humaneval_task(row, family, test, program),
        }
    })?;
    if n_loops.get() == 0 && !tasks.is_empty() {
        return Err(original());
    }
    Ok(tasks)
}

fn humaneval_task(
    row: &Fields<'_>,
    family: Family,
    test: &str,
    program: Option<TestProgram<'_>>,
) -> Result<Task, BenchmarkError> {
    let task_id = prefixed("HumanEval", row)?;
    let (prompt, entry_point) = (row.text("prompt")?, row.text("entry_point")?);
    let solution = row.text("canonical_solution")?;
    let view = humaneval::view(&task_id, prompt, entry_point);
    let reference = format!("{prompt}{solution}");
    let tests = match calls(row, family, entry_point, reference, program)? {
        Some(calls) => Tests::Calls(calls),
        None => Tests::Asserts(Asserts {
            preamble: String::new(),
            setup: test.to_owned(),
            tests: vec![format!("check({entry_point})")],
        }),
    };
    Ok(Task::new(view, tests, solution.to_owned()))
}

fn mbpp_task(
    row: &Fields<'_>,
    family: Family,
    test: &str,
    program: Option<TestProgram<'_>>,
) -> Result<Task, BenchmarkError> {
    let task_id = prefixed("Mbpp", row)?;
    let code = row.text("code")?.replace("\r\n", "\n");
    let examples = row.texts("test_list")?;
    let first = examples
        .first()
        .ok_or_else(|| row.malformed("`test_list` is empty"))?;
    let entry_point = match &program {
        Some(program) => program.called,
        None => mbpp::called_function(first, &code).ok_or_else(|| {
            row.malformed("the first test of `test_list` calls no function of `code`")
        })?,
    };
    // Some definitions have a space before their parameters.
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if !code.split(|c| !is_word(c)).any(|word| word == entry_point) {
        return Err(row.malformed(format!(
            "`test` calls `{entry_point}`, which `code` does not define"
        )));
    }
    let prompt = mbpp::prompt(row.text("prompt")?, first);
    let setup = match row.get("test_imports") {
        Some(_) => row.texts("test_imports")?.join("\n"),
        None => String::new(),
    };
    let view = TaskView {
        setup,
        ..mbpp_view(&task_id, &prompt, entry_point)
    };
    let reference = format!("{prompt}{code}");
    let tests = match calls(row, family, entry_point, reference, program)? {
        Some(calls) => Tests::Calls(calls),
        None => Tests::Asserts(Asserts {
            preamble: String::new(),
            setup: view.setup.clone(),
            tests: vec![test.to_owned()],
        }),
    };
    Ok(Task::new(view, tests, format!("{}\n", code.trim_end())))
}

/// Returns the calls of a test program; `None` if it is of another form, or compares by a rule of its author's.
fn calls(
    row: &Fields<'_>,
    family: Family,
    entry_point: &str,
    reference: String,
    program: Option<TestProgram<'_>>,
) -> Result<Option<Calls>, BenchmarkError> {
    let oracle = oracle(family, entry_point);
    let Some(program) = program.filter(|program| is_publishers(program.definitions, &oracle))
    else {
        return Ok(None);
    };
    let n = program.arguments.len();
    if n == 0 {
        return Err(row.malformed("`test` has no inputs: every program would pass"));
    }
    if let Some(results) = program.results.filter(|results| *results != n) {
        return Err(row.malformed(format!("`test` has {n} inputs and {results} results")));
    }
    Ok(Some(Calls {
        entry_point: entry_point.to_owned(),
        prelude: String::new(),
        base: program.arguments,
        plus: None,
        expected: Expected::Reference(reference),
        oracle,
        atol: program.atol,
        time: CallTime::EVALPLUS,
    }))
}

/// Whether the definitions of a test program compare by the publisher's rule for the task.
fn is_publishers(definitions: &str, oracle: &Oracle) -> bool {
    let (of_sets, of_truth) = (
        definitions.contains("set(out)"),
        definitions.contains("isinstance(out, bool)"),
    );
    match oracle {
        Oracle::SetEqual => !of_truth,
        Oracle::NotNone => !of_sets,
        _ => !of_sets && !of_truth,
    }
}

/// Returns the id of a task with the name of its benchmark before a bare number.
fn prefixed(benchmark: &str, row: &Fields<'_>) -> Result<String, BenchmarkError> {
    let id = row.id("task_id")?;
    Ok(if id.contains('/') {
        id
    } else {
        format!("{benchmark}/{id}")
    })
}
