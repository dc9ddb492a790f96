//! The folder of a finished adapter.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use slm_cli::Provenance;
use slm_model::{Adapter, AdapterOrigin, LoraSettings};

use crate::checkpoint::{Best, TrainingState};
use crate::dataset::Counts;
use crate::folder::{commit_folder, replace_file};

/// Name of the summary in the adapter's folder.
const SUMMARY_FILE: &str = "training.json";
/// Name of the resolved recipe in the adapter's folder.
const RECIPE_FILE: &str = "recipe.yaml";

/// How a finished training went: `training.json` beside the adapter.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TrainingSummary {
    pub(crate) steps: usize,
    pub(crate) examples: usize,
    /// Examples that were kept out of training.
    #[serde(default)]
    pub(crate) validation_examples: usize,
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
    #[serde(default)]
    pub(crate) data: Vec<Counts>,
    /// `null` if the data were not searched for the tasks that the recipe evaluates on.
    pub(crate) decontamination: Option<SearchSummary>,
    pub(crate) seconds: f64,
    /// The most memory that the process held; `null` where the system does not say.
    pub(crate) peak_memory_bytes: Option<u64>,
    pub(crate) device: String,
    pub(crate) project_version: String,
    /// What came from the hub, the model first: commits, and the hash of each file.
    pub(crate) sources: Vec<Provenance>,
}

/// What was searched for in the training data, and left out of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SearchSummary {
    /// The benchmarks whose tasks were searched for.
    pub(crate) benchmarks: Vec<String>,
    /// Examples that shared text or code with one of them.
    pub(crate) left_out: usize,
}

impl TrainingSummary {
    /// The summary of the adapter in `folder`, if that is what the training in `state` gave: no two trainings take the
    /// same time to the last digit.
    pub(crate) fn of_finished(folder: &Path, state: &TrainingState) -> Option<Self> {
        let text = fs::read_to_string(folder.join(SUMMARY_FILE)).ok()?;
        let summary: Self = serde_json::from_str(&text).ok()?;
        let is_same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let matches = summary.steps == state.step
            && is_same(summary.seconds, state.seconds)
            && is_same(summary.final_loss, state.last_loss);
        matches.then_some(summary)
    }
}

/// Brings the recipe beside a finished adapter up to date, if what has no part in training has changed in it; whether
/// it has.
///
/// # Errors
/// The disk is full or not writable; the recipe before this one stays.
pub(crate) fn update_recipe(folder: &Path, recipe_yaml: &str) -> Result<bool> {
    let found = fs::read_to_string(folder.join(RECIPE_FILE)).unwrap_or_default();
    if found == recipe_yaml {
        return Ok(false);
    }
    replace_file(folder, RECIPE_FILE, recipe_yaml)?;
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
        put(RECIPE_FILE, recipe_yaml)?;
        put(SUMMARY_FILE, &(serde_json::to_string_pretty(summary)? + "\n"))
    })
    .context("cannot save the adapter\nhint: free space under the output folder and run the same command again")
}
