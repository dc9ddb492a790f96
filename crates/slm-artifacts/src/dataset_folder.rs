//! The folder of a data set that was made from answers to tasks: `dataset.json`, `rows.jsonl`, `sources.jsonl`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::words::Verdict;

/// The folder through which `evaluator` gives `trainer` what was learned from a run.
#[derive(Clone, Copy, Debug)]
pub struct DatasetFolder<'a>(pub &'a Path);

impl DatasetFolder<'_> {
    /// Name of the file with the description, a [`DatasetInfo`].
    pub const INFO: &'static str = "dataset.json";
    /// Name of the file with the rows, in TRL's columns.
    pub const ROWS: &'static str = "rows.jsonl";
    /// Name of the file with the origin of each row, a [`RowSource`] per side.
    pub const SOURCES: &'static str = "sources.jsonl";

    /// Returns the path of the description.
    pub fn info(&self) -> PathBuf {
        self.0.join(Self::INFO)
    }

    /// Returns the path of the rows.
    pub fn rows(&self) -> PathBuf {
        self.0.join(Self::ROWS)
    }

    /// Returns the path of the rows' origins.
    pub fn sources(&self) -> PathBuf {
        self.0.join(Self::SOURCES)
    }

    /// Reads the description; `None` if the folder has none, as one that another program wrote.
    ///
    /// # Errors
    /// The description cannot be read, or is not of [`DATASET_VERSION`].
    pub fn read_info(&self) -> io::Result<Option<DatasetInfo>> {
        let bytes = match fs::read(self.info()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let broken = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        let info: DatasetInfo =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        if info.version == DATASET_VERSION {
            Ok(Some(info))
        } else {
            let found = info.version;
            Err(broken(format!(
                "version {found}, expected {DATASET_VERSION}"
            )))
        }
    }
}

/// The version of the format of the folder.
pub const DATASET_VERSION: u32 = 1;

/// What the rows of a data set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// Answers to learn: `prompt`, `completion`.
    Sft,
    /// A better and a worse answer to one prompt: `prompt`, `chosen`, `rejected`.
    Pairs,
    /// Answers, each good or bad: `prompt`, `completion`, `label`.
    Kto,
    /// Solution plans, and programs that follow them: `prompt`, `completion`.
    Plans,
    /// Bodies of documented functions after a sketch of a similar function: `prompt`, `completion`.
    Sketches,
    /// Names of workflows for a task, each wanted or unwanted: `prompt`, `completion`, `label`.
    Routes,
    /// Splits of tasks into functions, each wanted or unwanted: `prompt`, `completion`, `label`.
    Decompositions,
    /// Programs, each with yes or no: `prompt`, `completion`.
    Verifier,
}

impl DatasetKind {
    /// Returns the word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sft => "sft",
            Self::Pairs => "pairs",
            Self::Kto => "kto",
            Self::Plans => "plans",
            Self::Sketches => "sketches",
            Self::Routes => "routes",
            Self::Decompositions => "decompositions",
            Self::Verifier => "verifier",
        }
    }
}

/// The description of a data set: `dataset.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetInfo {
    /// [`DATASET_VERSION`] at the time of writing.
    pub version: u32,
    /// What the rows are.
    pub kind: DatasetKind,
    /// The rules that selected the rows, by name, with their settings.
    pub rules: BTreeMap<String, serde_json::Value>,
    /// The runs whose answers were used.
    pub runs: Vec<SourceRun>,
    /// Number of answers that the rules saw; of sketches, of documented functions.
    pub answers: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of answers, pairs or functions that were left out, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// SHA-256 of `rows.jsonl`, in hex.
    pub rows_sha256: String,
    /// SHA-256 of `sources.jsonl`, in hex.
    pub sources_sha256: String,
    /// The tasks of the rows, in the order of the rows.
    pub tasks: Vec<TaskFingerprint>,
    /// Lengths of each side of the rows: `completion`, or `chosen` and `rejected`.
    pub lengths: BTreeMap<String, LengthStatistics>,
    /// Share of the variance of the differences in `mi_code` between chosen and rejected that the differences in
    /// `lloc_code` explain (R²); `None` for other kinds, with fewer than ten pairs, and
    /// without variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mi_code_explained_by_lloc: Option<f64>,
}

/// A run whose answers were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRun {
    /// Its name.
    pub name: String,
    /// Hash over everything that affects its answers.
    pub config_sha256: String,
    /// SHA-256 over its records without times, in hex; the order of the file does not matter.
    pub answers_sha256: String,
}

/// Lengths of one side of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LengthStatistics {
    /// Mean number of characters.
    pub mean_characters: f64,
    /// Median number of characters.
    pub median_characters: f64,
    /// Most characters.
    pub max_characters: usize,
    /// Mean number of logical lines of code.
    pub mean_lloc: f64,
}

/// The origin of one side of a row: a line of `sources.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowSource {
    /// Number of the row, from 0.
    pub row: usize,
    /// Which of its columns: `completion`, `chosen` or `rejected`.
    pub side: String,
    /// The rule that selected it.
    pub rule: String,
    /// The run's name; empty for a function of the user's own code.
    pub run: String,
    /// The arm that answered; `code` for a function of the user's own code.
    pub arm: String,
    /// The workflow.
    pub workflow: String,
    /// The temperature.
    pub temperature: f64,
    /// Nucleus size.
    pub top_p: f64,
    /// The task.
    pub task_id: String,
    /// Number of the sample of the task, from 0.
    pub sample: u32,
    /// The step of the trajectory that made the program; `None` for a text that no trajectory contains.
    pub step: Option<u32>,
    /// The outcome of the hidden tests.
    pub verdict: Verdict,
    /// Hidden tests that passed.
    pub tests_passed: usize,
    /// Hidden tests of the task.
    pub tests_total: usize,
    /// Maintainability index of the code without comments; `None` for a program without metrics.
    pub mi_code: Option<f64>,
}

/// Identifies a task without its file, so that nobody evaluates on what was learned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskFingerprint {
    /// The task's name in its benchmark, such as `Mbpp/601`.
    pub task_id: String,
    /// The publisher's id in lower case: benchmarks that share tasks share it. `None` for tasks of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher_id: Option<String>,
    /// Hashes of the sentences of its description.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<String>,
    /// Fingerprints of the functions of its reference solution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
}

/// A data set that an adapter was trained on: an item of `datasets` in `training.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedDataset {
    /// Its path in the recipe.
    pub path: String,
    /// SHA-256 of its `dataset.json`, in hex.
    pub sha256: String,
    /// The tasks of its rows.
    pub tasks: Vec<TaskFingerprint>,
}
