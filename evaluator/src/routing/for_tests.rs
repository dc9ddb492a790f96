//! Routes of a few training tasks.

use slm_artifacts::{RouteCell, RouteTask};
use slm_config::{Router, Workflow};

use super::Routing;
use super::nearest::Routes;

/// Returns what one answer of a workflow, which passed if `passed` is 1, cost.
pub(crate) fn cell(workflow: &str, passed: usize, completion_tokens: f64) -> RouteCell {
    RouteCell {
        workflow: workflow.to_owned(),
        answers: 1,
        passed,
        completion_tokens,
    }
}

/// Returns a training task with these words.
pub(crate) fn trained(name: &str, words: &str, cells: &[RouteCell]) -> RouteTask {
    RouteTask {
        task_id: format!("train/{name}"),
        words: words.to_owned(),
        label: None,
        cells: cells.to_vec(),
    }
}

/// Returns a router by these training tasks.
pub(crate) fn routes(tasks: Vec<RouteTask>, choices: Vec<Workflow>) -> Routing {
    Routing {
        router: Router::Nearest,
        routes: Routes::new(tasks, choices.clone()),
        ..Routing::by_model(choices)
    }
}
