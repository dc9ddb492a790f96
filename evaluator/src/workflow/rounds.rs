//! Rounds of review and revision, which reflection and multi-agent share: the same tests, runner and stop rules.

use slm_artifacts::StopReason;
use slm_config::Role;

use super::agent::{Agent, Code};
use super::event::ExecutionResult;
use super::prompt::Prompt;
use super::read::approves;
use super::test_report::{report, unexecuted};

/// The prompts of the reviewer and of the reviser.
#[derive(Clone, Copy)]
pub(super) struct Prompts {
    pub(super) review: Prompt,
    pub(super) revise: Prompt,
}

/// Reviews and revises a program until its visible tests pass, the reviewer approves, a revision changes nothing, or
/// the rounds are spent.
///
/// If programs are not run, the prompts contain the tests alone. Without results to compare programs by, the latest
/// program that can be run is kept instead of the best.
pub(super) async fn run(
    agent: &Agent,
    prompts: Prompts,
    first: Code,
    tests: &[String],
) -> Result<StopReason, StopReason> {
    let mut code = first;
    for round in 0..=agent.rounds() {
        let report = if agent.runs_programs() {
            agent.run(&[code], tests).await?;
            let result = agent.result(code);
            if result.as_ref().is_some_and(ExecutionResult::all_passed) {
                return Ok(StopReason::TestsPassed);
            }
            report(agent.fault(code), result.as_ref())
        } else {
            if agent.is_sound(code) {
                agent.prefer(code);
            }
            unexecuted(agent.fault(code), tests)
        };
        if round == agent.rounds() {
            break;
        }
        agent.begin_round(round + 1);
        let values = [("report", report.as_str())];
        let review = agent
            .say(Role::Reviewer, prompts.review, Some(code), &values)
            .await?;
        if approves(&review) {
            return Ok(StopReason::Approved);
        }
        let values = [("report", report.as_str()), ("review", &review)];
        let revision = agent.write(prompts.revise, Some(code), &values).await?;
        if agent.repeats(revision) {
            return Ok(StopReason::Unchanged);
        }
        code = revision;
    }
    Ok(StopReason::RoundsSpent)
}
