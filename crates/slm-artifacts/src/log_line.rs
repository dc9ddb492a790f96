//! `log.jsonl`: the loss curve of a training.

use serde::{Deserialize, Serialize};

use crate::PreferenceFigures;

/// One line of `log.jsonl`. It contains no times, so that the same training writes the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogLine {
    /// The optimizer steps since the previous line.
    Step {
        /// Optimizer steps done.
        step: usize,
        /// Number of passes over the data, with the fraction of the current one.
        epoch: f64,
        /// Mean loss over the supervised tokens of all steps since the previous line, in nats, each before its
        /// step's update; of a preference objective, mean over its pairs or answers.
        loss: f64,
        /// Learning rate of the last of these steps.
        learning_rate: f64,
        /// Norm of all gradients together in the last of these steps, before clipping.
        grad_norm: f64,
        /// Number of tokens read since the start, without padding.
        tokens: usize,
        /// Figures of a preference objective over the same steps as `loss`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preference: Option<PreferenceFigures>,
    },
    /// A validation.
    Validation {
        /// Optimizer steps done.
        step: usize,
        /// Number of passes over the data, with the fraction of the current one.
        epoch: f64,
        /// Nats per supervised token of the validation set; at step 0 that of the base model.
        validation_loss: f64,
        /// Figures of a preference objective over the validation set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        preference: Option<PreferenceFigures>,
    },
    /// The base model on the examples of the first step, before any update. Dropout and noise are active as in
    /// training.
    Start {
        /// 0.
        step: usize,
        /// 0.
        epoch: f64,
        /// Nats per supervised token.
        loss: f64,
    },
}
