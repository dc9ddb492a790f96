//! Several answers, of which the one that passes most public examples is kept: the control of reflection.

use slm_artifacts::StopReason;

use super::agent::Agent;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let drafts = agent.drafts(agent.samples()).await?;
    agent.run(&drafts, &[]).await?;
    Ok(StopReason::Finished)
}
