//! A task, divided by who may see which part.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::puzzle::Puzzle;
use crate::split::Split;
use crate::{RepositoryTarget, Tests};

/// The part of a task that a model, and the workflow around it, may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Unique over all benchmarks, for example `embedded/double_it`.
    pub task_id: String,
    /// Python to be continued: imports, signature, and a docstring that ends with a newline. If the publisher has
    /// only prose, the prose is the docstring.
    pub prompt: String,
    /// The function or class that the tests use; empty for a program that reads stdin.
    pub entry_point: String,
    /// The method to call, if the entry point is a class with one. A program without the class may define a function
    /// of this name instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Tests that the task's own text contains, in the form of the hidden ones.
    pub public_examples: Vec<String>,
    /// Python that runs before the examples, such as imports; often empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub setup: String,
    /// The publisher's own request in prose, for conversations, if there is one besides the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// The few-shot request (after solved examples), if the benchmark defines it and
    /// [`load_few_shot`](crate::load_few_shot) was used. It contains tests that are hidden otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot: Option<String>,
    /// The function of a repository that the task asks for, if the task was made from one: its examples are doctests,
    /// which run in a copy of that repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryTarget>,
}

impl TaskView {
    /// Creates a view without examples or a request in prose.
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
            repository: None,
        }
    }
}

/// A function, class or section of a task's documentation or code that solves the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The file, at least the end of its path, with `/`.
    pub source: String,
    /// `function`, `Class.method` or the heading.
    pub name: String,
}

/// A task of a benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    view: TaskView,
    hidden: HiddenTests,
    canonical_solution: String,
    split: Option<Split>,
    references: Vec<Reference>,
    puzzle: Option<Puzzle>,
}

/// What must not reach a model before a task is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Correct programs, or their parts after the prompt.
    pub solutions: Vec<String>,
    /// The texts of the hidden tests.
    pub tests: Vec<String>,
}

impl Task {
    pub(crate) fn new(view: TaskView, tests: Tests, canonical_solution: String) -> Self {
        Self {
            view,
            hidden: HiddenTests(tests),
            canonical_solution,
            split: None,
            references: Vec::new(),
            puzzle: None,
        }
    }

    /// Returns the task as a Parsons problem, whose lines `show` adds to the view.
    pub(crate) fn with_puzzle(mut self, puzzle: Puzzle, show: impl FnOnce(&mut TaskView)) -> Self {
        show(&mut self.view);
        self.puzzle = Some(puzzle);
        self
    }

    /// Returns the hidden part of a Parsons problem.
    pub(crate) fn puzzle(&self) -> Option<&Puzzle> {
        self.puzzle.as_ref()
    }

    /// Returns the task with what solves it in its documentation or code.
    pub(crate) fn with_references(mut self, references: Vec<Reference>) -> Self {
        self.references = references;
        self
    }

    /// Returns what solves the task in its documentation or code, if its file names it; workflows do not see it, except
    /// for upper bounds.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Returns what must not reach a model before the task is answered. It is opened for comparison, but never shown.
    pub fn secrets(&self, phase: &ScoringPhase) -> Secrets {
        let solution = self.canonical_solution(phase);
        let mut tests = Vec::new();
        let opened = serde_json::to_value(self.hidden.open(phase));
        collect_texts(&opened.unwrap_or_default(), &mut tests);
        Secrets {
            solutions: (!solution.trim().is_empty())
                .then(|| solution.to_owned())
                .into_iter()
                .collect(),
            tests,
        }
    }

    /// Returns the task as part of its publisher's split.
    pub(crate) fn in_split(mut self, split: Split) -> Self {
        self.split = Some(split);
        self
    }

    /// Returns the part of the publisher's split that contains it; `None` if the publisher defines none.
    pub fn split(&self) -> Option<Split> {
        self.split
    }

    /// Returns the part that workflows may see.
    pub fn view(&self) -> &TaskView {
        &self.view
    }

    /// Returns the view for changes while the task is loaded.
    pub(crate) fn view_mut(&mut self) -> &mut TaskView {
        &mut self.view
    }

    /// Returns the hidden tests, still closed.
    pub fn hidden(&self) -> &HiddenTests {
        &self.hidden
    }

    /// Whether its tests must run in the program's own process, where a program can forge their results.
    pub fn is_forgeable(&self) -> bool {
        matches!(self.hidden.0, Tests::Unittest(_) | Tests::Repository(_))
    }

    /// Returns a correct continuation of the prompt, indented to follow it; empty if the publisher provides none.
    pub fn canonical_solution(&self, _: &ScoringPhase) -> &str {
        &self.canonical_solution
    }
}

/// Collects all texts in a value.
fn collect_texts(value: &serde_json::Value, texts: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => texts.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        serde_json::Value::Object(fields) => {
            fields.values().for_each(|item| collect_texts(item, texts));
        }
        _ => {}
    }
}

/// Tests that open only for scoring.
///
/// They cannot be printed or serialized, so that no log leaks them into a later training run.
#[derive(Clone, PartialEq)]
pub struct HiddenTests(Tests);

impl HiddenTests {
    /// Returns the tests.
    pub fn open(&self, _: &ScoringPhase) -> &Tests {
        &self.0
    }

    /// Returns the SHA-256 of the tests in hex: it identifies their version without revealing them.
    pub fn sha256(&self) -> String {
        slm_artifacts::sha256(format!("{:?}", self.0))
    }
}

impl fmt::Debug for HiddenTests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HiddenTests({} hidden)", self.0.len())
    }
}

/// Permission to open hidden tests.
///
/// Only the scorer creates it, once every answer of every workflow is final; a workflow never gets one. Calls of
/// `ScoringPhase::begin` in the source mark where hidden tests are used.
#[derive(Debug)]
pub struct ScoringPhase(());

impl ScoringPhase {
    /// Declares that generation is over.
    pub fn begin() -> Self {
        Self(())
    }
}
