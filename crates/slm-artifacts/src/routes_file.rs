//! The file of routes: which workflows solved training tasks, and what they cost. Its first line is a [`RoutesHeader`],
//! each other one a [`RouteTask`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset_folder::{SourceRun, TaskFingerprint};
use crate::memory_file::MemoryCost;

/// The version of the format of the file.
pub const ROUTES_VERSION: u32 = 1;

/// The file's name in a data set's folder.
pub const ROUTES_FILE: &str = "routes.jsonl";

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutesKind {
    /// Workflows by task.
    Routes,
}

/// The first line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutesHeader {
    /// [`ROUTES_VERSION`] at the time of writing.
    pub version: u32,
    /// What the file is.
    pub kind: RoutesKind,
    /// The runs whose answers were used.
    pub runs: Vec<SourceRun>,
    /// The arm that answered.
    pub arm: String,
    /// Number of tasks.
    pub tasks_counted: usize,
    /// Number of answers that count for no task, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, usize>,
    /// What the answers cost: all workflows on all tasks.
    pub offline: MemoryCost,
    /// The tasks, by which they are recognised before an evaluation.
    pub tasks: Vec<TaskFingerprint>,
}

/// A training task, with what each workflow made of it: a line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTask {
    /// The task's name in its benchmark.
    pub task_id: String,
    /// The words of its docstring and the names of its signature, by which it is found.
    pub words: String,
    /// The cheapest workflow that solves it; `None` if none does.
    pub label: Option<String>,
    /// The workflows that answered it, by name.
    pub cells: Vec<RouteCell>,
}

/// One workflow on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteCell {
    /// The workflow's name.
    pub workflow: String,
    /// Number of its answers.
    pub answers: usize,
    /// Number of them that pass all hidden tests.
    pub passed: usize,
    /// Mean number of tokens generated for an answer.
    pub completion_tokens: f64,
}

impl RouteCell {
    /// Share of the answers that pass; 0 without answers.
    pub fn pass_rate(&self) -> f64 {
        if self.answers == 0 {
            return 0.0;
        }
        self.passed as f64 / self.answers as f64
    }
}
