//! Workflows that look something up, beside one answer and beside their controls.
//!
//! No hypothesis is tested: the contrasts have intervals, and no claim rests on them. Retrieval also buys
//! prompt tokens, so what a workflow solves is set against all its tokens.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_config::Workflow;

use super::arm_summary::{Rate, metric_mean};
use super::arms::{ArmSamples, tasks_of};
use super::lookup_contrast::{LookupContrast, PROMPT_TOKENS, PromptLengths};
use super::missing_controls::MissingControls;
use super::ranking::Rankings;
use super::solved_per_token::solved_per_1000_tokens;
use crate::plan::Plan;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{COMPLETION_TOKENS, SampleMetric, TOTAL_TOKENS};

/// The findings on lookups.
#[derive(Debug, Serialize)]
pub(crate) struct LookupFindings {
    /// Most chunks that one lookup finds; `None` if the run does not record it.
    pub(crate) top_k: Option<usize>,
    /// The arms with such a workflow at the recipe's own sampling, in the plan's order.
    pub(crate) arms: Vec<LookupArm>,
    pub(crate) masked: Masked,
    /// Whether `tools` is among the workflows.
    pub(crate) has_tools: bool,
    /// Whether `rag_oracle` is among the workflows.
    pub(crate) has_oracle: bool,
}

/// One arm in its workflows.
#[derive(Debug, Serialize)]
pub(crate) struct LookupArm {
    pub(crate) arm: String,
    /// Tasks that at least one of the workflows answered.
    pub(crate) tasks: usize,
    /// In the order of the table of workflows.
    pub(crate) workflows: Vec<LookupSummary>,
    /// Those without a common task are omitted.
    pub(crate) contrasts: Vec<LookupContrast>,
    /// `None` without `rag` and its placebo on a common task.
    pub(crate) prompt_lengths: Option<PromptLengths>,
    /// `None` if the rankings agree. The upper bound is not ranked.
    pub(crate) rankings: Option<Rankings>,
    pub(crate) missing_controls: Vec<MissingControls>,
}

/// The results of one workflow; means average the samples of a task first.
#[derive(Debug, Serialize)]
pub(crate) struct LookupSummary {
    pub(crate) workflow: String,
    /// Whether it gets what no lookup can find for certain: the references that the task itself names.
    pub(crate) is_upper_bound: bool,
    pub(crate) samples: usize,
    pub(crate) tasks: usize,
    pub(crate) pass_rate: Rate,
    pub(crate) lookups: Option<f64>,
    pub(crate) masked: Option<f64>,
    pub(crate) recall: Known,
    pub(crate) copied: Known,
    pub(crate) sketch_kept: Known,
    pub(crate) prompt_tokens: Option<f64>,
    pub(crate) completion_tokens: Option<f64>,
    pub(crate) total_tokens: Option<f64>,
    pub(crate) solved_per_1000_tokens: Option<f64>,
    pub(crate) format_failures: Option<f64>,
}

/// A mean over those tasks that have a value.
#[derive(Debug, Serialize)]
pub(crate) struct Known {
    pub(crate) mean: Option<f64>,
    /// Tasks with a value.
    pub(crate) tasks: usize,
}

/// Chunks that were hidden for a task because they share text with its solution or its hidden tests.
#[derive(Debug, Serialize)]
pub(crate) struct Masked {
    /// Tasks with at least one such chunk.
    pub(crate) tasks: usize,
    /// Tasks that a workflow with lookups answered.
    pub(crate) of: usize,
    /// The most such chunks of one task.
    pub(crate) most: usize,
}

const LOOKUPS: SampleMetric =
    SampleMetric::of_sample("lookups", "Lookups", |record| Some(record.lookups as f64));

const MASKED: SampleMetric = SampleMetric::of_sample("masked", "Masked chunks", |record| {
    Some(record.masked as f64)
});

const RECALL: SampleMetric =
    SampleMetric::of_sample("recall", "Recall of references", |record| record.recall);

const COPIED: SampleMetric =
    SampleMetric::of_sample("copied", "Copied share", |record| record.copied);

const SKETCH_KEPT: SampleMetric =
    SampleMetric::of_sample("sketch_kept", "Sketch, share kept", |record| {
        record.sketch_kept
    });

const FORMAT_FAILURES: SampleMetric =
    SampleMetric::of_sample("format_failures", "Format failures", |record| {
        Some(record.format_failures as f64)
    });

impl LookupFindings {
    /// Returns `None` if no cell of the run looks something up, or is the control of one that does so by tools.
    pub(crate) fn new(records: &[SampleRecord], run: &RunInfo) -> Option<Self> {
        let runs = |workflow| run.plan.cells.iter().any(|cell| cell.workflow == workflow);
        let concerned = run
            .plan
            .cells
            .iter()
            .any(|cell| is_concerned(cell.workflow));
        concerned.then(|| Self {
            top_k: run.knowledge.as_ref().map(|knowledge| knowledge.top_k),
            arms: arms_of(&run.plan)
                .into_iter()
                .map(|(arm, workflows)| LookupArm::new(arm, &workflows, records, run))
                .collect(),
            masked: Masked::new(records),
            has_tools: runs(Workflow::Tools),
            has_oracle: runs(Workflow::RagOracle),
        })
    }
}

/// Whether a workflow belongs into the section on lookups by itself.
fn is_concerned(workflow: Workflow) -> bool {
    workflow.looks_up() || workflow == Workflow::ToolsBlind
}

/// Returns the arms with a workflow of the section at the recipe's own sampling, each with all its workflows there.
fn arms_of(plan: &Plan) -> Vec<(&str, Vec<Workflow>)> {
    let mut arms: Vec<(&str, Vec<Workflow>)> = Vec::new();
    for cell in &plan.cells {
        if cell.decoding != plan.reference {
            continue;
        }
        match arms.iter_mut().find(|(arm, _)| *arm == cell.arm) {
            Some((_, workflows)) => workflows.push(cell.workflow),
            None => arms.push((&cell.arm, vec![cell.workflow])),
        }
    }
    arms.retain(|(_, workflows)| workflows.iter().any(|&workflow| is_concerned(workflow)));
    arms
}

impl LookupArm {
    fn new(arm: &str, workflows: &[Workflow], records: &[SampleRecord], run: &RunInfo) -> Self {
        let seed = run.statistics_seed();
        let own: Vec<&SampleRecord> = records
            .iter()
            .filter(|record| record.arm == arm && record.decoding == run.plan.reference)
            .filter(|record| workflows.iter().any(|w| w.name() == record.workflow))
            .collect();
        let samples_of = |workflow: Workflow| {
            let of_workflow = own
                .iter()
                .filter(|record| record.workflow == workflow.name());
            ArmSamples::new(workflow.name(), of_workflow.copied())
        };
        let shown: BTreeMap<Workflow, ArmSamples> = rows(workflows)
            .map(|workflow| (workflow, samples_of(workflow)))
            .collect();
        let tasks = tasks_of(&own);
        let tasks: Vec<&str> = tasks
            .into_iter()
            .filter(|task| shown.values().any(|of| !of.of_task(task).is_empty()))
            .collect();
        let summaries: Vec<LookupSummary> = shown
            .iter()
            .map(|(&workflow, samples)| LookupSummary::new(workflow, samples, seed))
            .collect();
        let contrasts = Workflow::contrasts_of_lookups().into_iter();
        let contrasts = contrasts.filter_map(|pair| {
            let (of, less) = (shown.get(&pair.of)?, shown.get(&pair.less)?);
            Some(LookupContrast::new(pair, &tasks, less, of, seed))
        });
        let prompt_lengths = shown
            .get(&Workflow::RagPlacebo)
            .zip(shown.get(&Workflow::Rag))
            .and_then(|(placebo, rag)| PromptLengths::new(&tasks, placebo, rag));
        Self {
            arm: arm.to_owned(),
            tasks: tasks.len(),
            rankings: Rankings::new(&ranked(&summaries)),
            workflows: summaries,
            contrasts: contrasts
                .filter(|contrast| contrast.prompt_tokens.n > 0)
                .collect(),
            prompt_lengths,
            missing_controls: MissingControls::among(workflows),
        }
    }
}

/// Returns the workflows with a row: one answer, those with lookups, and their controls.
fn rows(present: &[Workflow]) -> impl Iterator<Item = Workflow> {
    let with_lookups = present.iter().filter(|workflow| workflow.looks_up());
    let controls: Vec<Workflow> = with_lookups
        .flat_map(|workflow| workflow.controls().iter().copied())
        .collect();
    let has_row = move |workflow: &Workflow| {
        *workflow == Workflow::Single || is_concerned(*workflow) || controls.contains(workflow)
    };
    present.iter().copied().filter(has_row)
}

/// Returns the values by which workflows are ranked, of those that have both.
fn ranked(summaries: &[LookupSummary]) -> Vec<(&str, f64, f64)> {
    let values = |of: &'_ LookupSummary| Some((of.pass_rate.share?, of.solved_per_1000_tokens?));
    summaries
        .iter()
        .filter(|of| !of.is_upper_bound)
        .filter_map(|of| values(of).map(|(rate, solved)| (&*of.workflow, rate, solved)))
        .collect()
}

impl LookupSummary {
    fn new(workflow: Workflow, samples: &ArmSamples, seed: u64) -> Self {
        let mean = |metric| metric_mean(samples, metric);
        let known = |metric| Known::new(samples, metric);
        Self {
            workflow: samples.name.to_owned(),
            is_upper_bound: workflow == Workflow::RagOracle,
            samples: samples.samples().count(),
            tasks: samples.n_tasks(),
            pass_rate: Rate::new(samples, seed, SampleRecord::is_tested, SampleRecord::passed),
            lookups: mean(&LOOKUPS),
            masked: mean(&MASKED),
            recall: known(&RECALL),
            copied: known(&COPIED),
            sketch_kept: known(&SKETCH_KEPT),
            prompt_tokens: mean(&PROMPT_TOKENS),
            completion_tokens: mean(&COMPLETION_TOKENS),
            total_tokens: mean(&TOTAL_TOKENS),
            solved_per_1000_tokens: solved_per_1000_tokens(samples.samples()),
            format_failures: mean(&FORMAT_FAILURES),
        }
    }
}

impl Known {
    fn new(samples: &ArmSamples, metric: &SampleMetric) -> Self {
        let has_value = |task: &&[&SampleRecord]| task.iter().any(|of| metric.of(of).is_some());
        Self {
            mean: metric_mean(samples, metric),
            tasks: samples.by_task().filter(has_value).count(),
        }
    }
}

impl Masked {
    fn new(records: &[SampleRecord]) -> Self {
        let mut most_by_task: BTreeMap<&str, usize> = BTreeMap::new();
        let with_lookups: Vec<&str> = Workflow::ALL
            .iter()
            .filter(|workflow| workflow.looks_up())
            .map(|workflow| workflow.name())
            .collect();
        let of_lookups = |record: &&SampleRecord| with_lookups.contains(&&*record.workflow);
        for record in records.iter().filter(of_lookups) {
            let most = most_by_task.entry(&record.task_id).or_default();
            *most = record.masked.max(*most);
        }
        Self {
            tasks: most_by_task.values().filter(|&&most| most > 0).count(),
            of: most_by_task.len(),
            most: most_by_task.values().copied().max().unwrap_or_default(),
        }
    }
}
