//! Splits of tasks into functions, for `--to decompositions`: what the decomposer of `decompose` learns.
//!
//! In place of DaSLaM's reinforcement (<https://arxiv.org/abs/2310.18338>), in which the solver's reaction to the
//! subquestions is the reward: a split is wanted if the program over its functions passes all hidden tests where the first
//! program failed, and unwanted otherwise.

use std::collections::HashMap;

use anyhow::Result;
use slm_artifacts::Expects;
use slm_benchmarks::ScoringPhase;
use slm_cli::UserMistake;
use slm_config::Role as CallRole;
use slm_harvest::{Answer, Harvest, Split, decompositions};
use slm_model::{Message, Role};

use super::runs::{self, HarvestedRun};
use crate::workflow::event::{Event, Key, What};

/// Makes a row of each answer whose task was split.
///
/// # Errors
/// No task was split, or all splits have one label.
pub(super) fn make(
    runs: &[HarvestedRun],
    answers: &[Answer],
    phase: &ScoringPhase,
) -> Result<Harvest> {
    let tasks = runs::learnable_tasks(runs, phase);
    let split_of = |answer: &Answer| {
        let run = runs.iter().find(|run| run.info.name == answer.run)?;
        run.split(&answer.record)
    };
    let mut made = decompositions(answers, &tasks, &split_of).map_err(|error| {
        UserMistake(format!(
            "{error}\nhint: run `decompose` or `decompose_self` on more tasks, or with a higher temperature"
        ))
    })?;
    super::count_unscored(&mut made, runs);
    Ok(made)
}

/// Returns the splits of the trajectories whose task was split, as their decomposers answered.
pub(super) fn splits(events: &[Event]) -> HashMap<Key, Split> {
    let mut splits: HashMap<Key, Split> = HashMap::new();
    let mut stubs: HashMap<&Key, Vec<&str>> = HashMap::new();
    for event in events {
        let What::Call(call) = &event.what else {
            continue;
        };
        if call.expects == Expects::Function {
            let head = call.begun.rsplit("```python\n").next().unwrap_or_default();
            stubs.entry(&event.trajectory).or_default().push(head);
        }
        if call.expects == Expects::Signatures {
            let messages = call.messages.iter();
            let split = Split {
                messages: messages
                    .map(|of| (of.role.clone(), of.content.clone()))
                    .collect(),
                lines: call.text.trim().to_owned(),
                step: event.step,
                is_tried: false,
                is_built_on: false,
            };
            splits.insert(event.trajectory.clone(), split);
        }
    }
    for event in events {
        let Some(split) = splits.get_mut(&event.trajectory) else {
            continue;
        };
        if let What::Decision(decision) = &event.what {
            split.is_built_on = decision.chosen.is_some_and(|step| step > split.step);
        }
    }
    for event in events {
        let (What::Call(call), Some(split)) = (&event.what, splits.get_mut(&event.trajectory))
        else {
            continue;
        };
        split.is_tried |= call.expects == Expects::Program && event.step > split.step;
        // Where no function could be written, the draft was revised as in reflection.
        if call.role == CallRole::Reviewer {
            split.is_tried = true;
            split.is_built_on = false;
        }
    }
    for (key, split) in &mut splits {
        if let Some(stubs) = stubs.get(key) {
            let lines: Vec<String> = stubs.iter().filter_map(|stub| line_of(stub)).collect();
            split.lines = lines.join("\n");
        }
    }
    splits
}

/// Returns the line that proposes the function of a stub.
fn line_of(stub: &str) -> Option<String> {
    let rest = stub.strip_prefix("def ")?;
    let (head, docstring) = rest.split_once(":\n    \"\"\"")?;
    let purpose = docstring.split("\"\"\"").next()?;
    Some(format!("{head}: {purpose}"))
}

/// Returns a conversation as it is rendered.
pub(super) fn conversation(messages: &[(String, String)]) -> Vec<Message> {
    messages
        .iter()
        .map(|(role, content)| {
            let role = match role.as_str() {
                "system" => Role::System,
                "assistant" => Role::Assistant,
                _ => Role::User,
            };
            Message::new(role, content.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_gives_back_the_line_that_proposed_it() {
        let stub = "def once(x: int) -> int:\n    \"\"\"x itself\"\"\"\n";
        assert_eq!(
            line_of(stub).as_deref(),
            Some("once(x: int) -> int: x itself")
        );
        assert_eq!(line_of("x = 1"), None);
    }
}
