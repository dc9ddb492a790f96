//! A task, split by who may see which part of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// All that a model, and the workflow around it, may know of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Unique over all benchmarks, such as `embedded/double_it`.
    pub task_id: String,
    /// Python to be continued: imports, signature, and a docstring that ends with a newline.
    pub prompt: String,
    /// Name of the function or class that the tests use.
    pub entry_point: String,
    /// Tests that the task's own text shows, in the form of the hidden ones.
    pub public_examples: Vec<String>,
}

/// A task of a benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    view: TaskView,
    hidden: HiddenTests,
    canonical_solution: String,
}

impl Task {
    pub(crate) fn new(view: TaskView, tests: Vec<String>, canonical_solution: String) -> Self {
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

    /// The tests that decide, still closed.
    pub fn hidden(&self) -> &HiddenTests {
        &self.hidden
    }

    /// A right continuation of the prompt, indented as it follows there.
    pub fn canonical_solution(&self, _: &ScoringPhase) -> &str {
        &self.canonical_solution
    }
}

/// Tests that open only for scoring: snippets of Python that raise if the program before them is
/// wrong.
///
/// They cannot be printed or serialised, so that no log shows them to a later training run.
#[derive(Clone, PartialEq, Eq)]
pub struct HiddenTests(Vec<String>);

impl HiddenTests {
    /// The tests, each to be run in the namespace of the program.
    pub fn open(&self, _: &ScoringPhase) -> &[String] {
        &self.0
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
