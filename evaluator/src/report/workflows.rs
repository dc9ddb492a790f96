//! What each workflow achieved and spent.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::{BASE_ARM, RunInfo, SampleRecord};
use crate::statistics::mean;
use crate::workflow::event::StopReason;

/// One arm in one workflow; means are over samples.
#[derive(Debug, Serialize)]
pub(super) struct WorkflowSummary {
    pub(super) workflow: String,
    pub(super) arm: String,
    pub(super) samples: usize,
    /// Samples whose hidden tests all pass.
    pub(super) passed: usize,
    pub(super) calls: Option<f64>,
    pub(super) completion_tokens: Option<f64>,
    pub(super) prompt_tokens: Option<f64>,
    pub(super) executions: Option<f64>,
    pub(super) rounds: Option<f64>,
    pub(super) unspent_tokens: Option<f64>,
    pub(super) unspent_calls: Option<f64>,
    pub(super) unspent_executions: Option<f64>,
    /// Answers that missed their format, all samples together.
    pub(super) format_failures: usize,
    /// Samples by why the workflow ended.
    pub(super) stops: BTreeMap<StopReason, usize>,
    /// Samples an hour, from the wall time of the phase; none without timings.
    pub(super) samples_per_hour: Option<f64>,
}

/// One summary for each workflow and arm that has records, in the recipe's order.
pub(super) fn summaries(records: &[SampleRecord], run: &RunInfo) -> Vec<WorkflowSummary> {
    let adapters = run.adapters.iter().map(|adapter| adapter.name.as_str());
    let arms: Vec<&str> = std::iter::once(BASE_ARM).chain(adapters).collect();
    let mut summaries = Vec::new();
    for workflow in &run.workflows {
        for arm in &arms {
            let samples: Vec<&SampleRecord> = records
                .iter()
                .filter(|record| record.workflow == *workflow && record.arm == *arm)
                .collect();
            if !samples.is_empty() {
                summaries.push(WorkflowSummary::new(workflow, arm, &samples, run));
            }
        }
    }
    summaries
}

impl WorkflowSummary {
    fn new(workflow: &str, arm: &str, samples: &[&SampleRecord], run: &RunInfo) -> Self {
        let average = |count: fn(&SampleRecord) -> usize| {
            let counts: Vec<f64> = samples.iter().map(|sample| count(sample) as f64).collect();
            mean(&counts)
        };
        let mut stops = BTreeMap::new();
        for sample in samples {
            *stops.entry(sample.stop).or_default() += 1;
        }
        let phase = format!("generate {arm} {workflow}");
        let seconds = run
            .timings
            .iter()
            .find(|timing| timing.phase == phase)
            .map(|timing| timing.seconds)
            .filter(|&seconds| seconds > 0.0);
        Self {
            workflow: workflow.to_owned(),
            arm: arm.to_owned(),
            samples: samples.len(),
            passed: samples.iter().filter(|sample| sample.passed()).count(),
            calls: average(|sample| sample.calls),
            completion_tokens: average(|sample| sample.completion_tokens),
            prompt_tokens: average(|sample| sample.prompt_tokens),
            executions: average(|sample| sample.executions),
            rounds: average(|sample| sample.rounds as usize),
            unspent_tokens: average(|sample| sample.unspent.completion_tokens),
            unspent_calls: average(|sample| sample.unspent.calls),
            unspent_executions: average(|sample| sample.unspent.executions),
            format_failures: samples.iter().map(|sample| sample.format_failures).sum(),
            stops,
            samples_per_hour: seconds.map(|seconds| samples.len() as f64 * 3600.0 / seconds),
        }
    }
}
