//! The gate before an evaluation: an adapter is not judged on tasks that it learned from.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use slm_artifacts::{AdapterFolder, TaskFingerprint, TrainingSummary};
use slm_benchmarks::{Evaluated, ScoringPhase, SharedTask, Task};
use slm_cli::UserMistake;

use super::adapters::NamedAdapter;
use super::tasks::RunTask;
use crate::leakage::listed;

/// What to do about an adapter that has learned tasks of a run.
const ALLOW: &str = "evaluate other tasks; to sample from the adapter and not to judge it, add --allow-learned-tasks";

/// Returns for each adapter the tasks of the run that are in the data sets it was trained on, which `is_allowed` permits.
///
/// Solutions are opened for the comparison, before any answer exists; only hashes are compared.
///
/// # Errors
/// An adapter learned from a task of the run, or its record of what it learned cannot be read, and that is not allowed.
pub(super) fn check(
    adapters: &[NamedAdapter],
    tasks: &[RunTask],
    is_allowed: bool,
) -> Result<Vec<Vec<String>>> {
    let tasks: Vec<Task> = tasks.iter().map(|of| of.task.clone()).collect();
    check_tasks(adapters, &tasks, Some(ALLOW).filter(|_| !is_allowed))
}

/// As [`check`], for tasks of any origin; `refuse` is the hint of a refusal, and `None` permits what is learned.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_tasks(
    adapters: &[NamedAdapter],
    tasks: &[Task],
    refuse: Option<&str>,
) -> Result<Vec<Vec<String>>> {
    let mut evaluated = None;
    adapters
        .iter()
        .map(|adapter| {
            let learned = learned(&adapter.folder, refuse)?;
            if learned.is_empty() {
                return Ok(Vec::new());
            }
            let evaluated =
                evaluated.get_or_insert_with(|| Evaluated::new(tasks, &ScoringPhase::begin()));
            let shared = evaluated.shared(&learned);
            if shared.is_empty() {
                return Ok(Vec::new());
            }
            let text = refusal(adapter, &shared);
            if let Some(hint) = refuse {
                return Err(UserMistake(format!("{text}\nhint: {hint}")).into());
            }
            slm_cli::note(&format!(
                "warning: {text}\nhint: do not compare the adapter's scores: --allow-learned-tasks is for sampling"
            ));
            let names: BTreeSet<String> = shared.into_iter().map(|of| of.evaluated).collect();
            Ok(names.into_iter().collect())
        })
        .collect()
}

/// Returns the tasks that an adapter's folder records as learned; none if it has no record, as another program's.
///
/// # Errors
/// The record cannot be read, and there is a hint for the refusal.
fn learned(folder: &Path, refuse: Option<&str>) -> Result<Vec<TaskFingerprint>, UserMistake> {
    let folder = AdapterFolder(folder);
    let summary = folder.read_training();
    if summary.is_none() && folder.training().exists() {
        let text = format!(
            "{}: cannot be read, so that it is unknown from which tasks the adapter learned",
            folder.training().display()
        );
        if let Some(hint) = refuse {
            return Err(UserMistake(format!(
                "{text}\nhint: restore the file, or train again; or {hint}"
            )));
        }
        slm_cli::note(&format!("warning: {text}"));
    }
    // An adapter that was trained further knows the tasks of the one that it started from, too.
    let sets = summary.iter().flat_map(TrainingSummary::learned);
    Ok(sets.flat_map(|set| set.tasks.clone()).collect())
}

fn refusal(adapter: &NamedAdapter, shared: &[SharedTask]) -> String {
    let evaluated: BTreeSet<&str> = shared.iter().map(|of| of.evaluated.as_str()).collect();
    format!(
        "{}: the adapter learned from {} of the tasks to be evaluated:{}",
        adapter.folder.display(),
        evaluated.len(),
        listed(shared)
    )
}
