//! The folder of a finished adapter.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use slm_artifacts::{AdapterFolder, TrainingSummary};
use slm_model::{Adapter, AdapterOrigin, LoraSettings};

use crate::checkpoint::TrainingState;
use crate::folder::{commit_folder, replace_file};

/// Returns the summary of the adapter in `folder` if it was written by the training in `state`. The wall times are
/// compared to the last bit, since no two trainings take exactly the same time.
pub(crate) fn summary_of_finished(folder: &Path, state: &TrainingState) -> Option<TrainingSummary> {
    let summary = AdapterFolder(folder).read_training()?;
    let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    let matches = summary.steps == state.step
        && is_same(summary.seconds, state.seconds)
        && is_same(summary.final_loss, state.last_loss);
    matches.then_some(summary)
}

/// Updates the recipe beside a finished adapter where only keys without influence on training have changed. Returns
/// whether the file was rewritten.
///
/// # Errors
/// The disk is full or not writable; the previous recipe is kept.
pub(crate) fn update_recipe(folder: &Path, recipe_yaml: &str) -> Result<bool> {
    let found = fs::read_to_string(AdapterFolder(folder).recipe()).unwrap_or_default();
    if found == recipe_yaml {
        return Ok(false);
    }
    replace_file(folder, AdapterFolder::RECIPE, recipe_yaml)?;
    Ok(true)
}

/// The files of a finished adapter beside those of PEFT.
pub(crate) struct AdapterTexts<'a> {
    pub(crate) recipe_yaml: &'a str,
    /// The template that the recipe names.
    pub(crate) chat_template: Option<String>,
    pub(crate) summary: &'a TrainingSummary,
}

/// Writes the finished adapter with its recipe and summary, atomically: the folder appears complete or not at all.
///
/// # Errors
/// The disk is full or not writable; the previous adapter is kept.
pub(crate) fn commit_adapter(
    final_dir: &Path,
    adapter: &Adapter,
    settings: &LoraSettings,
    origin: &AdapterOrigin,
    texts: &AdapterTexts,
) -> Result<()> {
    let AdapterTexts {
        recipe_yaml,
        chat_template,
        summary,
    } = texts;
    commit_folder(final_dir, |part| {
        adapter.save(part, settings, origin)?;
        let put = |file: &str, text: &str| {
            let path = part.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        put(AdapterFolder::RECIPE, recipe_yaml)?;
        if let Some(source) = chat_template {
            put(AdapterFolder::CHAT_TEMPLATE, source)?;
        }
        put(AdapterFolder::TRAINING, &(serde_json::to_string_pretty(summary)? + "\n"))
    })
    .context("cannot save the adapter\nhint: free space under the output folder and run the same command again")
}
