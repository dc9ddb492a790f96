//! Ways to come from a task to a program, a file each, over one small engine.
//!
//! A workflow sees a task's public side alone; hidden tests are opened only after every trajectory of the run is
//! closed, by [`crate::experiment`].
//!
//! # The engine
//! - [`agent`] is all that a workflow can do; a workflow is an `async fn` over it, and each `.await` is a step
//! - [`step_queue`] keeps a trajectory's steps, candidates and [`budget`], which no workflow can overdraw
//! - [`trajectory`] polls a workflow, replays the steps that an earlier start of the run has logged, and writes the
//!   [`event`]s of new ones
//! - [`schedule`] brings all trajectories' calls to the model together, and runs programs meanwhile
//! - [`prompt`] and [`read`] are the two directions of talk with the model
//!
//! A new workflow is a file here and its row in the table of workflows, `slm_config::workflow_table`.

pub(crate) mod agent;
pub(crate) mod budget;
pub(crate) mod convention;
pub(crate) mod event;
pub(crate) mod prompt;
pub(crate) mod read;
mod rounds;
pub(crate) mod runner;
pub(crate) mod schedule;
pub(crate) mod step_queue;
pub(crate) mod trajectory;

#[cfg(test)]
mod tests;

use std::pin::Pin;

use slm_artifacts::StopReason;
use slm_config::Workflow;

use agent::Agent;

/// A workflow under way. Why it stopped is an error where the budget ended it, so that `?` does.
type Running = Pin<Box<dyn Future<Output = Result<StopReason, StopReason>>>>;

/// The modules of the table's workflows, and the function that begins one: the `run` of its file.
macro_rules! workflows {
    ($($file:ident {$(
        $(#[$doc:meta])*
        $workflow:ident { $($facts:tt)* }
    )*})*) => {
        $(mod $file;)*

        /// Begins a workflow.
        fn start(workflow: Workflow, agent: Agent) -> Running {
            match workflow {
                $($(Workflow::$workflow)|* => Box::pin($file::run(agent)),)*
            }
        }
    };
}

slm_config::workflow_table!(workflows);
