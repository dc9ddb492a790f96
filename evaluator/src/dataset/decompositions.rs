//! Splits of tasks into functions, for `--to decompositions`: what the decomposer of `decompose` learns.
//!
//! In place of `DaSLaM`'s reinforcement (<https://arxiv.org/abs/2310.18338>), in which the solver's reaction to the
//! subquestions is the reward: a split is wanted if the program over its functions passes all hidden tests where the first
//! program failed, and unwanted otherwise.

use anyhow::Result;
use slm_benchmarks::ScoringPhase;
use slm_cli::UserMistake;
use slm_harvest::{Answer, Harvest, decompositions};
use slm_model::{Message, Role};

use super::runs::{self, HarvestedRun};

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
