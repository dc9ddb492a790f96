//! What earlier runs learned from similar tasks in front of the request, and one revision.
//!
//! # Source
//! After AHA (ICLR 2025 submission): a memory of successes, as general instructions, as examples, or as an instruction
//! that the model writes for the task. Ranked as by Park et al. 2023, arXiv:2304.03442.

use slm_artifacts::StopReason;
use slm_config::{MemoryMode, Role, Workflow};

use super::agent::Agent;
use super::event::LookupTool;
use super::prompt::Prompt;
use super::repair;
use crate::knowledge::{Form, Look};

/// Most lines of an instruction.
const MOST_LINES: usize = 5;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let general = agent.knowledge().general(&agent.task().task_id);
    let general = section("Lessons from earlier tasks", &general);
    let of_task = match agent.knowledge().memory_mode() {
        MemoryMode::Static => String::new(),
        MemoryMode::Examples => section("Similar tasks that were solved", &entries(&agent).await?),
        MemoryMode::Dynamic => section("Instruction", &instruction(&agent).await?),
    };
    let parts = [general, of_task].map(|part| part.trim_end().to_owned());
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let before = agent.permitted(&parts.collect::<Vec<_>>());
    let draft = agent.draft_after(&before).await?;
    repair::run(&agent, draft, 1, before.trim()).await
}

/// Returns a text under a heading; nothing if there is none.
fn section(heading: &str, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    format!("## {heading}\n\n{text}\n")
}

/// Looks up the nearest entries or, as a control, others.
async fn entries(agent: &Agent) -> Result<String, StopReason> {
    let look = Look {
        tool: LookupTool::Memory,
        query: agent.query(),
        form: match agent.workflow() {
            Workflow::MemoryRandom => Form::RandomEntries,
            _ => Form::Entries,
        },
    };
    let found = agent.look(look).await?;
    Ok(found.map(|found| found.shown).unwrap_or_default())
}

/// Requests an instruction for the task from the entries, if there are any.
async fn instruction(agent: &Agent) -> Result<String, StopReason> {
    let entries = entries(agent).await?;
    if entries.is_empty() {
        return Ok(String::new());
    }
    let values = [("entries", entries.as_str())];
    let said = agent
        .say(Role::Planner, Prompt::Instruct, None, &values)
        .await?;
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.take(MOST_LINES).collect::<Vec<_>>().join("\n"))
}
