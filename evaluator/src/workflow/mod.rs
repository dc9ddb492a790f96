//! Ways to come from a task to a program, a file each, over one small engine.
//!
//! A workflow sees a task's public side alone; hidden tests are opened only after every trajectory of the run is
//! closed, by [`crate::judge`].
//!
//! # The engine
//! - [`agent`] is all that a workflow can do; a workflow is an `async fn` over it, and each `.await` is a step
//! - [`step_queue`] keeps a trajectory's steps, candidates and [`budget`]; the engine enforces the budget, no workflow can
//!   overdraw it
//! - [`trajectory`] polls a workflow, replays the steps that an earlier start of the run has logged, and writes the
//!   [`event`]s of new ones
//! - [`schedule`] brings all trajectories' calls to the model together, and runs programs meanwhile
//! - [`prompt`] and [`read`] are the two directions of talk with the model
//!
//! A new workflow is a file, its line in [`start`], and its name in the recipe's list.

pub(crate) mod agent;
mod best_of_n;
pub(crate) mod budget;
mod codet;
pub(crate) mod convention;
pub(crate) mod event;
mod multi_agent;
pub(crate) mod prompt;
pub(crate) mod read;
mod reflection;
mod rounds;
pub(crate) mod runner;
pub(crate) mod schedule;
mod single;
pub(crate) mod step_queue;
pub(crate) mod trajectory;

#[cfg(test)]
mod tests;

use std::pin::Pin;

use slm_config::Workflow;

use agent::Agent;
use slm_artifacts::StopReason;

/// Whether a workflow learns what became of its programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    /// Programs are run with the tests that the workflow may see.
    Executed,
    /// Nothing is ever run.
    None,
}

/// A workflow under way. Why it stopped is an error where the budget ended it, so that `?` does.
type Running = Pin<Box<dyn Future<Output = Result<StopReason, StopReason>>>>;

/// Begins a workflow.
fn start(workflow: Workflow, agent: Agent) -> Running {
    match workflow {
        Workflow::Single => Box::pin(single::run(agent)),
        Workflow::Reflection => Box::pin(reflection::run(agent, Feedback::Executed)),
        Workflow::ReflectionBlind => Box::pin(reflection::run(agent, Feedback::None)),
        Workflow::MultiAgent => Box::pin(multi_agent::run(agent, Feedback::Executed)),
        Workflow::MultiAgentBlind => Box::pin(multi_agent::run(agent, Feedback::None)),
        Workflow::BestOfN => Box::pin(best_of_n::run(agent)),
        Workflow::Codet => Box::pin(codet::run(agent)),
    }
}
