//! Retrieval: documentation and code for the task in front of the request, one program, no revision.
//!
//! # Source
//! Lewis et al. 2020, arXiv:2005.11401; Zhou et al. 2022, arXiv:2207.05987 (`DocPrompting`: BM25 over documentation).

use slm_artifacts::StopReason;
use slm_config::Workflow;

use super::agent::Agent;
use super::event::LookupTool;
use crate::knowledge::{Form, Look};

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let look = Look {
        tool: LookupTool::Knowledge,
        query: agent.query(),
        form: match agent.workflow() {
            Workflow::RagPlacebo => Form::Placebo,
            Workflow::RagOracle => Form::References,
            _ => Form::Chunks,
        },
    };
    let shown = agent.look(look).await?.map(|found| found.shown);
    let draft = agent
        .draft_after(&reference(&shown.unwrap_or_default()))
        .await?;
    agent.run(&[draft], &[]).await?;
    Ok(StopReason::Finished)
}

/// Returns looked-up text under its heading; nothing if there is none.
pub(super) fn reference(shown: &str) -> String {
    if shown.is_empty() {
        return String::new();
    }
    format!("## Reference\n\n{shown}")
}
