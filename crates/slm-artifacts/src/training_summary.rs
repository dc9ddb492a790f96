//! `training.json`: how a finished training went.

use serde::{Deserialize, Serialize};

use crate::dataset_counts::DatasetCounts;
use crate::provenance::Provenance;

/// How a finished training went: `training.json` beside the adapter. Losses are in nats per supervised token.
///
/// What an earlier version of the program did not write reads as nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Optimizer steps taken.
    pub steps: usize,
    /// Training examples of an epoch.
    pub examples: usize,
    /// Examples that were kept out of training.
    #[serde(default)]
    pub validation_examples: usize,
    /// Tokens read over all steps, padding not counted.
    #[serde(default)]
    pub tokens: usize,
    /// Of them, those that the loss was taken over.
    #[serde(default)]
    pub supervised_tokens: usize,
    /// Values that were trained.
    #[serde(default)]
    pub trainable_parameters: usize,
    /// Training loss of the last step.
    pub final_loss: f64,
    /// Validation loss of the base model, before the first step; `None` without validation.
    pub base_validation_loss: Option<f64>,
    /// The lowest validation loss after a step; `None` without validation.
    pub best: Option<BestValidation>,
    /// Whether training ended because the validation loss no longer fell.
    #[serde(default)]
    pub stopped_early: bool,
    /// What was read of each data set, and what was left out and why.
    #[serde(default)]
    pub data: Vec<DatasetCounts>,
    /// `None` if the data were not searched for the tasks that the recipe evaluates on.
    pub decontamination: Option<ContaminationSearch>,
    /// Time of the training over all its starts, in seconds, with validations and checkpoints.
    pub seconds: f64,
    /// The most memory that the process held; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// What it was trained on.
    #[serde(default)]
    pub device: String,
    /// Version of the program.
    #[serde(default)]
    pub project_version: String,
    /// What came from the hub, the model first: commits, and the hash of each file.
    #[serde(default)]
    pub sources: Vec<Provenance>,
}

/// The validation that an adapter is chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestValidation {
    /// Optimizer steps done.
    pub step: usize,
    /// Validation loss, in nats per supervised token.
    pub loss: f64,
}

/// A search for tasks in training examples: `decontamination` of `training.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContaminationSearch {
    /// The benchmarks whose tasks were searched for.
    pub benchmarks: Vec<String>,
    /// Examples that shared text or code with one of them.
    pub left_out: usize,
}
