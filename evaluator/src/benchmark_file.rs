//! The tasks of a benchmark by its name, from a file of the user's, of the hub, or of the cache folder.

use std::path::Path;

use anyhow::Result;
use slm_benchmarks::{BenchmarkError, TaskSet};
use slm_cli::{Provenance, UserMistake};
use slm_table::ENDINGS;

/// The tasks of a benchmark, from the file `data`, perhaps one on the hub, or else from the one in the cache folder; and
/// what the hub says that the file is.
///
/// # Errors
/// A [`UserMistake`] if there is no such benchmark, or no such file, or another one than that benchmark's.
pub(crate) fn load_tasks(name: &str, data: Option<&Path>) -> Result<(TaskSet, Option<Provenance>)> {
    load_tasks_by(slm_benchmarks::load, name, data)
}

/// As [`load_tasks`], with the requests after solved examples.
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

/// What a benchmark's file lacks is the user's mistake, unless the system refuses it.
fn user_mistake(error: BenchmarkError) -> anyhow::Error {
    match error {
        BenchmarkError::Unreadable { .. }
        | BenchmarkError::Table(slm_table::TableError::Unreadable { .. }) => error.into(),
        other => UserMistake(other.to_string()).into(),
    }
}
