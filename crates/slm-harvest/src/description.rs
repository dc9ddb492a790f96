//! The description of a data set: `dataset.json`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use slm_artifacts::{DATASET_VERSION, DatasetInfo, SourceRun, TaskFingerprint};

use crate::lengths::lengths;
use crate::pairs::explained_by_lloc;
use crate::settings::Settings;
use crate::{Harvest, Row};

/// Describes a harvest. `fingerprints` are those of all tasks; the description has those of the rows. `more` are rules of
/// the caller.
pub fn describe(
    harvest: &Harvest,
    settings: &Settings,
    runs: Vec<SourceRun>,
    fingerprints: &[TaskFingerprint],
    more: BTreeMap<String, Value>,
    (rows_sha256, sources_sha256): (String, String),
) -> DatasetInfo {
    let mut rules = settings.to_rules();
    rules.extend(more);
    DatasetInfo {
        version: DATASET_VERSION,
        kind: settings.dataset_kind(),
        rules,
        runs,
        answers: harvest.answers,
        rows: harvest.rows.len(),
        left_out: harvest
            .left_out
            .iter()
            .map(|(reason, count)| (reason.text().to_owned(), *count))
            .collect(),
        rows_sha256,
        sources_sha256,
        tasks: of_rows(&harvest.rows, fingerprints),
        lengths: lengths(&harvest.rows),
        mi_code_explained_by_lloc: explained_by_lloc(&harvest.rows),
    }
}

/// Returns the fingerprints of the rows' tasks, in the order of the rows, each once.
fn of_rows(rows: &[Row], all: &[TaskFingerprint]) -> Vec<TaskFingerprint> {
    let mut seen = HashSet::new();
    let ids = rows.iter().map(|row| row.task_id.as_str());
    let ids = ids.filter(|id| seen.insert(*id));
    // Benchmarks that share a task may word it differently: all their fingerprints count.
    ids.flat_map(|id| {
        let mut of_task: Vec<&TaskFingerprint> = all.iter().filter(|of| of.task_id == id).collect();
        of_task.dedup();
        of_task
    })
    .cloned()
    .collect()
}
