//! Loads the tasks of a benchmark by its name, from the user's file, the hub, or the cache folder.

use std::path::Path;

use anyhow::Result;
use slm_benchmarks::{BenchmarkError, TaskSet};
use slm_cli::{Provenance, UserMistake};
use slm_table::ENDINGS;

/// Loads the tasks of a benchmark from the file `data`, which may be on the hub, or else from the one in the cache
/// folder; returns them with the hub's record of the file.
///
/// # Errors
/// A [`UserMistake`] if the benchmark or its file does not exist, or the file belongs to another benchmark.
pub(crate) fn load_tasks(name: &str, data: Option<&Path>) -> Result<(TaskSet, Option<Provenance>)> {
    load_tasks_by(slm_benchmarks::load, name, data)
}

/// Loads tasks as [`load_tasks`] does, with prompts that begin with solved examples (few-shot).
pub(crate) fn load_few_shot_tasks(
    name: &str,
    data: Option<&Path>,
) -> Result<(TaskSet, Option<Provenance>)> {
    load_tasks_by(slm_benchmarks::load_few_shot, name, data)
}

fn load_tasks_by(
    load: fn(&str, Option<&Path>) -> Result<TaskSet, BenchmarkError>,
    name: &str,
    data: Option<&Path>,
) -> Result<(TaskSet, Option<Provenance>)> {
    let default = slm_benchmarks::data_of(name).map(|data| data.file);
    let (data, provenance) = slm_cli::benchmark_data(data, default, &ENDINGS)?;
    let set = load(name, data.as_deref()).map_err(user_mistake)?;
    Ok((set, provenance))
}

/// Maps a fault of a benchmark's file to a user mistake, unless the operating system refused access to it.
fn user_mistake(error: BenchmarkError) -> anyhow::Error {
    match error {
        BenchmarkError::Unreadable { .. }
        | BenchmarkError::Table(slm_table::TableError::Unreadable { .. }) => error.into(),
        other => UserMistake(other.to_string()).into(),
    }
}
