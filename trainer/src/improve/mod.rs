//! `trainer improve`: rounds in which a model learns from its own tested answers.
//!
//! The stages are commands of `evaluator` and `trainer`, started as child processes:
//!
//! | stage | command | makes |
//! |---|---|---|
//! | sample | `evaluator sweep` on the tasks that are learned from, with the best model up to then | answers |
//! | data | `evaluator dataset` over the answers of all rounds | a data set |
//! | fit | `trainer fit`: a new adapter for the base model | an adapter |
//! | judge | `evaluator sweep` on the dev tasks, with that adapter | answers |
//!
//! A stage is finished when its line is in the log (`state`). A second start skips finished stages whose inputs and
//! outputs have the logged hashes; an unfinished one resumes as its command does.
//!
//! # Source
//! Singh et al. 2023, arXiv:2312.06585 (ReST-EM): rounds of sampling, filtering by a binary reward and fine-tuning of
//! the base model.

mod children;
mod hashes;
mod inputs;
mod judge;
mod left_out;
mod page;
mod progress;
mod report;
mod rounds;
mod spent;
mod stages;
mod state;
mod stop;
mod tasks;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::{AdapterFolder, atomic_write};
use slm_cli::{Failure, StopRequest, UserMistake};
use slm_config::Recipe;

use crate::arguments::ImproveArguments;
use crate::folder::{RunFolder, commit_folder};
use children::Programs;
use hashes::FileHashes;
use inputs::adapter_hashes;
pub(crate) use page::{PAGE_FILE, is_folder, page};

use report::Subject;
use rounds::Run;
use stages::Stages;
use state::{LOG, Line, Log};
use tasks::{Part, Tasks};

/// Runs the rounds, and prints what was kept.
pub(crate) fn run(arguments: &ImproveArguments) -> Result<(), Failure> {
    Ok(improve(arguments)?)
}

fn improve(arguments: &ImproveArguments) -> Result<()> {
    let named = &arguments.recipe;
    let recipe =
        slm_cli::load_recipe_without_data(&named.recipe, &named.overrides, slm_benchmarks::NAMES)?;
    check(&recipe)?;
    let programs = Programs::find()?;
    let tasks = Tasks::load(&recipe)?;
    slm_cli::note(&format!(
        "tasks              {} to learn from, {} to compare rounds by; left out: {}",
        tasks.n(Part::Train),
        tasks.n(Part::Dev),
        tasks.left_out_text()
    ));
    let stages = Stages {
        recipe: &recipe,
        folder: recipe.output_dir(),
        tasks: &tasks,
        device: arguments.device.device.to_string(),
        unsafe_execution: arguments.unsafe_execution,
        hashes: FileHashes::default(),
    };
    if arguments.dry_run {
        show_commands(&stages);
        return Ok(());
    }
    let has = |name: &str| stages.folder.join(name).exists();
    if !has(LOG) && (has("adapter") || has(crate::log::LOG_FILE)) {
        let text = format!(
            "{}: holds a training, whose adapter would be replaced\n\
             hint: set `output.output_dir` to another folder",
            stages.folder.display()
        );
        return Err(UserMistake(text).into());
    }
    let _locked = RunFolder::open(&stages.folder)?;
    let (mut log, dropped) = Log::read(&stages.folder)?;
    check_task_files(&tasks, log.lines())?;
    if dropped > 0 {
        slm_cli::note(&format!(
            "{LOG}: dropped the last {dropped} lines, of which the first is not whole; their stages are done again"
        ));
        let n = log.lines().len();
        log.keep(n)?;
    }
    tasks.write(&stages.ids_folder())?;
    write(
        &stages.folder.join(AdapterFolder::RECIPE),
        &recipe.to_yaml(),
    )?;
    let stop = StopRequest::watch();
    slm_cli::saved_so_far(format!(
        "the finished stages are in {}",
        stages.folder.join(LOG).display()
    ));
    let mut run = Run {
        stages: &stages,
        programs: &programs,
        stop: &stop,
        log,
        done: 0,
    };
    let outcome = run.rounds()?;
    let subject = Subject {
        recipe: &recipe,
        tasks: &tasks,
        outcome: &outcome,
        lines: &run.log.lines()[..run.done],
        adapter: &recipe.adapter_dir(),
    };
    keep_best(&stages, outcome.best_round)?;
    let document = report::write(&stages.folder, &subject)?;
    if let Err(error) = page::write(&stages.folder, &document, &recipe.to_yaml()) {
        slm_cli::note(&format!(
            "warning: {PAGE_FILE} is not written: {error:#}\nhint: repeat the command to write it again"
        ));
    }
    if arguments.json {
        slm_cli::document(&document);
    } else {
        slm_cli::result(&report::last_line(&subject));
    }
    Ok(())
}

/// Refuses what no stage could do.
fn check(recipe: &Recipe) -> Result<(), UserMistake> {
    if recipe.improve.tasks.is_empty() {
        let text = "`improve.tasks` is missing: there are no tasks to learn from\n\
                    hint: add `improve: {tasks: [{name: mbpp, split: train}]}` to the recipe";
        return Err(UserMistake(text.to_owned()));
    }
    if recipe.evaluate.endpoint.is_some() {
        let text = "`evaluate.endpoint` is set, but a server does not have the adapters that the rounds train\n\
                    hint: remove it with --set evaluate.endpoint=null";
        return Err(UserMistake(text.to_owned()));
    }
    if recipe.lora.init_from.is_some() {
        let text = "`lora.init_from` is set, but the answers of the first round are the base model's\n\
                    hint: merge the adapter with `trainer merge` and improve the merged model";
        return Err(UserMistake(text.to_owned()));
    }
    Ok(())
}

/// Refuses a log whose answers were given to other versions of the task files.
fn check_task_files(tasks: &Tasks, lines: &[Line]) -> Result<(), UserMistake> {
    let now = tasks.data_hashes();
    for line in lines {
        for (name, logged) in &line.inputs {
            if now.get(name).is_some_and(|hash| hash != logged) {
                return Err(UserMistake(format!(
                    "the {name} has changed since round {}, whose answers belong to the earlier tasks\n\
                     hint: restore the file, or set `output.output_dir` to another folder to start again",
                    line.round
                )));
            }
        }
    }
    Ok(())
}

/// Prints the commands of all rounds.
fn show_commands(stages: &Stages) {
    let rounds = stages.recipe.improve.rounds;
    if rounds > 1 {
        slm_cli::note(
            "note: from round 2 on, the best model up to then answers; shown is the adapter of the round before",
        );
    }
    for (kind, round) in progress::stages(rounds) {
        let adapter = (round > 1).then(|| stages.adapter_of(round - 1));
        let command = stages.planned_command(kind, round, adapter.as_deref());
        slm_cli::result(&command.text());
    }
}

/// Copies the adapter of a round to the run's `adapter` folder, unless it is there.
fn keep_best(stages: &Stages, round: usize) -> Result<()> {
    let (from, to) = (stages.adapter_of(round), stages.recipe.adapter_dir());
    let is_there = adapter_hashes(&to).is_ok_and(|there| Some(there) == adapter_hashes(&from).ok());
    if is_there {
        return Ok(());
    }
    commit_folder(&to, |part| {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            fs::copy(entry.path(), part.join(entry.file_name()))?;
        }
        Ok(())
    })
    .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    atomic_write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
