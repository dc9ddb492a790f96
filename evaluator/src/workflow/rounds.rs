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

/// Replaces a review that approves of a program that fails an example of the task.
pub(super) const FAILS_AN_EXAMPLE: &str =
    "The code does not give the result that an example of the task shows.";

/// Reviews and revises a program until its visible tests pass, the reviewer approves, a revision changes nothing, or
/// the rounds are spent. An approval of a program that fails an example of the task counts as a review that names this.
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
        let mut fails_an_example = false;
        let report = if agent.runs_programs() {
            agent.run(&[code], tests).await?;
            let result = agent.result(code);
            fails_an_example = result
                .as_ref()
                .is_some_and(ExecutionResult::fails_an_example);
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
        let mut review = agent
            .say(Role::Reviewer, prompts.review, Some(code), &values)
            .await?;
        if approves(&review) {
            // Self-written tests may be wrong; an example that the task shows is not.
            if !fails_an_example {
                return Ok(StopReason::Approved);
            }
            FAILS_AN_EXAMPLE.clone_into(&mut review);
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
