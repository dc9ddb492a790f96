//! The folder of a finished adapter.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cli::Provenance;
use model::{Adapter, AdapterOrigin, LoraSettings};
use serde::Serialize;

use crate::checkpoint::Best;
use crate::dataset::Counts;
use crate::folder::commit_folder;

/// How a finished training went: `training.json` beside the adapter.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingSummary {
    pub(crate) steps: usize,
    pub(crate) examples: usize,
    pub(crate) tokens: usize,
    pub(crate) supervised_tokens: usize,
    pub(crate) trainable_parameters: usize,
    pub(crate) final_loss: f64,
    /// Validation loss of the base model, before the first step; `null` without validation.
    pub(crate) base_validation_loss: Option<f64>,
    /// The lowest validation loss after a step, and that step; `null` without validation.
    pub(crate) best: Option<Best>,
    /// Whether training ended because the validation loss no longer fell.
    pub(crate) stopped_early: bool,
    /// What was read of each data set, and what was left out and why.
    pub(crate) data: Vec<Counts>,
    /// `null` if the data were not searched for the tasks that the recipe evaluates on.
    pub(crate) decontamination: Option<SearchSummary>,
    pub(crate) seconds: f64,
    pub(crate) device: String,
    pub(crate) project_version: &'static str,
    /// What came from the hub, the model first: commits, and the hash of each file.
    pub(crate) sources: Vec<Provenance>,
}

/// What was searched for in the training data, and left out of them.
#[derive(Debug, Serialize)]
pub(crate) struct SearchSummary {
    /// The benchmarks whose tasks were searched for.
    pub(crate) benchmarks: Vec<&'static str>,
    /// Examples that shared text or code with one of them.
    pub(crate) left_out: usize,
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
        put("recipe.yaml", recipe_yaml)?;
        put("training.json", &(serde_json::to_string_pretty(summary)? + "\n"))
    })
    .context("cannot save the adapter\nhint: free space under the output folder and run the same command again")
}
