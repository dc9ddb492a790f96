//! The folder of a finished adapter: its files and their names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::training_summary::TrainingSummary;

/// The folder through which `trainer` and `evaluator` are connected: PEFT's two files, the resolved recipe and
/// the training summary.
#[derive(Clone, Copy, Debug)]
pub struct AdapterFolder<'a>(pub &'a Path);

impl AdapterFolder<'_> {
    /// Name of the file with the adapter's settings, defined by PEFT.
    pub const CONFIG: &'static str = "adapter_config.json";
    /// Name of the file with the adapter's tensors, defined by PEFT.
    pub const WEIGHTS: &'static str = "adapter_model.safetensors";
    /// Name of the file with the resolved recipe.
    pub const RECIPE: &'static str = "recipe.yaml";
    /// Name of the file with the chat template, if the recipe named one.
    pub const CHAT_TEMPLATE: &'static str = "chat_template.jinja";
    /// Name of the file with the training summary.
    pub const TRAINING: &'static str = "training.json";

    /// Returns the path of the adapter's settings, an [`AdapterConfig`](crate::AdapterConfig).
    pub fn config(&self) -> PathBuf {
        self.0.join(Self::CONFIG)
    }

    /// Returns the path of the adapter's tensors.
    pub fn weights(&self) -> PathBuf {
        self.0.join(Self::WEIGHTS)
    }

    /// Returns the path of the resolved recipe.
    pub fn recipe(&self) -> PathBuf {
        self.0.join(Self::RECIPE)
    }

    /// Returns the path of the training summary.
    pub fn training(&self) -> PathBuf {
        self.0.join(Self::TRAINING)
    }

    /// Reads the training summary; `None` if it is missing or unreadable, as in an adapter of another program.
    pub fn read_training(&self) -> Option<TrainingSummary> {
        serde_json::from_slice(&fs::read(self.training()).ok()?).ok()
    }
}
