//! Which workflow a task is routed to: by its nearest training tasks, by the model, or at random.
//!
//! - `file` reads the routes that `evaluator dataset --to routes` wrote
//! - `nearest` finds the nearest training tasks, and the workflow that was best on them
//! - `open` checks the routes against the tasks that are to be evaluated

mod file;
#[cfg(test)]
pub(crate) mod for_tests;
mod nearest;
mod open;

pub(crate) use open::open;

use slm_config::{Router, Workflow};
use slm_report::{OfflineCost, RoutesInfo};

use crate::digest::step_seed;
use nearest::Routes;

/// Separates what a router draws from what the same seed decides elsewhere.
const DRAW: &str = "route";

/// How a run's tasks are routed.
pub(crate) struct Routing {
    router: Router,
    /// In the order of the recipe.
    choices: Vec<Workflow>,
    /// `None` if the recipe names none.
    routes: Option<Routes>,
    info: Option<RoutesInfo>,
    offline: Vec<OfflineCost>,
}

impl Routing {
    /// Routes by the model to these workflows.
    pub(crate) fn by_model(choices: Vec<Workflow>) -> Self {
        Self {
            router: Router::Model,
            choices,
            routes: None,
            info: None,
            offline: Vec::new(),
        }
    }

    /// Returns who chooses.
    pub(crate) fn router(&self) -> Router {
        self.router
    }

    /// Returns the workflows to choose from.
    pub(crate) fn choices(&self) -> &[Workflow] {
        &self.choices
    }

    /// Returns what answers that name none of the choices lead to: `reflection`, or the first choice if it is none.
    pub(crate) fn fallback(&self) -> Workflow {
        let first = self.choices.first().copied();
        if self.choices.contains(&Workflow::Reflection) {
            Workflow::Reflection
        } else {
            first.unwrap_or(Workflow::Reflection)
        }
    }

    /// Returns the workflow for a task with these words, by its nearest training tasks.
    pub(crate) fn nearest(&self, words: &str) -> Workflow {
        let routes = self.routes.as_ref();
        routes.map_or_else(|| self.fallback(), |routes| routes.route(words, None))
    }

    /// Draws a workflow as often as the nearest router chooses it among the training tasks, each by the others; without
    /// routes, each choice as often as any other.
    pub(crate) fn random(&self, seed: u64) -> Workflow {
        let evenly: Vec<(Workflow, usize)> = self.choices.iter().map(|of| (*of, 1)).collect();
        let shares = self.routes.as_ref().map_or(&*evenly, Routes::shares);
        let whole: usize = shares.iter().map(|(_, tasks)| tasks).sum();
        // The remainder of 64 uniform bits by a number of tasks is uniform for all that can be measured.
        let mut place = step_seed(seed, DRAW, 0, 0) % whole.max(1) as u64;
        for &(workflow, tasks) in shares {
            let tasks = tasks as u64;
            if place < tasks {
                return workflow;
            }
            place -= tasks;
        }
        self.fallback()
    }

    /// Returns the description for the run's file; `None` without routes.
    pub(crate) fn info(&self) -> Option<&RoutesInfo> {
        self.info.as_ref()
    }

    /// Returns the work before the run, for the run's file.
    pub(crate) fn offline(&self) -> &[OfflineCost] {
        &self.offline
    }
}
