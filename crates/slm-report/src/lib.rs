//! The records of a run, and its report: Markdown, charts and a summary for machines. Does no I/O; the caller reads
//! and writes.
//!
//! [`RunInfo`] and [`SampleRecord`] are the records of a run, [`Plan`] is what it tests. [`build`] makes the report:
//! `findings` computes every number once and applies a rule that is fixed before the run; `page`, its templates and
//! `charts` only display the findings. [`markdown`] and [`LossCurve`] are also used by the report of a training, [`diff`] wherever two programs are shown.

mod answers_hash;
mod cell;
mod charts;
pub mod code_metric;
mod costs;
pub mod diff;
mod drafts;
mod examples;
mod findings;
pub mod html;
pub mod markdown;
mod measure;
mod number;
mod outside_answers;
mod page;
mod paired;
mod plan;
mod published;
mod record;
mod record_counts;
mod resolved_recipe;
mod run_comparison;
mod run_cost;
mod run_parts;
mod sample_metric;
mod spending;

#[cfg(test)]
extern crate self as slm_report;
#[cfg(test)]
#[allow(dead_code, reason = "the tests from the outside use the rest")]
#[path = "../tests/support/synthetic.rs"]
mod synthetic;

use serde_json::{Value, json};
use slm_config::Workflow;

pub use answers_hash::answers_sha256;
pub use cell::{Cell, Decoding};
pub use charts::{LossCurve, RoundCurves, draw_loss_curve, draw_round_curves};
pub use code_metric::ProgramMetrics;
pub use costs::{CellCost, cell_costs, short_budgets};
pub use outside_answers::{OutsideAnswer, OutsideAnswers, OutsideComparison};
pub use plan::{CollaborationPlan, Experiment, Plan, PlanError, SweepPlan};
pub use record::{OLDEST_RECORD, RECORD_VERSION, RunInfo, STATISTICS, SampleRecord};
pub use run_comparison::{ChangedSetting, ComparedCell, RunComparison};
pub use run_cost::{
    COST_PHRASES, KindCost, PhaseCost, PhaseKind, RunCost, SolvedCost, TaskCost, TrainingCost,
    WorkCost,
};
pub use run_parts::{
    AdapterInfo, BaseModelInfo, BenchmarkInfo, DeclaredRecipe, EndpointInfo, InterimInfo,
    KnowledgeInfo, NamedSeed, OfflineCost, PhaseTiming, RecipeInfo, RoutesInfo, SamplingInfo,
    SandboxInfo, SandboxProperty, ServedModel, ShardInfo, ShortBudget, SpeakerInfo,
    TrainingSummary,
};
pub use spending::Spending;

use findings::arms::Arms;
use findings::parsons::{ParsonsFindings, SUFFIX};
use findings::{Findings, cell_summary};

/// A finished report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// GitHub Markdown.
    pub markdown: String,
    /// Path relative to the report, as in its links (`pictures/NAME.svg`), and the SVG.
    pub pictures: Vec<(String, String)>,
    /// Every number of the report, for machines.
    pub summary: Value,
    /// Verdicts and charts for [`html::evaluation`].
    pub overview: html::Overview,
}

/// Returns the records of tasks as published; `None` if they are all, or if there are no others.
fn free_form(records: &[SampleRecord]) -> Option<Vec<SampleRecord>> {
    let is_free = |record: &&SampleRecord| !record.benchmark.ends_with(SUFFIX);
    let n = records.iter().filter(is_free).count();
    let is_mixed = n > 0 && n < records.len();
    is_mixed.then(|| records.iter().filter(is_free).cloned().collect())
}

/// Builds the report of a run: the verdicts on its hypotheses, and the results and spending of every cell.
///
/// Every set of records gives a report: arms may lack tasks, and nothing may parse. What cannot be computed is
/// omitted and named. The records' texts come from a model and are treated as hostile.
pub fn build(run: &RunInfo, records: &[SampleRecord]) -> Report {
    let cost = RunCost::of(run, records);
    let parsons = ParsonsFindings::new(records, run);
    // Their prompts show the lines of solutions: beside other tasks they have a separate section, and count in no other.
    let free = free_form(records);
    let records = free.as_deref().unwrap_or(records);
    let of_workflow = |workflow: Workflow| -> Vec<&SampleRecord> {
        let is_of = |record: &&SampleRecord| {
            record.decoding == run.plan.reference && record.workflow == workflow.name()
        };
        records.iter().filter(is_of).collect()
    };
    let compared = run.plan.compared_workflow();
    let arms = Arms::new(&compared.map_or_else(Vec::new, of_workflow), run);
    let others: Vec<(Workflow, Arms)> = (run.plan.comparison.iter().flatten().skip(1))
        .map(|&workflow| (workflow, Arms::new(&of_workflow(workflow), run)))
        .collect();
    let findings = Findings {
        parsons,
        ..Findings::new(run, records, &arms, &others)
    };
    let cells = cell_summary::summaries(records, run);
    Report {
        markdown: page::render((run, cost.as_ref()), records, &arms, &findings, &cells),
        pictures: charts::draw(run, &arms, &findings),
        overview: html::overview((run, cost.as_ref()), records, &arms, &findings, &cells),
        summary: json!({
            "run": run.name,
            "experiment": run.plan.experiment,
            "hypotheses": run.plan.hypotheses,
            "statistics_seed": run.statistics_seed(),
            "claims": findings.claims().collect::<Vec<_>>(),
            "findings": findings,
            "cells": cells,
            "cost": cost,
        }),
    }
}
