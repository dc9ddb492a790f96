//! Four roles: a planner, a coder, a tester that sees the task but not the code, and a reviewer.
//!
//! # Source
//! After Huang et al. 2023, arXiv:2312.13010 (`AgentCoder`: an independent tester), with a planner and a reviewer, and
//! without the hidden tests in the loop.

use slm_artifacts::StopReason;
use slm_config::Role;

use super::agent::Agent;
use super::prompt::Prompt;
use super::rounds::{self, Prompts};

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let plan = agent.say(Role::Planner, Prompt::Planner, None, &[]).await?;
    let first = agent.write(Prompt::Coder, None, &[("plan", &plan)]).await?;
    let tests = agent.write_tests(Prompt::Tester).await?;
    let prompts = Prompts {
        review: Prompt::Reviewer,
        revise: Prompt::CoderRevision,
    };
    rounds::run(&agent, prompts, first, &tests).await
}
