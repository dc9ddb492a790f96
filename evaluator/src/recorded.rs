//! The records in a folder against the description of their run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use slm_cli::UserMistake;
use slm_report::{RunInfo, SampleRecord};

use crate::run_folder::{RECORDS, RunFolder};
use crate::workflow::event::Event;

/// Reads the records of a run: those of the answers that it has, each once.
///
/// # Errors
/// The folder has none, a line is not this program's, or a record is not one of the run's.
pub(crate) fn read(folder: &Path, info: &RunInfo) -> Result<Vec<SampleRecord>> {
    refuse_none(folder)?;
    let records = RunFolder::read_records(folder)?;
    check(folder, info, &records)?;
    Ok(records)
}

/// Reads the records of a run, as [`read`], and the steps to its answers.
///
/// # Errors
/// As [`read`]; also if the folder has no log of steps.
pub(crate) fn read_with_steps(
    folder: &Path,
    info: &RunInfo,
) -> Result<(Vec<SampleRecord>, Vec<Event>)> {
    refuse_none(folder)?;
    let (records, events) = RunFolder::read(folder)?;
    check(folder, info, &records)?;
    Ok((records, events))
}

/// Refuses a folder without records, such as a published report.
pub(crate) fn refuse_none(folder: &Path) -> Result<(), UserMistake> {
    if folder.join(RECORDS).is_file() {
        return Ok(());
    }
    Err(UserMistake(format!(
        "{}: has no {RECORDS}, from which report and page are made\n\
         hint: if it is a published merge of shards, merge these again",
        folder.display()
    )))
}

/// Refuses records that the run cannot have: of another cell or benchmark, of more tasks than it has, or of one answer twice.
pub(crate) fn check(
    folder: &Path,
    info: &RunInfo,
    records: &[SampleRecord],
) -> Result<(), UserMistake> {
    let mut seen = BTreeSet::new();
    let mut tasks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let found = records.iter().find_map(|record| {
        let problem = if !has_cell(info, record) {
            "of a cell that the run does not have"
        } else if !has_task(info, record, &mut tasks) {
            "of a task that the run does not have"
        } else if !seen.insert((
            &record.arm,
            &record.workflow,
            record.decoding,
            &record.task_id,
            record.sample,
        )) {
            "of an answer that has another record"
        } else {
            return None;
        };
        Some((record, problem))
    });
    let Some((record, problem)) = found else {
        return Ok(());
    };
    Err(UserMistake(format!(
        "{}: the record of {}, arm {}, workflow {}, sample {}, is {problem}\n\
         hint: the file was changed: take it from where the run was made",
        folder.join(RECORDS).display(),
        record.task_id,
        record.arm,
        record.workflow,
        record.sample,
    )))
}

fn has_cell(info: &RunInfo, record: &SampleRecord) -> bool {
    info.plan.cells.iter().any(|cell| {
        cell.arm == record.arm
            && cell.workflow.name() == record.workflow
            && cell.decoding == record.decoding
            && record.sample < cell.samples
    })
}

/// Whether a task is one of a shard's, or not beyond the number of the benchmark's tasks, whose ids a whole run does not list.
fn has_task<'a>(
    info: &RunInfo,
    record: &'a SampleRecord,
    tasks: &mut BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> bool {
    let benchmark = info
        .benchmarks
        .iter()
        .find(|of| of.name == record.benchmark);
    let Some(benchmark) = benchmark else {
        return false;
    };
    if let Some(shard) = &info.shard {
        return shard.tasks.contains(&record.task_id);
    }
    let own = tasks.entry(&record.benchmark).or_default();
    own.insert(&record.task_id);
    own.len() <= benchmark.tasks
}
