//! Several answers, of which the one that passes most public examples is taken: what reflection must beat.

use super::agent::Agent;
use slm_artifacts::StopReason;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let drafts = agent.drafts(agent.samples()).await?;
    agent.run(&drafts, &[]).await?;
    Ok(StopReason::Finished)
}
