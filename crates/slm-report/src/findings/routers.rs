//! Workflows that choose another one: their choices, and what a fixed choice, a draw and perfect choices would give.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_config::Workflow;

use super::arm_summary::metric_mean;
use super::arms::{ArmSamples, tasks_of};
use super::workflow_contrast::WorkflowContrast;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{COMPLETION_TOKENS, PASS_RATE};

/// The findings on routers, by arm.
#[derive(Debug, Serialize)]
pub(crate) struct RouterFindings {
    pub(crate) arms: Vec<RouterArm>,
}

/// The router of one arm.
#[derive(Debug, Serialize)]
pub(crate) struct RouterArm {
    pub(crate) arm: String,
    /// Answers of the router.
    pub(crate) answers: usize,
    /// Those of them whose budget ended before a choice.
    pub(crate) without_choice: usize,
    /// Number of answers by the workflow that was chosen, by name; those of which the budget ended before a choice are
    /// in none.
    pub(crate) chosen: BTreeMap<String, usize>,
    /// The choices that also ran as separate workflows, by name.
    pub(crate) fixed: Vec<String>,
    /// The fixed choice with the highest pass rate on the tasks of the router, then the fewest tokens. It is chosen by
    /// these tasks, which favours it. `None` if no choice ran.
    pub(crate) best_fixed: Option<String>,
    /// The router less its control and less the best fixed choice, if they ran.
    pub(crate) contrasts: Vec<WorkflowContrast>,
    /// The upper bound; `None` if no choice ran.
    pub(crate) oracle: Option<Oracle>,
}

/// What the best choice for each task would give, known only after its hidden tests.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Oracle {
    /// Always true: no workflow can choose so.
    pub(crate) is_upper_bound: bool,
    /// Tasks with a pass rate of every fixed choice.
    pub(crate) tasks: usize,
    /// Mean over these tasks of the highest pass rate of a fixed choice.
    pub(crate) pass_rate: f64,
}

impl RouterFindings {
    /// Returns `None` if no arm has a router at the recipe's own sampling.
    pub(crate) fn new(records: &[SampleRecord], run: &RunInfo) -> Option<Self> {
        let cells = run.plan.cells.iter();
        let routed = cells.filter(|cell| {
            cell.workflow == Workflow::Adaptive && cell.decoding == run.plan.reference
        });
        let arms: Vec<RouterArm> = routed
            .map(|cell| RouterArm::new(&cell.arm, records, run))
            .collect();
        (!arms.is_empty()).then_some(Self { arms })
    }
}

impl RouterArm {
    fn new(arm: &str, records: &[SampleRecord], run: &RunInfo) -> Self {
        let seed = run.statistics_seed();
        let own: Vec<&SampleRecord> = records
            .iter()
            .filter(|record| record.arm == arm && record.decoding == run.plan.reference)
            .collect();
        let samples_of = |name| {
            let of_workflow = own.iter().filter(move |record| record.workflow == name);
            ArmSamples::new(name, of_workflow.copied())
        };
        let router = samples_of(Workflow::Adaptive.name());
        let mut chosen: BTreeMap<String, usize> = BTreeMap::new();
        for name in router.samples().filter_map(|of| of.routed_to.as_ref()) {
            *chosen.entry(name.clone()).or_default() += 1;
        }
        let declared = run.routes.iter().flat_map(|of| &of.choices);
        let is_choice =
            |name: &str| chosen.contains_key(name) || declared.clone().any(|choice| choice == name);
        let tasks: Vec<&str> = tasks_of(&own)
            .into_iter()
            .filter(|task| !router.of_task(task).is_empty())
            .collect();
        let fixed: Vec<ArmSamples> = Workflow::ALL
            .iter()
            .filter(|workflow| is_choice(workflow.name()))
            .map(|workflow| samples_of(workflow.name()))
            .filter(|samples| samples.n_tasks() > 0)
            .collect();
        let best = best_fixed(&fixed, &tasks);
        let control = samples_of(Workflow::AdaptiveRandom.name());
        let others = [
            (
                Some(&control).filter(|of| of.n_tasks() > 0),
                "the router's choice or a draw",
            ),
            (best, "the router's choice or the best fixed one"),
        ];
        let contrasts = others.into_iter().filter_map(|(less, meaning)| {
            Some(WorkflowContrast::new(&tasks, less?, &router, meaning, seed))
        });
        Self {
            arm: arm.to_owned(),
            answers: router.samples().count(),
            without_choice: router.samples().filter(|of| of.routed_to.is_none()).count(),
            contrasts: contrasts.collect(),
            best_fixed: best.map(|of| of.name.to_owned()),
            oracle: oracle(&fixed, &tasks),
            fixed: fixed.iter().map(|of| of.name.to_owned()).collect(),
            chosen,
        }
    }
}

/// Returns the choice with the highest mean pass rate on these tasks, then the fewest tokens, then the first.
fn best_fixed<'a, 'b>(fixed: &'b [ArmSamples<'a>], tasks: &[&str]) -> Option<&'b ArmSamples<'a>> {
    let rated = fixed.iter().filter_map(|samples| {
        let rates = tasks
            .iter()
            .filter_map(|task| samples.task_value(task, &PASS_RATE));
        let tokens = metric_mean(samples, &COMPLETION_TOKENS)?;
        Some((samples, mean(rates)?, tokens))
    });
    let best = rated.min_by(|(_, rate, tokens), (_, other_rate, other_tokens)| {
        other_rate
            .total_cmp(rate)
            .then(tokens.total_cmp(other_tokens))
    });
    best.map(|(samples, _, _)| samples)
}

fn oracle(fixed: &[ArmSamples], tasks: &[&str]) -> Option<Oracle> {
    let best_of = |task: &&str| {
        let rates = fixed
            .iter()
            .map(|samples| samples.task_value(task, &PASS_RATE));
        let rates: Option<Vec<f64>> = rates.collect();
        rates?.into_iter().reduce(f64::max)
    };
    let best: Vec<f64> = tasks.iter().filter_map(best_of).collect();
    Some(Oracle {
        is_upper_bound: true,
        tasks: best.len(),
        pass_rate: mean(best.iter().copied())?,
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}
