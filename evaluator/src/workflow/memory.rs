//! In progress.

use slm_artifacts::StopReason;

use super::agent::Agent;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    agent.draft().await?;
    Ok(StopReason::Finished)
}
