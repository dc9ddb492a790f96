//! The folder of a finished adapter.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::{AdapterFolder, TrainingSummary};
use slm_model::{Adapter, AdapterOrigin, LoraSettings};

use crate::checkpoint::TrainingState;
use crate::folder::{commit_folder, replace_file};

/// The summary of the adapter in `folder`, if that is what the training in `state` gave: no two trainings take the same
/// time to the last digit.
pub(crate) fn summary_of_finished(folder: &Path, state: &TrainingState) -> Option<TrainingSummary> {
    let summary = AdapterFolder(folder).read_training()?;
    let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    let matches = summary.steps == state.step
        && is_same(summary.seconds, state.seconds)
        && is_same(summary.final_loss, state.last_loss);
    matches.then_some(summary)
}

/// Brings the recipe beside a finished adapter up to date, if what has no part in training has changed in it; whether
/// it has.
///
/// # Errors
/// The disk is full or not writable; the recipe before this one stays.
pub(crate) fn update_recipe(folder: &Path, recipe_yaml: &str) -> Result<bool> {
    let found = fs::read_to_string(AdapterFolder(folder).recipe()).unwrap_or_default();
    if found == recipe_yaml {
        return Ok(false);
    }
    replace_file(folder, AdapterFolder::RECIPE, recipe_yaml)?;
    Ok(true)
}

/// Writes the finished adapter with its recipe: a folder that appears whole or not at all.
///
/// # Errors
/// The disk is full or not writable; the adapter before this one stays.
pub(crate) fn commit_adapter(
    final_dir: &Path,
    adapter: &Adapter,
    settings: &LoraSettings,
    origin: &AdapterOrigin,
    recipe_yaml: &str,
    summary: &TrainingSummary,
) -> Result<()> {
    commit_folder(final_dir, |part| {
        adapter.save(part, settings, origin)?;
        let put = |file: &str, text: &str| {
            let path = part.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        put(AdapterFolder::RECIPE, recipe_yaml)?;
        put(AdapterFolder::TRAINING, &(serde_json::to_string_pretty(summary)? + "\n"))
    })
    .context("cannot save the adapter\nhint: free space under the output folder and run the same command again")
}
