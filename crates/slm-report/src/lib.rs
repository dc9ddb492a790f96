//! The records of a run, and the report on them: Markdown, pictures and a summary for machines. Does no I/O; the caller
//! reads and writes.
//!
//! [`RunInfo`] and [`SampleRecord`] are what a run leaves behind, [`Plan`] is what it asks. [`build`] makes the report:
//! `arms` sorts the records, `hypotheses` computes every number once, `verdict` applies a rule that is fixed before the
//! run; `markdown` and `pictures` only show what was found.

mod arms;
mod cell;
mod cells;
mod claim;
mod contrast;
mod hypotheses;
mod markdown;
mod metric;
mod number;
mod pictures;
mod plan;
mod record;
mod same_text;
mod spending;
mod summary;
mod verdict;

use serde_json::{Value, json};
use slm_config::Workflow;

pub use cell::{Cell, Decoding};
pub use plan::{CollaborationPlan, Experiment, Plan, PlanError, SweepPlan};
pub use record::{
    AdapterInfo, BaseModelInfo, BenchmarkInfo, ContaminationSearch, EndpointInfo, NamedSeed,
    OLDEST_RECORD, PhaseTiming, ProgramMetrics, RECORD_VERSION, RecipeInfo, RunInfo, STATISTICS,
    SampleRecord, SamplingInfo, SandboxInfo, SandboxProperty, ServedModel, ShardInfo,
    TrainingSummary,
};
pub use spending::Spending;

use arms::Arms;
use hypotheses::Findings;
use hypotheses::h1::Comparison;
use hypotheses::h2::SweepFindings;
use hypotheses::h3::CollaborationFindings;
use markdown::Content;

/// A finished report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// GitHub Markdown.
    pub markdown: String,
    /// Path relative to the report, as its links have it (`pictures/NAME.svg`), and the SVG.
    pub pictures: Vec<(String, String)>,
    /// Every number of the report, for machines.
    pub summary: Value,
}

/// Answers what the run asks from its records, and says of every cell what it achieved and spent.
///
/// Any set of records gives a report: arms may lack tasks, nothing may parse. What cannot be said is left
/// out and named. The records' texts come from a model and are treated as hostile.
pub fn build(run: &RunInfo, records: &[SampleRecord]) -> Report {
    let of_workflow = |workflow: Workflow| -> Vec<&SampleRecord> {
        let is_of = |record: &&SampleRecord| {
            record.decoding == run.plan.reference && record.workflow == workflow.name()
        };
        records.iter().filter(is_of).collect()
    };
    let compared = run.plan.compared_workflow();
    let arms = Arms::new(&compared.map_or_else(Vec::new, of_workflow), run);
    let others: Vec<(&str, Arms)> = (run.plan.comparison.iter().flatten().skip(1))
        .map(|&workflow| (workflow.name(), Arms::new(&of_workflow(workflow), run)))
        .collect();
    let findings = Findings {
        comparison: compared.map(|_| Comparison::new(&arms, &others, run)),
        sweep: SweepFindings::new(records, run),
        collaboration: CollaborationFindings::new(records, run),
    }
    .adjusted();
    let cells = cells::summaries(records, run);
    Report {
        markdown: markdown::page(&Content {
            run,
            records,
            arms: &arms,
            findings: &findings,
            cells: &cells,
        }),
        pictures: pictures::draw(&arms, &findings),
        summary: json!({
            "run": run.name,
            "experiment": run.plan.experiment,
            "hypotheses": run.plan.hypotheses,
            "statistics_seed": run.statistics_seed(),
            "claims": findings.claims().collect::<Vec<_>>(),
            "findings": findings,
            "cells": cells,
        }),
    }
}
