//! Several answers and self-written tests; the program with the largest agreement is kept.
//!
//! Programs that pass the same tests form a group, with the weight: number of programs times number of passed tests.
//! Here the public examples count as tests, too, and a group is represented by its earliest program.
//!
//! # Source
//! Chen et al. 2022, arXiv:2207.10397, section 2.2.

use std::collections::BTreeMap;

use slm_artifacts::StopReason;

use super::agent::{Agent, Code};
use super::event::TestRun;
use super::prompt::Prompt;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let drafts = agent.drafts(agent.samples()).await?;
    let tests = agent.write_tests(Prompt::SelfTests).await?;
    let ran = agent.run(&drafts, &tests).await;
    if let Some(code) = largest_agreement(&agent, &drafts) {
        agent.prefer(code);
    }
    ran.map(|()| StopReason::Finished)
}

/// Returns the earliest program of the group with the largest weight, if any test passed at all.
fn largest_agreement(agent: &Agent, drafts: &[Code]) -> Option<Code> {
    let mut groups: BTreeMap<Vec<bool>, Vec<Code>> = BTreeMap::new();
    for &code in drafts {
        if let Some(run) = agent.result(code) {
            let passed = |test: &TestRun| test.passed;
            groups
                .entry(run.tests.iter().map(passed).collect())
                .or_default()
                .push(code);
        }
    }
    let weight = |passed: &[bool], codes: &[Code]| {
        codes.len() * passed.iter().filter(|&&passed| passed).count()
    };
    groups
        .iter()
        .map(|(passed, codes)| (weight(passed, codes), codes[0]))
        .filter(|(weight, _)| *weight > 0)
        .max_by_key(|&(weight, code)| (weight, std::cmp::Reverse(code)))
        .map(|(_, code)| code)
}
