//! `evaluator show`: prints the trajectories of a task, from the request to the program.

mod lookup;
mod page;
mod paint;
mod snippet;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_cli::{Failure, UserMistake};

use crate::arguments::ShowArguments;
use crate::json_lines;
use crate::run_folder::TRAJECTORIES;
use crate::workflow::event::{Event, Key};

use paint::Paint;

/// Prints the trajectories of a task.
pub(crate) fn run(arguments: &ShowArguments) -> Result<(), Failure> {
    Ok(show(arguments)?)
}

fn show(arguments: &ShowArguments) -> Result<()> {
    let file = log_of(arguments)?;
    let events: Vec<Event> = json_lines::read_file(&file)?;
    let task = task_of(&events, &arguments.task, &file)?;
    let mut trajectories: BTreeMap<Key, Vec<Event>> = BTreeMap::new();
    for event in events {
        if event.trajectory.task_id == task {
            let key = event.trajectory.clone();
            trajectories.entry(key).or_default().push(event);
        }
    }
    let there: Vec<Key> = trajectories.keys().cloned().collect();
    trajectories.retain(|key, _| is_asked_for(key, arguments));
    if trajectories.is_empty() {
        return Err(nothing_left(&task, &there).into());
    }
    for events in trajectories.values_mut() {
        events.sort_by_key(|event| event.step);
    }
    if arguments.json {
        let all: Vec<&Event> = trajectories.values().flatten().collect();
        slm_cli::document(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let paint = Paint::new(std::io::stdout().is_terminal() && !no_color);
    let pages: Vec<String> = trajectories
        .iter()
        .map(|(key, events)| page::trajectory(key, events, paint))
        .collect();
    slm_cli::painted_result(pages.join("\n").trim_end());
    Ok(())
}

/// The log of the run that was named.
fn log_of(arguments: &ShowArguments) -> Result<PathBuf> {
    // A run that was stopped before it was described has a log already.
    let named = arguments.run.join(TRAJECTORIES);
    if named.is_file() {
        return Ok(named);
    }
    let folder = crate::runs::folder_of(&arguments.run, &arguments.reports)?;
    Ok(folder.join(TRAJECTORIES))
}

/// Returns the one task whose id is `name` or ends in `/name`.
fn task_of(events: &[Event], name: &str, file: &Path) -> Result<String, UserMistake> {
    let tasks: BTreeSet<&str> = events
        .iter()
        .map(|event| event.trajectory.task_id.as_str())
        .collect();
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
                file.display(),
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
    is_or_any(&arguments.arm, &key.arm)
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
