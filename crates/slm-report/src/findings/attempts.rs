//! Attempts: how many programs a workflow makes until the one that it keeps, and what it solves with that number.
//!
//! # Source
//! Miah and Zhu 2024, "User centric evaluation of code generation tools", arXiv:2402.03130: a user asks again until the
//! answer satisfies or k attempts are made.

use serde::Serialize;
use slm_config::Workflow;
use slm_statistics::{mean, pass_at_k};

use super::arm_summary::{mean_over_tasks, metric_mean};
use super::arms::ArmSamples;
use crate::record::SampleRecord;
use crate::sample_metric::SampleMetric;

/// Most attempts that are shown one by one.
const MOST_SHOWN: usize = 8;

/// The attempts of an arm's workflows.
#[derive(Debug, Serialize)]
pub(crate) struct AttemptFindings {
    /// The numbers of attempts in [`Attempts::solved_within`]: 1 to the most that a kept program took, or to
    /// [`MOST_SHOWN`].
    pub(crate) within: Vec<usize>,
    /// The titles of their columns.
    pub(crate) titles: Vec<String>,
    pub(crate) workflows: Vec<Attempts>,
    /// Several independent samples of one answer without feedback: the control; `None` with one sample per task.
    pub(crate) independent: Option<IndependentSamples>,
}

/// The attempts of one workflow; means average the samples of a task first.
#[expect(clippy::struct_field_names, reason = "the columns of a table")]
#[derive(Debug, Serialize)]
pub(crate) struct Attempts {
    pub(crate) workflow: String,
    /// Whether its attempts are independent drafts, not revisions with feedback.
    pub(crate) are_drafts: bool,
    pub(crate) samples: usize,
    /// Samples without a program.
    pub(crate) without_program: usize,
    /// Samples with a program whose record lacks its attempts: those of earlier versions.
    pub(crate) unknown: usize,
    pub(crate) attempts: Option<f64>,
    pub(crate) tokens_to_program: Option<f64>,
    pub(crate) seconds_to_program: Option<f64>,
    /// Shares of tasks: of samples of tasks with tests, those whose kept program passes and took no more attempts. Empty
    /// if a record lacks them.
    pub(crate) solved_within: Vec<f64>,
}

/// pass@k of the samples of one workflow.
#[derive(Debug, Serialize)]
pub(crate) struct IndependentSamples {
    pub(crate) workflow: String,
    /// Samples that every task has.
    pub(crate) samples: usize,
    /// For as many of [`AttemptFindings::within`] as there are samples.
    pub(crate) pass_at: Vec<f64>,
}

const ATTEMPTS: SampleMetric = SampleMetric::of_sample("attempts", "Attempts", |record| {
    record.attempts.map(f64::from)
});

const TOKENS: SampleMetric =
    SampleMetric::of_sample("tokens_to_program", "Tokens to the program", |record| {
        record.tokens_to_program.map(|tokens| tokens as f64)
    });

const SECONDS: SampleMetric =
    SampleMetric::of_sample("seconds_to_program", "Seconds to the program", |record| {
        record.seconds_to_program
    });

impl AttemptFindings {
    /// Returns `None` if no record contains its attempts.
    pub(crate) fn new(samples: &[(Workflow, ArmSamples)]) -> Option<Self> {
        let all = samples.iter().flat_map(|(_, of)| of.samples());
        let most = all.filter_map(|record| record.attempts).max()? as usize;
        let within: Vec<usize> = (1..=most.min(MOST_SHOWN)).collect();
        let single = samples.iter().find(|(of, _)| *of == Workflow::Single);
        Some(Self {
            workflows: samples
                .iter()
                .filter(|(_, of)| of.samples().next().is_some())
                .map(|(workflow, of)| Attempts::new(*workflow, of, &within))
                .collect(),
            independent: single.and_then(|(_, of)| IndependentSamples::new(of, &within)),
            titles: within
                .iter()
                .map(|k| format!("solved within {k}"))
                .collect(),
            within,
        })
    }
}

impl Attempts {
    fn new(workflow: Workflow, of: &ArmSamples, within: &[usize]) -> Self {
        let has_program = |record: &&SampleRecord| !record.completion.is_empty();
        let n = of.samples().count();
        let unknown = of
            .samples()
            .filter(|record| has_program(record) && record.attempts.is_none())
            .count();
        let solved = |most: usize| {
            mean_over_tasks(of, |record| {
                let in_time = record.attempts.is_some_and(|took| took as usize <= most);
                let solved = f64::from(u8::from(record.passed() && in_time));
                record.is_tested().then_some(solved)
            })
        };
        let solved_within = within.iter().map_while(|&most| solved(most));
        Self {
            workflow: of.name.to_owned(),
            are_drafts: [Workflow::BestOfN, Workflow::Codet, Workflow::Beam].contains(&workflow),
            samples: n,
            without_program: of.samples().filter(|record| !has_program(record)).count(),
            unknown,
            attempts: metric_mean(of, &ATTEMPTS),
            tokens_to_program: metric_mean(of, &TOKENS),
            seconds_to_program: metric_mean(of, &SECONDS),
            solved_within: if unknown == 0 {
                solved_within.collect()
            } else {
                Vec::new()
            },
        }
    }
}

impl IndependentSamples {
    fn new(of: &ArmSamples, within: &[usize]) -> Option<Self> {
        let is_tested = |samples: &&[&SampleRecord]| samples.iter().any(|of| of.is_tested());
        let tasks = || of.by_task().filter(is_tested);
        let samples = tasks().map(<[_]>::len).min().filter(|&n| n > 1)?;
        let pass_at = |k: usize| {
            let rates = tasks().filter_map(|samples| {
                let passed = samples.iter().filter(|of| of.passed()).count();
                pass_at_k(samples.len(), passed, k)
            });
            mean(&rates.collect::<Vec<f64>>())
        };
        let ks = within.iter().filter(|&&k| k <= samples);
        Some(Self {
            workflow: of.name.to_owned(),
            samples,
            pass_at: ks.map_while(|&k| pass_at(k)).collect(),
        })
    }
}
