//! One request, one answer, no feedback.

use benchmarks::TaskView;
use metrics::syntax::{Extraction, extract_program};

use crate::backend::Query;

/// Name in recipes and records.
pub(crate) const NAME: &str = "single";

/// What the model is asked.
pub(crate) fn query(task: &TaskView, seed: u64) -> Query {
    Query {
        stub: task.prompt.clone(),
        seed,
    }
}

/// The program that the answer stands for: the model went on from the task's prompt.
pub(crate) fn program(task: &TaskView, answer: &str) -> Extraction {
    extract_program(&format!("{}{answer}", task.prompt), &task.entry_point)
}
