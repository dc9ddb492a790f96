//! Several answers, of which one is kept: by default the one that passes most public examples, the control of reflection;
//! else by `evaluate.samples_select`.
//!
//! Likelihood and verifier replace the order by public examples, which are run all the same, so that what is spent and
//! recorded stays comparable. Programs that cannot be run are kept only if there is no other, and so are programs without a
//! score, which a budget that ends early leaves.
//!
//! # Source
//! Cobbe et al. 2021, arXiv:2110.14168 (verifier); Li et al. 2023, arXiv:2206.02336 (votes weighted by a verifier).

use std::collections::BTreeMap;

use slm_artifacts::StopReason;
use slm_config::SamplesSelect;

use super::agent::{Agent, Code};
use super::prompt::Prompt;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let select = agent.samples_select();
    let drafts = agent.drafts(agent.samples()).await?;
    let mut spent = None;
    let mut tests = Vec::new();
    if select == SamplesSelect::Weighted {
        match agent.write_tests(Prompt::SelfTests).await {
            Ok(written) => tests = written,
            // The programs are still run with the public examples.
            Err(stop) => spent = Some(stop),
        }
    }
    let ran = agent.run(&drafts, &tests).await;
    let sound: Vec<Code> = drafts
        .into_iter()
        .filter(|&code| agent.is_sound(code))
        .collect();
    let scored = match select {
        SamplesSelect::Public => Vec::new(),
        SamplesSelect::Likelihood => {
            let score = |&code: &Code| Some((code, agent.likelihood(code)?));
            sound.iter().filter_map(score).collect()
        }
        SamplesSelect::Weighted | SamplesSelect::Verifier => {
            let texts = sound.iter().map(|&code| (Some(code), agent.text(code)));
            let texts: Vec<_> = texts.collect();
            let judged = agent.judge(&texts).await;
            spent = spent.or(judged.spent);
            let scored = sound.iter().zip(judged.scores);
            scored
                .filter_map(|(&code, score)| Some((code, score?)))
                .collect()
        }
    };
    let chosen = match select {
        SamplesSelect::Weighted => heaviest(&scored, |code| {
            let run = agent.result(code)?;
            Some(run.tests.iter().map(|test| test.passed).collect())
        }),
        _ => best(&scored),
    };
    if let Some(code) = chosen {
        agent.prefer(code);
    }
    ran?;
    spent.map_or(Ok(StopReason::Finished), Err)
}

/// Returns the program with the largest score; of equals the earliest.
fn best(scored: &[(Code, f64)]) -> Option<Code> {
    let mut best: Option<(Code, f64)> = None;
    for &(code, score) in scored {
        if best.is_none_or(|(_, most)| score > most) {
            best = Some((code, score));
        }
    }
    best.map(|(code, _)| code)
}

/// Whether a group of programs was run, the sum of its scores, and its programs with theirs.
type Weighed<'a> = (bool, f64, &'a [(Code, f64)]);

/// Returns the best program of the group whose scores have the largest sum; of equal sums the group with the earliest
/// program. Programs with the same results are a group; those that were not run, for which `results` is `None`, are not
/// chosen while another was.
fn heaviest(
    scored: &[(Code, f64)],
    results: impl Fn(Code) -> Option<Vec<bool>>,
) -> Option<Code> {
    let mut groups: BTreeMap<Option<Vec<bool>>, Vec<(Code, f64)>> = BTreeMap::new();
    for &(code, score) in scored {
        groups.entry(results(code)).or_default().push((code, score));
    }
    let mut weighed: Vec<Weighed> = groups
        .iter()
        .map(|(results, group)| {
            let sum = group.iter().map(|&(_, score)| score).sum();
            (results.is_some(), sum, group.as_slice())
        })
        .collect();
    weighed.sort_by(|a, b| {
        let by_weight = b.0.cmp(&a.0).then(b.1.total_cmp(&a.1));
        by_weight.then(a.2[0].0.cmp(&b.2[0].0))
    });
    best(weighed.first()?.2)
}
