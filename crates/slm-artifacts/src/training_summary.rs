//! `training.json`: the summary of a finished training.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dataset_counts::DatasetCounts;
use crate::dataset_folder::LearnedDataset;
use crate::energy::Energy;
use crate::preference_figures::HeldOutPreferences;
use crate::provenance::Provenance;

/// Summary of a finished training: `training.json` next to the adapter. Losses are in nats per supervised token.
///
/// Fields that an earlier version of the program did not write are read as empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Number of optimizer steps.
    pub steps: usize,
    /// Number of training examples in an epoch.
    pub examples: usize,
    /// Number of examples kept for validation.
    #[serde(default)]
    pub validation_examples: usize,
    /// Number of tokens read in all steps, without padding.
    #[serde(default)]
    pub tokens: usize,
    /// Number of these tokens in the loss.
    #[serde(default)]
    pub supervised_tokens: usize,
    /// Number of trained parameters.
    #[serde(default)]
    pub trainable_parameters: usize,
    /// Training loss of the last step.
    pub final_loss: f64,
    /// Validation loss of the base model, before the first step; `None` without validation, and for an adapter that was
    /// trained further.
    pub base_validation_loss: Option<f64>,
    /// The lowest validation loss after a step; `None` without validation.
    pub best: Option<BestValidation>,
    /// How often the adapter prefers the right answer of held-out pairs; `None` without a preference objective or without
    /// validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<HeldOutPreferences>,
    /// Whether training ended early because the validation loss stopped falling.
    #[serde(default)]
    pub stopped_early: bool,
    /// Counts of the data read and dropped for each data set.
    #[serde(default)]
    pub data: Vec<DatasetCounts>,
    /// The data sets among them that were made from a run's answers, with their tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<LearnedDataset>,
    /// `None` if the data were not searched for tasks of the recipe's benchmarks.
    pub decontamination: Option<ContaminationSearch>,
    /// Wall time of the training over all its starts, in seconds, including validations and checkpoints.
    pub seconds: f64,
    /// Energy in the time of `seconds`; `None` if an earlier version of the program wrote the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// Peak memory of the process; `None` where the system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// The device of the training.
    #[serde(default)]
    pub device: String,
    /// Version of the program.
    #[serde(default)]
    pub project_version: String,
    /// The chat template that rendered the conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<ChatTemplateRecord>,
    /// Sources from the hub, the model first: commits, and the hash of each file.
    #[serde(default)]
    pub sources: Vec<Provenance>,
    /// SHA-256 of the base model's files; empty if an earlier version wrote the summary.
    #[serde(default)]
    pub base_sha256: String,
    /// The adapter that the training started from; `None` for a new adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_from: Option<Box<StartingAdapter>>,
}

/// The adapter that a training started from: `init_from` of `training.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartingAdapter {
    /// Its folder.
    pub path: String,
    /// SHA-256 of its `adapter_model.safetensors`, in hex.
    pub sha256: String,
    /// SHA-256 of its `adapter_config.json`, in hex.
    pub config_sha256: String,
    /// The base model that its settings name.
    pub base_model: String,
    /// Its validation loss, before the first step; `None` without validation.
    pub validation_loss: Option<f64>,
    /// Its own `training.json`; `None` for an adapter of another program.
    pub training: Option<TrainingSummary>,
}

impl TrainingSummary {
    /// This training, and those of the adapters that it started from, one after the other.
    pub fn generations(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |summary| {
            summary.init_from.as_ref()?.training.as_ref()
        })
    }

    /// Whether one of the adapters that the training started from has no record of what it learned.
    pub fn starts_from_unknown(&self) -> bool {
        let mut starts = self.generations().filter_map(|one| one.init_from.as_ref());
        starts.any(|start| start.training.is_none())
    }

    /// The data sets of tested answers that the adapter has learned in all its trainings.
    pub fn learned(&self) -> impl Iterator<Item = &LearnedDataset> {
        self.generations().flat_map(|one| &one.datasets)
    }

    /// The search for benchmark tasks in the examples of all its trainings: the benchmarks that every one of them searched
    /// for. `None` if one searched for none, or is unknown.
    pub fn search(&self) -> Option<ContaminationSearch> {
        if self.starts_from_unknown() {
            return None;
        }
        let mut all = self.generations().map(|one| one.decontamination.as_ref());
        let first = all.next()??.clone();
        all.try_fold(first, |mut sum, one| {
            let one = one?;
            sum.benchmarks.retain(|name| one.benchmarks.contains(name));
            sum.left_out += one.left_out;
            Some(sum)
        })
    }
}

/// The chat template of a training: `chat_template` of `training.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatTemplateRecord {
    /// SHA-256 of its source with Unix newlines.
    pub sha256: String,
    /// The further variables that it received: `model.chat_template_kwargs`.
    #[serde(default)]
    pub kwargs: BTreeMap<String, Value>,
}

/// The validation by which an adapter is selected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestValidation {
    /// Number of optimizer steps done.
    pub step: usize,
    /// Validation loss, in nats per supervised token.
    pub loss: f64,
}

/// A search for benchmark tasks in training examples: `decontamination` of `training.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContaminationSearch {
    /// The benchmarks whose tasks were searched for.
    pub benchmarks: Vec<String>,
    /// Number of examples dropped for sharing text or code with one of them.
    pub left_out: usize,
}
