//! Revisions after failed runs, without a reviewer.

use slm_artifacts::StopReason;

use super::agent::{Agent, Code};
use super::event::ExecutionResult;
use super::prompt::Prompt;
use super::test_report::report;

/// Revises a program as [`run_with`] does, with faults in the words of the extraction.
pub(super) async fn run(
    agent: &Agent,
    first: Code,
    rounds: u32,
    reference: &str,
) -> Result<StopReason, StopReason> {
    let fault = |code| agent.fault(code).map(str::to_owned);
    run_with(agent, first, rounds, reference, fault).await
}

/// Runs a program with the visible tests, and revises it until they pass, a revision changes nothing, or `rounds` are
/// spent.
///
/// Without visible tests, there is nothing to revise a sound program by. `reference` is shown again with each report;
/// `fault` returns why a program cannot be run. A program that was run already is not run again.
pub(super) async fn run_with(
    agent: &Agent,
    first: Code,
    rounds: u32,
    reference: &str,
    fault: impl Fn(Code) -> Option<String>,
) -> Result<StopReason, StopReason> {
    let mut code = first;
    for round in 0..=rounds {
        if agent.result(code).is_none() {
            agent.run(&[code], &[]).await?;
        }
        let result = agent.result(code);
        if result.as_ref().is_some_and(ExecutionResult::all_passed) {
            return Ok(StopReason::TestsPassed);
        }
        if result.as_ref().is_some_and(ExecutionResult::is_silent) {
            return Ok(StopReason::Finished);
        }
        if round == rounds {
            break;
        }
        agent.begin_round(round + 1);
        let report = report(fault(code).as_deref(), result.as_ref());
        let values = [("report", report.as_str()), ("reference", reference)];
        let revision = agent.write(Prompt::Repair, Some(code), &values).await?;
        if agent.repeats(revision) {
            return Ok(StopReason::Unchanged);
        }
        code = revision;
    }
    Ok(StopReason::RoundsSpent)
}
