//! One role that writes, tests, criticises and revises its own code.
//!
//! # Source
//! Madaan et al. 2023, arXiv:2303.17651; Shinn et al. 2023, arXiv:2303.11366 (self-written tests as feedback).

use slm_artifacts::StopReason;

use super::agent::Agent;
use super::prompt::Prompt;
use super::rounds::{self, Prompts};

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let first = agent.draft().await?;
    let tests = agent.write_tests(Prompt::SelfTests).await?;
    let prompts = Prompts {
        review: Prompt::Critique,
        revise: Prompt::Revision,
    };
    rounds::run(&agent, prompts, first, &tests).await
}
