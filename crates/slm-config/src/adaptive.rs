//! Settings of the workflow `adaptive`: `evaluate.adaptive`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::schema::{Kind, section, words};
use crate::workflow_table::Workflow;

section! {
/// Settings of the workflow `adaptive`: `evaluate.adaptive`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptive {
    /// Who chooses the workflow of a task.
    router: Option<Router> = None => Kind::Word(Router::words), absent "`nearest` if `routes` is given, else `model`";
    /// Workflows to choose from.
    choices: Option<Vec<Workflow>> = None => Kind::List {
        of: &Kind::Word(Workflow::words), unique: true, item: "workflow", least: 1, most: Kind::ANY,
    }, absent "`single`, `reflection`, `rag`, `multi_agent` and `memory`, without those that lack what they look things up in";
    /// Data set made by `evaluator dataset --to routes`, or its file `routes.jsonl`: which workflows solved the training
    /// tasks, and what they cost.
    routes: Option<PathBuf> = None => Kind::Text("a folder or a file"), absent "none";
}
}

words! {
/// Who chooses the workflow of a task: `evaluate.adaptive.router`.
pub enum Router {
    /// The cheapest workflow with the best pass rate on the nearest training tasks of `routes`; no call.
    Nearest = "nearest",
    /// The model, in the role `router`, with one word.
    Model = "model",
}
}
