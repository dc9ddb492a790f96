//! A sketch of the most similar function, filled in for the task, with at most one revision.
//!
//! # Source
//! Li et al. 2023, arXiv:2302.06144 (`SkCoder`). The sketch is made by a rule, and the coder is not trained on sketches
//! unless an adapter was (`evaluator dataset --to sketches`).

use slm_artifacts::StopReason;
use slm_config::Workflow;

use super::agent::Agent;
use super::convention::sketch_section;
use super::event::LookupTool;
use super::repair;
use crate::knowledge::{Form, Look};

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let is_copy = agent.workflow() == Workflow::SketchCopy;
    let look = Look {
        tool: LookupTool::Code,
        query: agent.query(),
        form: if is_copy {
            Form::Function
        } else {
            Form::Sketch
        },
    };
    let shown = agent.look(look).await?.map(|found| found.shown);
    let sketch = match shown.as_deref() {
        Some(shown) if is_copy && !shown.is_empty() => format!("## Similar function\n\n{shown}"),
        shown => sketch_section(shown.unwrap_or_default()),
    };
    let draft = agent.draft_after(&sketch).await?;
    repair::run(&agent, draft, 1, &sketch).await
}
