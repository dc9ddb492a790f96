//! Loads the tasks of a benchmark by its name, from the user's file, the hub, or the cache folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_benchmarks::{BenchmarkError, Selection, TaskSet};
use slm_cli::{Provenance, UserMistake};
use slm_config::{Benchmark, BenchmarkSplit};
use slm_table::ENDINGS;

/// Loads the tasks of a benchmark from the file `data`, which may be on the hub, or else from the one in the cache
/// folder; returns them with the hub's record of the file.
///
/// # Errors
/// A [`UserMistake`] if the benchmark or its file does not exist, or the file belongs to another benchmark.
pub(crate) fn load_tasks(name: &str, data: Option<&Path>) -> Result<(TaskSet, Option<Provenance>)> {
    let (data, provenance) = locate(name, data)?;
    let set = slm_benchmarks::load(name, data.as_deref()).map_err(user_mistake)?;
    Ok((set, provenance))
}

/// Loads the tasks that a recipe selects from a benchmark, as [`load_tasks`] does; with `few_shot`, their prompts begin
/// with solved examples.
///
/// # Errors
/// As [`load_tasks`]; or the recipe selects tasks that do not exist.
pub(crate) fn load_selected_tasks(
    benchmark: &Benchmark,
    few_shot: bool,
) -> Result<(TaskSet, Option<Provenance>)> {
    let name = benchmark.name.as_str();
    let (data, provenance) = locate(name, benchmark.path.as_deref())?;
    let selection = selection(benchmark)?;
    let set = if few_shot {
        slm_benchmarks::load_few_shot(name, data.as_deref()).and_then(|mut set| {
            set.select(&selection)?;
            Ok(set)
        })
    } else {
        slm_benchmarks::load_selected(name, data.as_deref(), &selection)
    };
    Ok((set.map_err(user_mistake)?, provenance))
}

/// Reads which tasks of a benchmark a recipe selects.
fn selection(benchmark: &Benchmark) -> Result<Selection> {
    let task_ids = benchmark.read_task_ids().map_err(|error| {
        let path = benchmark.task_ids.as_deref().unwrap_or(Path::new(""));
        UserMistake(format!(
            "{}: cannot read the ids of tasks: {error}\nhint: write one id per line",
            path.display()
        ))
    })?;
    let split = benchmark.split.map(BenchmarkSplit::name);
    Ok(Selection::named(split, task_ids))
}

fn locate(name: &str, data: Option<&Path>) -> Result<(Option<PathBuf>, Option<Provenance>)> {
    let default = slm_benchmarks::data_of(name).map(|data| data.file);
    let found = slm_cli::benchmark_data(data, default, slm_benchmarks::subset_of(name), &ENDINGS);
    found.with_context(|| {
        let path = data.unwrap_or(Path::new("")).display();
        match slm_benchmarks::data_of(name) {
            Some(of) => format!(
                "the benchmark `{name}` needs {path}, or in its place the file {} of {}",
                of.file, of.publisher
            ),
            None => format!("the benchmark `{name}` needs {path}"),
        }
    })
}

/// Maps a fault of a benchmark's file to a user mistake, unless the operating system refused access to it.
fn user_mistake(error: BenchmarkError) -> anyhow::Error {
    match error {
        BenchmarkError::Unreadable { .. }
        | BenchmarkError::Table(slm_table::TableError::Unreadable { .. }) => error.into(),
        other => UserMistake(other.to_string()).into(),
    }
}
