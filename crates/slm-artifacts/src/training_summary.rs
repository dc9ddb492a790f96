//! `training.json`: the summary of a finished training.

use serde::{Deserialize, Serialize};

use crate::dataset_counts::DatasetCounts;
use crate::dataset_folder::LearnedDataset;
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
    /// Validation loss of the base model, before the first step; `None` without validation.
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
    /// Peak memory of the process; `None` where the system does not report it.
    pub peak_memory_bytes: Option<u64>,
    /// The device of the training.
    #[serde(default)]
    pub device: String,
    /// Version of the program.
    #[serde(default)]
    pub project_version: String,
    /// Sources from the hub, the model first: commits, and the hash of each file.
    #[serde(default)]
    pub sources: Vec<Provenance>,
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
