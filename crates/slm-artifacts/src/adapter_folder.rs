//! The folder of a finished adapter: what lies where in it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::training_summary::TrainingSummary;

/// The folder in which `trainer` and `evaluator` meet: PEFT's two files, the resolved recipe and the training's summary.
#[derive(Clone, Copy, Debug)]
pub struct AdapterFolder<'a>(pub &'a Path);

impl AdapterFolder<'_> {
    /// Name of the file with the adapter's settings, as PEFT has it.
    pub const CONFIG: &'static str = "adapter_config.json";
    /// Name of the file with the adapter's tensors, as PEFT has it.
    pub const WEIGHTS: &'static str = "adapter_model.safetensors";
    /// Name of the file with the resolved recipe.
    pub const RECIPE: &'static str = "recipe.yaml";
    /// Name of the file with the training's summary.
    pub const TRAINING: &'static str = "training.json";

    /// The adapter's settings, an [`AdapterConfig`](crate::AdapterConfig).
    pub fn config(&self) -> PathBuf {
        self.0.join(Self::CONFIG)
    }

    /// The adapter's tensors.
    pub fn weights(&self) -> PathBuf {
        self.0.join(Self::WEIGHTS)
    }

    /// The resolved recipe.
    pub fn recipe(&self) -> PathBuf {
        self.0.join(Self::RECIPE)
    }

    /// The summary of the training.
    pub fn training(&self) -> PathBuf {
        self.0.join(Self::TRAINING)
    }

    /// Reads the training's summary; `None` if there is none that can be read, as in an adapter of another program.
    pub fn read_training(&self) -> Option<TrainingSummary> {
        serde_json::from_slice(&fs::read(self.training()).ok()?).ok()
    }
}
