//! The results and spending of each cell of a run.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_artifacts::StopReason;
use slm_statistics::mean;

use super::solved_per_token::solved_per_1000_tokens;
use crate::cell::{Cell, Decoding};
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::TESTS_PASSED;

/// The results and spending of one cell; means are over samples.
#[derive(Debug, Serialize)]
pub(crate) struct CellSummary {
    pub(crate) arm: String,
    pub(crate) workflow: String,
    pub(crate) decoding: Decoding,
    pub(crate) samples: usize,
    /// Samples of tasks with hidden tests.
    pub(crate) tested: usize,
    /// Samples whose hidden tests all pass.
    pub(crate) passed: usize,
    /// `PassRatio`: mean share of the hidden tests that pass, over samples with tests.
    pub(crate) pass_ratio: Option<f64>,
    /// Executability: samples with tests whose programs run on every test without an exception and within all limits.
    pub(crate) executable: usize,
    pub(crate) calls: Option<f64>,
    pub(crate) completion_tokens: Option<f64>,
    pub(crate) prompt_tokens: Option<f64>,
    pub(crate) executions: Option<f64>,
    pub(crate) lookups: Option<f64>,
    pub(crate) rounds: Option<f64>,
    pub(crate) unspent_tokens: Option<f64>,
    pub(crate) unspent_calls: Option<f64>,
    pub(crate) unspent_executions: Option<f64>,
    pub(crate) unspent_lookups: Option<f64>,
    /// Format failures of all samples together.
    pub(crate) format_failures: usize,
    /// Number of samples by the reason why the workflow ended.
    pub(crate) stops: BTreeMap<StopReason, usize>,
    /// Samples per hour, from the wall time of the phase and of the reused calls; `None` without timings.
    pub(crate) samples_per_hour: Option<f64>,
    /// Tokens of all samples divided by the number of those that passed; `None` if none did.
    pub(crate) completion_tokens_per_passed: Option<f64>,
    pub(crate) prompt_tokens_per_passed: Option<f64>,
    /// Wall time of the phase (generation, and programs that the workflow ran), divided likewise.
    pub(crate) wall_s_per_passed: Option<f64>,
    /// Wall time of the calls whose answers were reused, where they were computed, in seconds; 0 without any.
    pub(crate) reused_s: f64,
    /// The same, divided likewise.
    pub(crate) reused_s_per_passed: Option<f64>,
    /// For 1,000 tokens of prompts and completions.
    pub(crate) solved_per_1000_tokens: Option<f64>,
}

/// Returns a summary for each cell of the plan that has records, in the plan's order.
pub(crate) fn summaries(records: &[SampleRecord], run: &RunInfo) -> Vec<CellSummary> {
    let of_cell = |cell: &Cell| -> Vec<&SampleRecord> {
        let is_of = |record: &&SampleRecord| {
            record.arm == cell.arm
                && record.workflow == cell.workflow.name()
                && record.decoding == cell.decoding
        };
        records.iter().filter(is_of).collect()
    };
    let cells = run.plan.cells.iter().map(|cell| (cell, of_cell(cell)));
    cells
        .filter(|(_, samples)| !samples.is_empty())
        .map(|(cell, samples)| CellSummary::new(cell, &samples, run))
        .collect()
}

impl CellSummary {
    fn new(cell: &Cell, samples: &[&SampleRecord], run: &RunInfo) -> Self {
        let average = |count: fn(&SampleRecord) -> usize| {
            let counts: Vec<f64> = samples.iter().map(|sample| count(sample) as f64).collect();
            mean(&counts)
        };
        let mut stops = BTreeMap::new();
        for sample in samples {
            *stops.entry(sample.stop).or_default() += 1;
        }
        let phase = format!("generate {}", cell.label(run.plan.reference));
        let seconds = run
            .timings
            .iter()
            .find(|timing| timing.phase == phase)
            .map(|timing| timing.seconds)
            .filter(|&seconds| seconds > 0.0);
        let reused: f64 = samples.iter().map(|sample| sample.reused_s).sum();
        let passed = samples.iter().filter(|sample| sample.passed()).count();
        let per_passed = |total: f64| (passed > 0).then(|| total / passed as f64);
        let total = |count: fn(&SampleRecord) -> usize| {
            samples.iter().map(|sample| count(sample)).sum::<usize>() as f64
        };
        Self {
            arm: cell.arm.clone(),
            workflow: cell.workflow.name().to_owned(),
            decoding: cell.decoding,
            samples: samples.len(),
            tested: samples.iter().filter(|sample| sample.is_tested()).count(),
            passed,
            pass_ratio: mean(
                &samples
                    .iter()
                    .filter_map(|of| TESTS_PASSED.of(of))
                    .collect::<Vec<_>>(),
            ),
            executable: samples
                .iter()
                .filter(|sample| sample.is_executable() == Some(true))
                .count(),
            calls: average(|sample| sample.calls),
            completion_tokens: average(|sample| sample.completion_tokens),
            prompt_tokens: average(|sample| sample.prompt_tokens),
            executions: average(|sample| sample.executions),
            lookups: average(|sample| sample.lookups),
            rounds: average(|sample| sample.rounds as usize),
            unspent_tokens: average(|sample| sample.unspent.completion_tokens),
            unspent_calls: average(|sample| sample.unspent.calls),
            unspent_executions: average(|sample| sample.unspent.executions),
            unspent_lookups: average(|sample| sample.unspent.lookups),
            format_failures: samples.iter().map(|sample| sample.format_failures).sum(),
            stops,
            samples_per_hour: seconds
                .map(|seconds| samples.len() as f64 * 3600.0 / (seconds + reused)),
            completion_tokens_per_passed: per_passed(total(|sample| sample.completion_tokens)),
            prompt_tokens_per_passed: per_passed(total(|sample| sample.prompt_tokens)),
            wall_s_per_passed: seconds.and_then(per_passed),
            reused_s: reused,
            reused_s_per_passed: per_passed(reused),
            solved_per_1000_tokens: solved_per_1000_tokens(samples.iter().copied()),
        }
    }
}
