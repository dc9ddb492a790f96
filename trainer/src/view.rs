//! `trainer view`: a training, or the rounds of an improvement, as one HTML file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use slm_artifacts::{AdapterFolder, is_bare_name, run_by_name, runs_below};
use slm_cli::{Failure, UserMistake};

use crate::arguments::ViewArguments;
use crate::checkpoint;
use crate::improve;
use crate::log::{self, LOG_FILE};
use crate::report::{self, PAGE_FILE};
use crate::runs;

/// Writes the page of a training, and prints its path.
pub(crate) fn run(arguments: &ViewArguments) -> Result<(), Failure> {
    Ok(view(arguments)?)
}

fn view(arguments: &ViewArguments) -> Result<()> {
    let folder = folder_of(&arguments.training, &arguments.checkpoints)?;
    let (name, page) = match improve::page(&folder)? {
        Some(page) => (improve::PAGE_FILE, page),
        None => (PAGE_FILE, page_of(&folder)?),
    };
    let path = arguments
        .output
        .clone()
        .unwrap_or_else(|| folder.join(name));
    slm_cli::write_page(&path, &page)?;
    slm_cli::result(&format!("page: {}", path.display()));
    Ok(())
}

fn page_of(folder: &Path) -> Result<String> {
    let lines = log::read_whole_lines(folder)?;
    let adapter = folder.join("adapter");
    let summary = AdapterFolder(&adapter).read_training();
    let newest = checkpoint::list(folder)
        .ok()
        .and_then(|mut steps| steps.pop());
    let recipe = match (&summary, newest) {
        (None, Some((_, checkpoint))) => checkpoint.join(AdapterFolder::RECIPE),
        _ => AdapterFolder(&adapter).recipe(),
    };
    if summary.is_none() {
        slm_cli::note("the training is not finished: the page has its log up to now");
    }
    let recipe = fs::read_to_string(recipe).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    report::page(folder, &name, summary.as_ref(), &lines, &recipe)
}

/// The folder of a training: a path, the name of one below `checkpoints` or a unique beginning of it, or `latest`.
fn folder_of(named: &Path, checkpoints: &Path) -> Result<PathBuf, UserMistake> {
    let is_training = |folder: &Path| folder.join(LOG_FILE).is_file() || improve::is_folder(folder);
    // The adapter's folder is what other commands take.
    for folder in [Some(named), named.parent()].into_iter().flatten() {
        let is_adapter = folder == named || named.ends_with("adapter");
        if is_adapter && is_training(folder) {
            return Ok(folder.to_owned());
        }
    }
    if named == Path::new("latest") {
        let newest = runs_below(checkpoints, runs::changed).into_iter().max();
        return newest.map(|(_, folder)| folder).ok_or_else(|| {
            UserMistake(format!(
                "no training under {}\nhint: `trainer fit` makes one",
                checkpoints.display()
            ))
        });
    }
    if is_bare_name(named) && !named.is_dir() {
        return run_by_name(checkpoints, &named.to_string_lossy(), runs::changed)
            .map_err(|error| UserMistake(error.to_string()));
    }
    let hint = if named.join("run.json").is_file() {
        format!("evaluator view {}", named.display())
    } else {
        "`trainer runs` lists the trainings".to_owned()
    };
    Err(UserMistake(format!(
        "{}: no training's folder, it holds no {LOG_FILE}\nhint: {hint}",
        named.display()
    )))
}
