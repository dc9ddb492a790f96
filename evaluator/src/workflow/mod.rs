//! The workflows, which turn a task into a program, one file each, over one small engine.
//!
//! A workflow sees only a task's public side; [`crate::experiment`] opens hidden tests only after every trajectory of
//! the run is closed.
//!
//! # The engine
//! - [`agent`] is the interface of workflows; a workflow is an `async fn` over it, and each `.await` is a step
//! - [`step_queue`] keeps a trajectory's steps, candidates and [`budget`], which no workflow can exceed
//! - [`trajectory`] polls a workflow, replays the steps that an earlier start of the run logged, and writes the
//!   [`event`]s of new ones
//! - [`schedule`] batches the model calls of all trajectories, and runs programs in the meantime
//! - [`prompt`] renders requests to the model, and [`read`] and [`action`] parse its answers
//!
//! A new workflow is a file here and its row in the table of workflows, `slm_config::workflow_table`.

mod acting;
pub(crate) mod action;
pub(crate) mod agent;
mod asking;
pub(crate) mod budget;
mod building;
pub(crate) mod convention;
pub(crate) mod event;
mod parser;
mod partial;
pub(crate) mod prompt;
pub(crate) mod read;
mod repair;
mod reply;
mod rounds;
pub(crate) mod runner;
pub(crate) mod schedule;
pub(crate) mod scores;
mod scoring;
mod signature;
mod snippet;
pub(crate) mod step_queue;
mod subtask;
mod test_report;
pub(crate) mod tool;
pub(crate) mod trajectory;

#[cfg(test)]
mod tests;

use std::pin::Pin;

use slm_artifacts::StopReason;
use slm_config::Workflow;

use agent::Agent;

pub(crate) use adaptive::list as list_of_workflows;

/// A running workflow. It returns an error if the budget ended it, so that `?` ends it.
type Running = Pin<Box<dyn Future<Output = Result<StopReason, StopReason>>>>;

/// Declares the modules of the table's workflows, and the function that starts one: the `run` of its file.
macro_rules! workflows {
    ($($file:ident {$(
        $(#[$doc:meta])*
        $workflow:ident { $($facts:tt)* }
    )*})*) => {
        $(mod $file;)*

        /// Starts a workflow.
        fn start(workflow: Workflow, agent: Agent) -> Running {
            match workflow {
                $($(Workflow::$workflow)|* => Box::pin($file::run(agent)),)*
            }
        }
    };
}

slm_config::workflow_table!(workflows);
