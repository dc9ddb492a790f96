//! The answers to a task, as far as a run's folder holds them: the record of each and the steps to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::UserMistake;
use slm_config::Workflow;
use slm_report::SampleRecord;

use crate::arguments::ShowArguments;
use crate::json_lines;
use crate::recorded;
use crate::run_folder::{RECORDS, RUN, RunFolder, TRAJECTORIES};
use crate::workflow::event::{Event, Key};

/// One answer.
#[derive(Default)]
pub(super) struct Answer {
    /// `None` if the answer is not finished or not scored yet.
    pub(super) record: Option<SampleRecord>,
    /// In their order; empty without a log.
    pub(super) steps: Vec<Event>,
}

/// The answers to one task.
pub(super) struct Answers {
    pub(super) task: String,
    pub(super) by_key: BTreeMap<Key, Answer>,
    /// Whether the folder has a log of steps.
    pub(super) has_log: bool,
}

impl Answers {
    /// Reads the answers that were asked for.
    ///
    /// # Errors
    /// There is no such run, task or answer, or a file cannot be read.
    pub(super) fn read(arguments: &ShowArguments) -> Result<Self> {
        let folder = folder_of(arguments)?;
        let [records, log] = [RECORDS, TRAJECTORIES].map(|name| folder.join(name));
        let has_log = log.is_file();
        let records: Vec<SampleRecord> = read_if_there(&records)?;
        // A run that was stopped before it was described has no description to compare with.
        if folder.join(RUN).is_file() {
            let info = RunFolder::read_info(&folder)?;
            recorded::check(&folder, &info, &records)?;
        }
        let steps: Vec<Event> = read_if_there(&log)?;
        let ids = records.iter().map(|record| &*record.task_id);
        let ids = ids.chain(steps.iter().map(|step| &*step.trajectory.task_id));
        let task = task_of(&ids.collect(), &arguments.task, &folder)?;
        let mut by_key: BTreeMap<Key, Answer> = BTreeMap::new();
        for record in records.into_iter().filter(|of| of.task_id == task) {
            let answer = by_key.entry(key_of(&record, &folder)?).or_default();
            answer.record = Some(record.upgraded());
        }
        for step in steps.into_iter().filter(|of| of.trajectory.task_id == task) {
            let answer = by_key.entry(step.trajectory.clone()).or_default();
            answer.steps.push(step);
        }
        let there: Vec<Key> = by_key.keys().cloned().collect();
        by_key.retain(|key, _| is_asked_for(key, arguments));
        if by_key.is_empty() {
            return Err(nothing_left(&task, &there).into());
        }
        for answer in by_key.values_mut() {
            answer.steps.sort_by_key(|step| step.step);
        }
        Ok(Self {
            task,
            by_key,
            has_log,
        })
    }
}

/// The folder of the run that was named. A run that was stopped before it was described has answers already.
fn folder_of(arguments: &ShowArguments) -> Result<PathBuf, UserMistake> {
    let has = |name: &str| arguments.run.join(name).is_file();
    if has(TRAJECTORIES) || has(RECORDS) {
        return Ok(arguments.run.clone());
    }
    let folder = crate::runs::folder_of(&arguments.run, &arguments.reports)?;
    if [RECORDS, TRAJECTORIES]
        .iter()
        .all(|name| !folder.join(name).is_file())
    {
        return Err(UserMistake(format!(
            "{}: neither {RECORDS} nor {TRAJECTORIES}, so the run has no answer to show\n\
             hint: repeat the command of the run, or copy these files from where it was made",
            folder.display()
        )));
    }
    Ok(folder)
}

fn read_if_there<T: json_lines::Versioned>(file: &Path) -> Result<Vec<T>> {
    if file.is_file() {
        json_lines::read_file(file)
    } else {
        Ok(Vec::new())
    }
}

/// Returns the key of the answer that a record measures.
fn key_of(record: &SampleRecord, folder: &Path) -> Result<Key, UserMistake> {
    let name = serde_json::Value::String(record.workflow.clone());
    let workflow: Workflow = serde_json::from_value(name).map_err(|_| {
        UserMistake(format!(
            "{}: a record of the workflow `{}`, which this program does not know\n\
             hint: show the run with the version of this program that made it",
            folder.join(RECORDS).display(),
            record.workflow
        ))
    })?;
    Ok(Key {
        arm: record.arm.clone(),
        workflow,
        decoding: record.decoding,
        task_id: record.task_id.clone(),
        sample: record.sample,
    })
}

/// Returns the one task whose id is `name` or ends in `/name`.
fn task_of(tasks: &BTreeSet<&str>, name: &str, folder: &Path) -> Result<String, UserMistake> {
    if tasks.contains(name) {
        return Ok(name.to_owned());
    }
    let ending: Vec<&str> = tasks
        .iter()
        .copied()
        .filter(|task| task.ends_with(&format!("/{name}")))
        .collect();
    match ending[..] {
        [task] => Ok(task.to_owned()),
        [] => {
            let some: Vec<&str> = tasks.iter().copied().take(5).collect();
            Err(UserMistake(format!(
                "{}: no task `{name}` among {} tasks\nhint: some of them are {}",
                folder.display(),
                tasks.len(),
                some.join(", ")
            )))
        }
        _ => Err(UserMistake(format!(
            "`{name}` is ambiguous: {}\nhint: give the whole id",
            ending.join(" or ")
        ))),
    }
}

fn is_asked_for(key: &Key, arguments: &ShowArguments) -> bool {
    let is_or_any = |asked: &Option<String>, found: &str| asked.as_ref().is_none_or(|a| a == found);
    // With `--diff`, the arm is compared with the base model.
    let is_arm = is_or_any(&arguments.arm, &key.arm)
        || (arguments.diff && key.arm == slm_artifacts::BASE_ARM);
    is_arm
        && is_or_any(&arguments.workflow, key.workflow.name())
        && arguments.sample.is_none_or(|sample| sample == key.sample)
}

fn nothing_left(task: &str, there: &[Key]) -> UserMistake {
    let there: Vec<String> = there
        .iter()
        .map(|key| {
            format!(
                "--arm {} --workflow {} --sample {}",
                key.arm, key.workflow, key.sample
            )
        })
        .collect();
    UserMistake(format!(
        "{task}: no answer matches the options\nhint: there are {}",
        there.join(", ")
    ))
}
