//! The runs whose answers become a data set: complete, and with the tasks that they answered.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use slm_artifacts::{Expects, MemoryCost, RowSource, SourceRun};
use slm_benchmarks::{ScoringPhase, Task};
use slm_cli::UserMistake;
use slm_config::Recipe;
use slm_harvest::{Answer, LearnableTask, Split};
use slm_report::{BenchmarkInfo, RunInfo, SampleRecord, answers_sha256};

use crate::experiment::tasks::{self, RunTask};
use crate::recorded;
use crate::run_folder::{RUN, RunFolder};
use crate::workflow::event::{Event, Key, What, name_of_record};

/// The phase of a run after whose end no answer is open.
const LAST_PHASE: &str = "hidden tests";

/// A finished run.
pub(crate) struct HarvestedRun {
    pub(crate) info: RunInfo,
    pub(crate) folder: PathBuf,
    /// As they were written: hashes are over these.
    pub(crate) records: Vec<SampleRecord>,
    /// Answers that could not be tested, which have no record.
    pub(crate) unscored: usize,
    pub(crate) tasks: Vec<RunTask>,
    /// The program of each trajectory.
    chosen: HashMap<Key, Chosen>,
    /// The splits of the trajectories whose task was split.
    splits: BTreeMap<Key, Split>,
}

/// What a run knew of the program that a trajectory ended with, before hidden tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Chosen {
    /// The step that made it.
    pub(crate) step: Option<u32>,
    /// The share of public examples that it passes, if it was run and the task has some.
    pub(crate) visible: Option<f64>,
    /// The mean log-probability of its answer's tokens, if the run recorded it.
    pub(crate) log_probability: Option<f64>,
}

impl HarvestedRun {
    /// Returns what the run knew of the program of an answer.
    pub(crate) fn chosen(&self, of: &RowSource) -> Chosen {
        let is_of = |key: &Key| {
            key.task_id == of.task_id
                && key.sample == of.sample
                && key.arm == of.arm
                && key.workflow.name() == of.workflow
                && key.decoding.temperature.total_cmp(&of.temperature).is_eq()
                && key.decoding.top_p.total_cmp(&of.top_p).is_eq()
        };
        let found = self.chosen.iter().find(|(key, _)| is_of(key));
        found.map(|(_, chosen)| *chosen).unwrap_or_default()
    }

    /// Returns the split of an answer's task, if it was split.
    pub(super) fn split(&self, of: &SampleRecord) -> Option<Split> {
        let is_of = |key: &Key| {
            key.task_id == of.task_id
                && key.sample == of.sample
                && key.arm == of.arm
                && key.workflow.name() == of.workflow
                && key.decoding == of.decoding
        };
        let found = self.splits.iter().find(|(key, _)| is_of(key));
        found.map(|(_, split)| split.clone())
    }

    /// Returns its answers.
    pub(crate) fn answers(&self) -> impl Iterator<Item = Answer> + '_ {
        let steps: BTreeMap<_, Option<u32>> = self
            .chosen
            .iter()
            .map(|(key, chosen)| (key.name(), chosen.step))
            .collect();
        self.records.iter().map(move |record| Answer {
            run: self.info.name.clone(),
            step: steps.get(&name_of_record(record)).copied().flatten(),
            record: record.clone().upgraded(),
            likelihood: None,
        })
    }
}

/// Opens the runs that a user names, sorted by name.
///
/// # Errors
/// There is no such run, it is unfinished, its tasks have changed, or the runs do not share a base model.
pub(crate) fn open(named: &[PathBuf], reports: &Path) -> Result<Vec<HarvestedRun>> {
    let mut runs: Vec<HarvestedRun> = Vec::new();
    for name in named {
        let folder = crate::runs::folder_of(name, reports)?;
        runs.push(read(folder)?);
    }
    runs.sort_by(|a, b| a.info.name.cmp(&b.info.name));
    for pair in runs.windows(2) {
        let [a, b] = pair else { continue };
        if a.info.name == b.info.name {
            return Err(UserMistake(format!(
                "the run {} is named twice: {} and {}\nhint: name every run once",
                a.info.name,
                a.folder.display(),
                b.folder.display()
            ))
            .into());
        }
        let (one, other) = (&a.info.base_model, &b.info.base_model);
        if one.sha256 != other.sha256 {
            return Err(UserMistake(format!(
                "the runs have different base models: {} ({}) and {} ({})\n\
                 hint: a model learns from its own answers; make a data set of each model's runs",
                one.name, a.info.name, other.name, b.info.name
            ))
            .into());
        }
    }
    Ok(runs)
}

/// Returns what the rules need of the tasks of all runs.
pub(crate) fn learnable_tasks(runs: &[HarvestedRun], phase: &ScoringPhase) -> Vec<LearnableTask> {
    runs.iter()
        .flat_map(|run| {
            let learnable = |of: &RunTask| {
                LearnableTask::new(&run.info.name, &of.view.task_id, &of.task, phase)
            };
            run.tasks.iter().map(learnable)
        })
        .collect()
}

/// Returns the tasks with these names in their benchmarks, each once.
pub(crate) fn tasks_of(ids: &HashSet<&str>, runs: &[HarvestedRun]) -> Vec<Task> {
    let all = runs.iter().flat_map(|run| &run.tasks);
    let mut found: Vec<Task> = Vec::new();
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for of in all {
        let view = of.task.view();
        if ids.contains(view.task_id.as_str()) && seen.insert((&view.task_id, &view.prompt)) {
            found.push(of.task.clone());
        }
    }
    found
}

/// Returns what the workflows of the runs and the tests of their answers spent.
pub(crate) fn cost(runs: &[HarvestedRun]) -> MemoryCost {
    let mut cost = MemoryCost::default();
    for record in runs.iter().flat_map(|run| &run.records) {
        cost.calls += record.calls;
        cost.completion_tokens += record.completion_tokens;
        // The hidden tests of an answer, which decide what is learned from it, are one more.
        cost.executions += record.executions + usize::from(record.is_tested());
    }
    cost
}

/// Describes the runs, for what is made of them.
pub(crate) fn sources(runs: &[HarvestedRun]) -> Result<Vec<SourceRun>> {
    runs.iter()
        .map(|run| {
            Ok(SourceRun {
                name: run.info.name.clone(),
                config_sha256: run.info.config_sha256.clone(),
                answers_sha256: answers_sha256(&run.records)?,
            })
        })
        .collect()
}

/// Opens the finished run in a folder.
///
/// # Errors
/// It is unfinished, or its tasks have changed.
pub(crate) fn read(folder: PathBuf) -> Result<HarvestedRun> {
    let info = RunFolder::read_info(&folder).map_err(as_mistake)?;
    let read = recorded::read_with_steps(&folder, &info);
    let (records, events) = read.map_err(as_mistake)?;
    let chosen = chosen_programs(&events);
    let unscored = unscored(&info, &records, &chosen, &folder)?;
    let tasks = reloaded(&info, &folder)?;
    Ok(HarvestedRun {
        info,
        folder,
        records,
        unscored,
        tasks,
        chosen,
        splits: super::splits::splits(&events),
    })
}

/// A file of another version or program is a mistake of the user; one that cannot be read is none.
fn as_mistake(error: anyhow::Error) -> anyhow::Error {
    if error
        .chain()
        .any(<dyn std::error::Error>::is::<std::io::Error>)
    {
        return error;
    }
    UserMistake(format!("{error:#}")).into()
}

/// Returns the final program of each finished trajectory.
fn chosen_programs(events: &[Event]) -> HashMap<Key, Chosen> {
    let decisions = events.iter().filter_map(|event| match &event.what {
        What::Decision(decision) => {
            let step = decision.chosen;
            let chosen = Chosen {
                step,
                ..Chosen::default()
            };
            Some((event.trajectory.clone(), chosen))
        }
        _ => None,
    });
    let mut all: HashMap<Key, Chosen> = decisions.collect();
    for event in events {
        let Some(chosen) = all.get_mut(&event.trajectory) else {
            continue;
        };
        match &event.what {
            What::Execution(run) if event.parent == chosen.step && run.tried.is_none() => {
                let (public, _) = run.passed();
                chosen.visible = (run.public > 0).then(|| public as f64 / run.public as f64);
            }
            // The log has no log-probability of a program of several answers.
            What::Call(call)
                if Some(event.step) == chosen.step && call.expects == Expects::Program =>
            {
                let sum = call.log_probability.zip(call.log_probability_tokens);
                let sum = sum.filter(|(_, tokens)| *tokens > 0);
                chosen.log_probability = sum.map(|(sum, tokens)| sum / tokens as f64);
            }
            _ => {}
        }
    }
    all
}

/// Returns how many answers a finished run could not score.
///
/// # Errors
/// The run is unfinished.
fn unscored(
    info: &RunInfo,
    records: &[SampleRecord],
    chosen: &HashMap<Key, Chosen>,
    folder: &Path,
) -> Result<usize> {
    let (expected, found) = (info.n_answers(), records.len());
    if found == expected {
        return Ok(0);
    }
    // A run writes the times of its phases when it ends; until then, missing answers may come.
    let has_ended = info.timings.iter().any(|timing| timing.phase == LAST_PHASE);
    if has_ended && found < expected && chosen.len() == expected {
        return Ok(expected - found);
    }
    Err(UserMistake(format!(
        "{}: the run is unfinished, with {found} of {expected} answers\n\
         hint: finish it by the command that started it: {}",
        folder.display(),
        info.command
    ))
    .into())
}

/// Loads the tasks of a run as it loaded them.
///
/// # Errors
/// A benchmark's file is missing, or has changed.
fn reloaded(info: &RunInfo, folder: &Path) -> Result<Vec<RunTask>> {
    let path = folder.join(RUN);
    let recipe = Recipe::parse_without_data(&info.recipe.yaml, &path, &[], slm_benchmarks::NAMES)
        .with_context(|| format!("cannot read the recipe in {}", path.display()))?;
    let (tasks, benchmarks, _) = tasks::load(&recipe.evaluate)?;
    let changed = info.benchmarks.iter().zip(&benchmarks);
    let mut changed = changed.filter(|(then, now)| then != now);
    if let Some((then, now)) = changed.next() {
        return Err(changed_since(folder, then, now).into());
    }
    if info.benchmarks.len() != benchmarks.len() {
        return Err(UserMistake(format!(
            "{}: {} benchmarks are recorded, but its recipe has {}\nhint: sample again",
            path.display(),
            info.benchmarks.len(),
            benchmarks.len()
        ))
        .into());
    }
    Ok(tasks)
}

fn changed_since(folder: &Path, then: &BenchmarkInfo, now: &BenchmarkInfo) -> UserMistake {
    UserMistake(format!(
        "{}: the task file of {} changed since the run: {} tasks with hash {}, now {} with hash {}\n\
         hint: restore the file, or sample again",
        folder.display(),
        then.name,
        then.tasks,
        short(&then.sha256),
        now.tasks,
        short(&now.sha256)
    ))
}

fn short(sha256: &str) -> &str {
    sha256.get(..8).unwrap_or(sha256)
}
