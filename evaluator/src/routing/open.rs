//! Reads the routes that a recipe names, and refuses those of tasks that are to be evaluated.

use std::path::Path;

use anyhow::Result;
use slm_artifacts::{MemoryCost, RouteTask};
use slm_benchmarks::{Evaluated, ScoringPhase, Task};
use slm_cli::UserMistake;
use slm_config::{Recipe, Router, Workflow};
use slm_report::{OfflineCost, RoutesInfo};

use super::Routing;
use super::file::{self, RoutesFile};
use super::nearest::Routes;
use crate::leakage::listed;
use crate::run_task::RunTask;

/// Opens what a recipe's `adaptive` chooses by, and names the workflows of the default that it cannot choose.
///
/// The tasks' solutions and hidden tests are opened for comparison alone: no text of them is kept.
///
/// # Errors
/// The routes cannot be read, have none of the choices, or have tasks that are to be evaluated.
pub(crate) fn open(recipe: &Recipe, tasks: &[RunTask]) -> Result<Routing> {
    let choices = recipe.adaptive_choices();
    let mut routing = Routing::by_model(choices.clone());
    if !recipe.routes_tasks() {
        return Ok(routing);
    }
    let left_out: Vec<&str> = recipe
        .adaptive_left_out()
        .iter()
        .map(|of| of.name())
        .collect();
    if !left_out.is_empty() {
        slm_cli::note(&format!(
            "adaptive does not choose {}: the recipe names nothing to look things up in",
            left_out.join(", ")
        ));
    }
    routing.router = recipe.router();
    let Some(path) = &recipe.evaluate.adaptive.routes else {
        return Ok(routing);
    };
    let RoutesFile {
        sha256,
        header,
        tasks: trained,
    } = file::read(path)?;
    let evaluated: Vec<Task> = tasks.iter().map(|of| of.task.clone()).collect();
    let shared = Evaluated::new(&evaluated, &ScoringPhase::begin()).shared(&header.tasks);
    if !shared.is_empty() {
        return Err(UserMistake(format!(
            "{}: {} of the tasks of the routes are to be evaluated:{}\n\
             hint: evaluate other tasks, or make routes of runs with other tasks: evaluator dataset RUN... --to routes \
             --recipe RECIPE",
            path.display(),
            shared.len(),
            listed(&shared)
        ))
        .into());
    }
    let known = known_choices(path, &choices, &trained, routing.router)?;
    let MemoryCost {
        calls,
        completion_tokens,
        executions,
    } = header.offline;
    routing.offline.push(OfflineCost {
        what: "routes".to_owned(),
        completion_tokens,
        calls,
        executions,
    });
    routing.info = Some(RoutesInfo {
        sha256,
        tasks: trained.len(),
        choices: choices.iter().map(|of| of.name().to_owned()).collect(),
    });
    routing.routes = Routes::new(trained, known);
    Ok(routing)
}

/// Returns the choices that answered a training task, and names the others.
fn known_choices(
    path: &Path,
    choices: &[Workflow],
    trained: &[RouteTask],
    router: Router,
) -> Result<Vec<Workflow>, UserMistake> {
    let ran = |of: &Workflow| {
        let mut cells = trained.iter().flat_map(|task| &task.cells);
        cells.any(|cell| cell.workflow == of.name())
    };
    let (known, unknown): (Vec<Workflow>, Vec<Workflow>) = choices.iter().partition(|of| ran(of));
    let names = |of: &[Workflow]| {
        let names: Vec<&str> = of.iter().map(|of| of.name()).collect();
        names.join(", ")
    };
    if known.is_empty() {
        return Err(UserMistake(format!(
            "{}: no training task was answered by {}\n\
             hint: make routes of a run with these workflows, or list others in evaluate.adaptive.choices",
            path.display(),
            names(choices)
        )));
    }
    if !unknown.is_empty() && router == Router::Nearest {
        slm_cli::note(&format!(
            "warning: {} never chooses {}, which answered no training task",
            path.display(),
            names(&unknown)
        ));
    }
    Ok(known)
}
