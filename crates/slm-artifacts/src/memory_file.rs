//! The file of a memory: what successful runs teach, as text. Its first line is a [`MemoryHeader`], each other one a
//! [`MemoryEntry`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dataset_folder::{SourceRun, TaskFingerprint};

/// The version of the format of the file.
pub const MEMORY_VERSION: u32 = 1;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Memory of successful runs.
    Memory,
}

/// The first line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryHeader {
    /// [`MEMORY_VERSION`] at the time of writing.
    pub version: u32,
    /// What the file is.
    pub kind: MemoryKind,
    /// The runs whose answers were used.
    pub runs: Vec<SourceRun>,
    /// The benchmarks of the recipe whose tasks were refused; empty if none was named.
    pub compared_with: Vec<String>,
    /// How many answers became entries.
    pub counts: MemoryCounts,
    /// Number of answers that are no entry, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// What the runs and the making of the file cost.
    pub offline: MemoryCost,
    /// Lessons for any task, a line each; often none.
    pub general: Vec<String>,
    /// How the general lines were checked; `None` if none were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub general_check: Option<GeneralCheck>,
    /// The tasks of the entries, by which they are recognised before an evaluation.
    pub tasks: Vec<TaskFingerprint>,
}

/// How many answers became entries of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryCounts {
    /// Number of answers that the rules saw.
    pub answers: usize,
    /// Number of entries.
    pub entries: usize,
}

/// What a memory cost before any run used it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryCost {
    /// Calls to a model.
    pub calls: usize,
    /// Tokens generated.
    pub completion_tokens: usize,
    /// Program runs in workflows and in the check of the general lines, without hidden tests of the runs.
    pub executions: usize,
}

/// How the general lines of a memory were checked: the base model answers the tasks of the entries with them and without.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneralCheck {
    /// The model that wrote the lines.
    pub speaker: String,
    /// Number of lines that it wrote.
    pub lines: usize,
    /// Number of tasks, each answered greedily.
    pub tasks: usize,
    /// Tasks that are solved with the lines.
    pub solved_with: usize,
    /// Tasks that are solved without them.
    pub solved_without: usize,
    /// Whether the lines were kept: with them, not fewer tasks are solved.
    pub kept: bool,
}

/// What one successful answer teaches: a line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryEntry {
    /// The task's name in its benchmark.
    pub task_id: String,
    /// The function or class that it asks for; empty for a program that reads its input.
    pub entry_point: String,
    /// The words of its docstring and the names of its signature, by which it is found.
    pub words: String,
    /// The plan that the program follows; `None` if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The program, which passes all hidden tests of the task.
    pub program: String,
    /// Failures of visible tests before it, a line each; omitted if there were none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// Share of the answers to the task, over all samples of the runs, that do not pass.
    pub importance: f64,
    /// The run's name.
    pub run: String,
    /// The arm that answered.
    pub arm: String,
    /// The workflow.
    pub workflow: String,
    /// The temperature.
    pub temperature: f64,
    /// Nucleus size.
    pub top_p: f64,
    /// Number of the sample of the task, from 0.
    pub sample: u32,
}
