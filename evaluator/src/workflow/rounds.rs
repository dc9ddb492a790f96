//! Rounds of review and revision, which reflection and multi-agent share: the same tests, runner and stop rules.

use slm_artifacts::StopReason;
use slm_config::Role;

use super::agent::{Agent, Code};
use super::event::ExecutionResult;
use super::prompt::Prompt;
use super::read::approves;
use super::runner::NOT_RUN;

/// Failed tests in a report.
const MAX_FAILURES: usize = 5;

/// Characters of one test's message.
const MAX_MESSAGE_CHARS: usize = 300;

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

/// Summarises the results of the tests, shortened to what a small model can use.
fn report(fault: Option<&str>, result: Option<&ExecutionResult>) -> String {
    if let Some(reason) = fault {
        return format!("The code could not be run: {reason}.");
    }
    let Some(result) = result else {
        return "The code was not run.".to_owned();
    };
    let (public, own) = result.passed();
    let mut lines = vec![format!(
        "{} of {} tests passed.",
        public + own,
        result.tests.len()
    )];
    let ran = result.tests.iter().any(|test| test.message != NOT_RUN);
    if !ran {
        lines.push(cut(&result.detail));
        return lines.join("\n");
    }
    let failed = result
        .tests
        .iter()
        .enumerate()
        .filter(|(_, test)| !test.passed);
    for (at, test) in failed.take(MAX_FAILURES) {
        let kind = if at < result.public {
            "Example of the task, failed"
        } else {
            "Own test, failed (the test may be wrong)"
        };
        lines.push(format!("\n{kind}:\n{}", cut(&test.message)));
    }
    lines.join("\n")
}

/// Replaces the report if programs are not run.
fn unexecuted(fault: Option<&str>, tests: &[String]) -> String {
    let state = fault.map_or_else(
        || "The code was not run.".to_owned(),
        |reason| format!("The code cannot be run: {reason}."),
    );
    if tests.is_empty() {
        return state;
    }
    let tests: Vec<String> = tests.iter().map(|test| cut(test)).collect();
    format!(
        "{state} Tests that it should pass:\n\n```python\n{}\n```",
        tests.join("\n")
    )
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}
