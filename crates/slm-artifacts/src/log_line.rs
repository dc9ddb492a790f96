//! `log.jsonl`: the loss curve of a training.

use serde::{Deserialize, Serialize};

/// One line of `log.jsonl`. It holds no times, so that the same training writes the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogLine {
    /// The optimizer steps since the line before.
    Step {
        /// Optimizer steps done.
        step: usize,
        /// Passes over the data, with the part of the current one.
        epoch: f64,
        /// Mean over the supervised tokens of all steps since the line before, in nats, each before its step's update.
        loss: f64,
        /// Rate of the last of these steps.
        learning_rate: f64,
        /// Norm of all gradients of the last of these steps together, before clipping.
        grad_norm: f64,
        /// Tokens read so far, padding not counted.
        tokens: usize,
    },
    /// A validation.
    Validation {
        /// Optimizer steps done.
        step: usize,
        /// Passes over the data, with the part of the current one.
        epoch: f64,
        /// Nats per supervised token of the validation part; at step 0 that of the base model.
        validation_loss: f64,
    },
    /// The base model on the examples of the first step, before any update. Dropout and noise act as in training.
    Start {
        /// 0.
        step: usize,
        /// 0.
        epoch: f64,
        /// Nats per supervised token.
        loss: f64,
    },
}
