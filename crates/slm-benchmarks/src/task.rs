//! A task, split by who may see which part of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Tests;

/// All that a model, and the workflow around it, may know of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Unique over all benchmarks, such as `embedded/double_it`.
    pub task_id: String,
    /// Python to be continued: imports, signature, and a docstring that ends with a newline. Where the publisher has
    /// only words, they are the docstring.
    pub prompt: String,
    /// Name of the function or class that the tests use; empty for a program that reads stdin.
    pub entry_point: String,
    /// The method that is called, where the entry point is a class with one. A program without the class may define a
    /// function of this name instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Tests that the task's own text shows, in the form of the hidden ones.
    pub public_examples: Vec<String>,
    /// Python that runs before the examples, such as imports; often nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub setup: String,
    /// The publisher's own request in words, for conversations, where there is one beside the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// The request after solved examples, where the benchmark defines it and it was asked for. It shows tests that are
    /// hidden otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<String>,
}

impl TaskView {
    /// A task without examples or a request in words.
    pub(crate) fn new(task_id: impl Into<String>, prompt: String, entry_point: &str) -> Self {
        Self {
            task_id: task_id.into(),
            prompt,
            entry_point: entry_point.to_owned(),
            method: None,
            public_examples: Vec::new(),
            setup: String::new(),
            instruction: None,
            few_shot: None,
        }
    }
}

/// A task of a benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    view: TaskView,
    hidden: HiddenTests,
    canonical_solution: String,
}

impl Task {
    pub(crate) fn new(view: TaskView, tests: Tests, canonical_solution: String) -> Self {
        Self {
            view,
            hidden: HiddenTests(tests),
            canonical_solution,
        }
    }

    /// The part for the workflows.
    pub fn view(&self) -> &TaskView {
        &self.view
    }

    /// As [`Self::view`], to change it while it is read.
    pub(crate) fn view_mut(&mut self) -> &mut TaskView {
        &mut self.view
    }

    /// The tests that decide, still closed.
    pub fn hidden(&self) -> &HiddenTests {
        &self.hidden
    }

    /// Whether its tests must run in the program's own process, where a program can forge them.
    pub fn is_forgeable(&self) -> bool {
        matches!(self.hidden.0, Tests::Unittest(_))
    }

    /// A right continuation of the prompt, indented as it follows there; empty where the publisher gives none.
    pub fn canonical_solution(&self, _: &ScoringPhase) -> &str {
        &self.canonical_solution
    }
}

/// Tests that open only for scoring.
///
/// They cannot be printed or serialised, so that no log shows them to a later training run.
#[derive(Clone, PartialEq)]
pub struct HiddenTests(Tests);

impl HiddenTests {
    /// The tests, and how they are to be run.
    pub fn open(&self, _: &ScoringPhase) -> &Tests {
        &self.0
    }

    /// SHA-256 of the tests in hexadecimal: tells versions apart and shows nothing.
    pub fn sha256(&self) -> String {
        slm_artifacts::sha256(format!("{:?}", self.0))
    }
}

impl fmt::Debug for HiddenTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiddenTests({} hidden)", self.0.len())
    }
}

/// The right to see hidden tests.
///
/// Made by the scorer alone, once every answer of every workflow is final; a workflow never gets
/// one. Where `ScoringPhase::begin` stands in the source is where hidden tests are used.
#[derive(Debug)]
pub struct ScoringPhase(());

impl ScoringPhase {
    /// Declares that generation is over.
    pub fn begin() -> Self {
        Self(())
    }
}
