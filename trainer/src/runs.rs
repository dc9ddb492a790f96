//! `trainer runs`: the trainings under checkpoints/.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use slm_artifacts::{AdapterFolder, LogLine, runs_below};
use slm_cli::{Failure, print_list, rfc_3339};
use slm_config::Recipe;

use crate::arguments::RunsArguments;
use crate::checkpoint;
use crate::log::LOG_FILE;

/// One training.
#[derive(Debug, Serialize)]
struct Run {
    name: String,
    folder: String,
    /// When it last wrote to its log, or its adapter was finished.
    date: String,
    /// `finished`, or `unfinished` for one that was interrupted or is running.
    state: &'static str,
    /// The base model; empty where the folder does not name it yet.
    model: String,
    steps: usize,
    /// Training loss of the last logged step.
    loss: Option<f64>,
    /// The lowest validation loss after a step.
    validation_loss: Option<f64>,
}

/// Lists the trainings, the newest first.
pub(crate) fn run(arguments: &RunsArguments) -> Result<(), Failure> {
    let runs: Vec<Run> = runs_below(&arguments.checkpoints, changed)
        .into_iter()
        .map(|(time, folder)| read(time, folder))
        .collect();
    let header = [
        "name",
        "date",
        "state",
        "model",
        "steps",
        "loss",
        "validation loss",
    ];
    let none = format!(
        "no training under {}\nhint: `trainer init` writes a first recipe",
        arguments.checkpoints.display()
    );
    print_list(&runs, arguments.json, &header, row, &none)
}

fn row(run: &Run) -> Vec<String> {
    let loss = |loss: Option<f64>| loss.map_or_else(String::new, |loss| format!("{loss:.3}"));
    vec![
        run.name.clone(),
        run.date.clone(),
        run.state.to_owned(),
        run.model.clone(),
        run.steps.to_string(),
        loss(run.loss),
        loss(run.validation_loss),
    ]
}

/// When a training last left something; `None` for another folder.
pub(crate) fn changed(folder: &Path) -> Option<SystemTime> {
    let modified = |path: PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    let adapter = folder.join("adapter");
    let log = modified(folder.join(LOG_FILE));
    log.max(modified(AdapterFolder(&adapter).weights()))
}

fn read(time: SystemTime, folder: PathBuf) -> Run {
    let adapter = folder.join("adapter");
    let summary = AdapterFolder(&adapter).read_training();
    let checkpoint = checkpoint::list(&folder)
        .ok()
        .and_then(|mut steps| steps.pop());
    let recipe = match &checkpoint {
        Some((_, checkpoint)) if summary.is_none() => checkpoint.join(AdapterFolder::RECIPE),
        _ => AdapterFolder(&adapter).recipe(),
    };
    let recipe = Recipe::load_without_data(&recipe, &[], slm_benchmarks::NAMES).ok();
    let logged = Logged::read(&folder.join(LOG_FILE));
    // A recipe that trains on after its adapter was finished has logged more steps than the adapter has.
    let finished = summary.filter(|summary| summary.steps >= logged.steps);
    Run {
        name: folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        date: rfc_3339(time),
        state: if finished.is_some() {
            "finished"
        } else {
            "unfinished"
        },
        model: recipe.map_or_else(String::new, |recipe| {
            recipe.model.base_model_name().to_owned()
        }),
        steps: finished.as_ref().map_or_else(
            || logged.steps.max(checkpoint.map_or(0, |(step, _)| step)),
            |summary| summary.steps,
        ),
        loss: finished
            .as_ref()
            .map(|summary| summary.final_loss)
            .or(logged.loss),
        validation_loss: finished
            .and_then(|summary| summary.best.map(|best| best.loss))
            .or(logged.validation_loss),
        folder: folder.display().to_string(),
    }
}

/// What the log of a training holds.
#[derive(Default)]
struct Logged {
    steps: usize,
    loss: Option<f64>,
    validation_loss: Option<f64>,
}

impl Logged {
    /// Lines that cannot be read are skipped: the last one may be half written.
    fn read(path: &Path) -> Self {
        let mut logged = Self::default();
        let Ok(file) = fs::File::open(path) else {
            return logged;
        };
        for line in BufReader::new(file).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(LogLine::Step { step, loss, .. }) => {
                    (logged.steps, logged.loss) = (step, Some(loss));
                }
                Ok(LogLine::Validation {
                    step,
                    validation_loss,
                    ..
                }) if step > 0 => {
                    let lowest = logged.validation_loss.unwrap_or(f64::INFINITY);
                    logged.validation_loss = Some(lowest.min(validation_loss));
                }
                _ => {}
            }
        }
        logged
    }
}
