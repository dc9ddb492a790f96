//! One request, one answer, no feedback.

use super::agent::Agent;
use slm_artifacts::StopReason;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    agent.draft().await?;
    Ok(StopReason::Finished)
}
