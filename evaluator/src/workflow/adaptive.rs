//! A router chooses one of several workflows, which then solves the task with the rest of the budget.
//!
//! | router | chooses |
//! |---|---|
//! | `nearest` | the cheapest workflow with the best pass rate on the eight nearest training tasks; no call |
//! | `model` | what the model names in one word; `reflection` if that is no choice, which is a format failure |
//!
//! `adaptive_random` draws instead, as often as `nearest` chooses among the training tasks; without them evenly. Nothing
//! that the search for training tasks finds is put into a prompt, so that it is no lookup.
//!
//! # Source
//! After Huang et al. 2024, arXiv:2412.00722 (`ALAMA`): mechanisms as one space of actions, learned by exploration.

use slm_artifacts::StopReason;
use slm_config::{Router, Workflow};

use super::agent::Agent;
use super::prompt::Prompt;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let routing = agent.routing();
    let chosen = match (agent.workflow(), routing.router()) {
        (Workflow::AdaptiveRandom, _) => routing.random(agent.seed()),
        (_, Router::Nearest) => routing.nearest(&agent.query()),
        (_, Router::Model) => {
            let listed = list(routing.choices());
            let named = agent
                .choose_route(Prompt::Route, routing.choices(), &listed)
                .await?;
            named.unwrap_or_else(|| routing.fallback())
        }
    };
    agent.route_to(chosen);
    super::start(chosen, agent.with_workflow(chosen)).await
}

/// Returns a line for each workflow, with its name and what it does.
pub(crate) fn list(choices: &[Workflow]) -> String {
    let line = |of: &Workflow| format!("- {of}: {}", of.summary());
    choices.iter().map(line).collect::<Vec<_>>().join("\n")
}
