//! A task that fails is split into functions by a decomposer; the solver writes them one by one, and the task's function over
//! them.
//!
//! # Source
//! After Juneja et al. 2023, arXiv:2310.18338 (`DaSLaM`: a trained decomposer that sees the problem and the solver's first
//! answer), for programs instead of arithmetic, and without its reinforcement learning.

use slm_artifacts::StopReason;
use slm_config::Role;

use super::agent::{Agent, Code};
use super::prompt::Prompt;
use super::event::ExecutionResult;
use super::read::approves;
use super::rounds::FAILS_AN_EXAMPLE;
use super::subtask::Subtask;
use super::test_report::report;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let draft = agent.draft().await?;
    agent.run(&[draft], &[]).await?;
    if let Some(stop) = finished(&agent, draft) {
        return Ok(stop);
    }
    agent.begin_round(1);
    let failed = report(agent.fault(draft), agent.result(draft).as_ref());
    // The function of a repository is replaced alone: there is no place for further ones.
    let subtasks = if agent.task().repository.is_some() {
        Vec::new()
    } else {
        agent.split(draft, &failed).await?
    };
    let functions = functions(&agent, &subtasks).await?;
    if functions.is_empty() {
        return reflected(&agent, draft, &failed).await;
    }
    let lines: Vec<String> = subtasks.iter().map(Subtask::line).collect();
    let values = [("plan", lines.join("\n"))];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    let built = agent
        .write_over(Prompt::Assemble, Some(draft), &values, &functions)
        .await?;
    agent.run(&[built], &[]).await?;
    if let Some(stop) = finished(&agent, built) {
        return Ok(stop);
    }
    agent.begin_round(2);
    let failed = report(agent.fault(built), agent.result(built).as_ref());
    let values = [("report", failed.as_str())];
    let revision = agent
        .write_over(Prompt::Repair, Some(built), &values, &functions)
        .await?;
    if agent.repeats(revision) {
        return Ok(StopReason::Unchanged);
    }
    agent.run(&[revision], &[]).await?;
    Ok(finished(&agent, revision).unwrap_or(StopReason::RoundsSpent))
}

/// Returns why the workflow ends with a program; `None` if it failed. Without visible tests, a program that can be run is
/// the answer.
fn finished(agent: &Agent, code: Code) -> Option<StopReason> {
    let result = agent.result(code)?;
    if result.all_passed() {
        return Some(StopReason::TestsPassed);
    }
    result.is_silent().then_some(StopReason::Finished)
}

/// Writes the functions one by one, each with the earlier ones in view. An answer without its function is left out.
async fn functions(agent: &Agent, subtasks: &[Subtask]) -> Result<Vec<String>, StopReason> {
    let mut functions = Vec::new();
    for subtask in subtasks {
        let function = agent.write_function(subtask, &functions).await?;
        functions.extend(function);
    }
    Ok(functions)
}

/// Revises the draft once as `reflection` does.
async fn reflected(agent: &Agent, draft: Code, failed: &str) -> Result<StopReason, StopReason> {
    let values = [("report", failed)];
    let mut review = agent
        .say(Role::Reviewer, Prompt::Critique, Some(draft), &values)
        .await?;
    if approves(&review) {
        let result = agent.result(draft);
        if !result.as_ref().is_some_and(ExecutionResult::fails_an_example) {
            return Ok(StopReason::Approved);
        }
        FAILS_AN_EXAMPLE.clone_into(&mut review);
    }
    let values = [("report", failed), ("review", &review)];
    let revision = agent.write(Prompt::Revision, Some(draft), &values).await?;
    if agent.repeats(revision) {
        return Ok(StopReason::Unchanged);
    }
    agent.run(&[revision], &[]).await?;
    Ok(finished(agent, revision).unwrap_or(StopReason::RoundsSpent))
}
