//! Parsons problems: how programs use the lines that their prompts show, and the pass rate beside that of the same tasks
//! without the lines.

use serde::Serialize;
use slm_metrics::syntax::LineUse;
use slm_statistics::{Interval, Pair, bootstrap_mean, differences, mean};

use super::arm_summary::Rate;
use super::arms::ArmSamples;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::PASS_RATE;

/// Follows the name of the benchmark and the id of each of its tasks.
pub(crate) const SUFFIX: &str = "/parsons";

/// The findings on Parsons problems.
#[derive(Debug, Serialize)]
pub(crate) struct ParsonsFindings {
    /// One entry per benchmark, arm and workflow at the recipe's own sampling, in the plan's order.
    pub(crate) rows: Vec<ParsonsRow>,
}

/// The problems of one benchmark in one arm and workflow. Rates are shares of the programs that parse.
#[derive(Debug, Serialize)]
pub(crate) struct ParsonsRow {
    pub(crate) benchmark: String,
    pub(crate) arm: String,
    pub(crate) workflow: String,
    pub(crate) tasks: usize,
    /// Programs that use each line once and nothing besides.
    pub(crate) exact: Rate,
    /// Programs with a line that was changed.
    pub(crate) altered: Rate,
    /// Programs with a line that was not given.
    pub(crate) added: Rate,
    /// Programs that lack a line.
    pub(crate) unused: Rate,
    /// Programs with a distractor.
    pub(crate) distractor: Rate,
    pub(crate) pass_rate: Rate,
    /// The same tasks without the lines; `None` if the run lacks them.
    pub(crate) free: Option<FreeForm>,
}

/// The pass rate of the problems beside that of the same tasks without the lines.
#[derive(Debug, Serialize)]
pub(crate) struct FreeForm {
    /// Tasks with tests that were answered in both forms.
    pub(crate) n: usize,
    pub(crate) pass_rate: Option<f64>,
    pub(crate) parsons_pass_rate: Option<f64>,
    /// With the lines less without.
    pub(crate) difference: Option<f64>,
    /// Bootstrap over tasks.
    pub(crate) interval: Option<Interval>,
}

impl ParsonsFindings {
    /// Returns `None` without a Parsons problem.
    pub(crate) fn new(records: &[SampleRecord], run: &RunInfo) -> Option<Self> {
        let mut benchmarks: Vec<&str> = Vec::new();
        for record in records {
            if record.benchmark.ends_with(SUFFIX) && !benchmarks.contains(&&*record.benchmark) {
                benchmarks.push(&record.benchmark);
            }
        }
        let cells = run.plan.cells.iter();
        let cells: Vec<_> = cells
            .filter(|cell| cell.decoding == run.plan.reference)
            .collect();
        let mut rows = Vec::new();
        for benchmark in benchmarks {
            for cell in &cells {
                let of_cell: Vec<&SampleRecord> = records
                    .iter()
                    .filter(|of| of.arm == cell.arm && of.workflow == cell.workflow.name())
                    .filter(|of| of.decoding == cell.decoding)
                    .collect();
                rows.extend(ParsonsRow::new(benchmark, &of_cell, run.statistics_seed()));
            }
        }
        (!rows.is_empty()).then_some(Self { rows })
    }
}

impl ParsonsRow {
    fn new(benchmark: &str, records: &[&SampleRecord], seed: u64) -> Option<Self> {
        let of = |name: &str| {
            let own = records.iter().filter(|record| record.benchmark == name);
            ArmSamples::new("", own.copied())
        };
        let first = records
            .iter()
            .find(|record| record.benchmark == benchmark)?;
        let problems = of(benchmark);
        let rate = |holds: fn(&LineUse) -> bool| {
            let among = |sample: &SampleRecord| sample.line_use.is_some();
            Rate::new(&problems, seed, among, |sample| {
                sample.line_use.as_ref().is_some_and(holds)
            })
        };
        let name = benchmark.strip_suffix(SUFFIX)?;
        Some(Self {
            benchmark: name.to_owned(),
            arm: first.arm.clone(),
            workflow: first.workflow.clone(),
            tasks: problems.n_tasks(),
            exact: rate(|of| of.used == of.given && of.added + of.distractors_used == 0),
            altered: rate(|of| of.altered > 0),
            added: rate(|of| of.added > 0),
            unused: rate(|of| of.unused > 0),
            distractor: rate(|of| of.distractors_used > 0),
            pass_rate: Rate::new(
                &problems,
                seed,
                SampleRecord::is_tested,
                SampleRecord::passed,
            ),
            free: FreeForm::new(benchmark, name, &problems, &of(name), seed),
        })
    }
}

impl FreeForm {
    fn new(
        benchmark: &str,
        name: &str,
        problems: &ArmSamples,
        free: &ArmSamples,
        seed: u64,
    ) -> Option<Self> {
        let pair = |samples: &[&SampleRecord]| {
            let id = samples.first()?.task_id.as_str();
            // A run puts the benchmark before ids that two of its benchmarks have.
            let prefix = format!("{benchmark}:");
            let own = id
                .strip_prefix(&prefix)
                .unwrap_or(id)
                .strip_suffix(SUFFIX)?;
            let prefixed = format!("{name}:{own}");
            let of_free = |id: &str| free.task_value(id, &PASS_RATE);
            let base = of_free(own).or_else(|| of_free(&prefixed))?;
            let adapter = problems.task_value(id, &PASS_RATE)?;
            Some(Pair { base, adapter })
        };
        let pairs: Vec<Pair> = problems.by_task().filter_map(pair).collect();
        let differences = differences(&pairs);
        let before: Vec<f64> = pairs.iter().map(|pair| pair.base).collect();
        let after: Vec<f64> = pairs.iter().map(|pair| pair.adapter).collect();
        (!pairs.is_empty()).then(|| Self {
            n: pairs.len(),
            pass_rate: mean(&before),
            parsons_pass_rate: mean(&after),
            difference: mean(&differences),
            interval: bootstrap_mean(&differences, seed).map(|both| both.bca).ok(),
        })
    }
}
