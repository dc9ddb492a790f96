//! The key of an export: which arm and workflow wrote the program of each row. Raters must not see it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use slm_cli::UserMistake;

/// The version of new keys.
pub(super) const KEY_VERSION: u32 = 1;

/// The file of the key in the folder of an export.
pub(super) const KEY: &str = "key.json";

/// The columns to be filled, each with ratings from 1 to 5.
pub(super) const COLUMNS: [&str; 5] = [
    "correctness",
    "completeness",
    "readability",
    "conciseness",
    "overall_quality",
];

/// What an export consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// [`KEY_VERSION`] at the time of writing.
    pub(super) version: u32,
    /// The name of the export, with which all its items begin.
    pub(super) export: String,
    pub(super) seed: u64,
    /// The columns to be filled.
    pub(super) columns: Vec<String>,
    /// What is compared; the first is the reference.
    pub(super) sides: Vec<Side>,
    /// In the order of the rows.
    pub(super) items: Vec<Item>,
    /// Number of tasks that are not in the export, by reason.
    pub(super) left_out: BTreeMap<String, usize>,
}

/// An arm in a workflow of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    pub(super) run: String,
    pub(super) arm: String,
    pub(super) workflow: String,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Item {
    pub(super) item: String,
    pub(super) task_id: String,
    /// The numbers of the sides that wrote this program, from 0.
    pub(super) sides: Vec<usize>,
}

impl Key {
    /// Reads the key in the folder of an export.
    ///
    /// # Errors
    /// There is none, or it is not one of this version.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(KEY);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(UserMistake(format!(
                    "{}: no export, it holds no {KEY}\nhint: name the folder of `evaluator ratings export -o FOLDER`",
                    folder.display()
                ))
                .into());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let key: Self = serde_json::from_slice(&text).map_err(|error| {
            UserMistake(format!(
                "{}: no key of an export: {error}\nhint: the file must be the one that the export wrote",
                path.display()
            ))
        })?;
        if key.version != KEY_VERSION {
            return Err(UserMistake(format!(
                "{}: version {}, expected {KEY_VERSION}\nhint: import with the version of this program that exported",
                path.display(),
                key.version
            ))
            .into());
        }
        Ok(key)
    }
}
