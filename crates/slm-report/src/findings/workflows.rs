//! All workflows of an arm beside each other: pass rate against cost, attempts, phases, and every contrast.

use serde::Serialize;
use slm_config::Workflow;

use super::all_contrasts::{ContrastGroup, groups};
use super::arm_summary::{Rate, metric_mean};
use super::arms::ArmSamples;
use super::attempts::AttemptFindings;
use super::h3::CollaborationFindings;
use super::lookups::LookupFindings;
use super::phases::{PhaseShare, phases};
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{CALLS, COMPLETION_TOKENS, TOTAL_TOKENS};

/// The findings on arms with several workflows.
#[derive(Debug, Serialize)]
pub(crate) struct WorkflowFindings {
    /// In the plan's order.
    pub(crate) arms: Vec<WorkflowArm>,
    /// All contrasts of the arms.
    pub(crate) contrasts: usize,
    /// Those of them with a declared effect, which alone decide.
    pub(crate) declared: usize,
    /// The intervals of the others; a contrast of too few tasks has none.
    pub(crate) intervals: usize,
}

/// One arm in its workflows, at the recipe's own sampling.
#[derive(Debug, Serialize)]
pub(crate) struct WorkflowArm {
    pub(crate) arm: String,
    /// In the plan's order.
    pub(crate) workflows: Vec<WorkflowCosts>,
    /// Those without a contrast are omitted.
    pub(crate) groups: Vec<ContrastGroup>,
    /// `None` if no record contains its attempts.
    pub(crate) attempts: Option<AttemptFindings>,
    pub(crate) phases: Vec<PhaseShare>,
}

/// What a workflow solves, and what it costs; means average the samples of a task first.
#[derive(Debug, Serialize)]
pub(crate) struct WorkflowCosts {
    pub(crate) workflow: String,
    pub(crate) pass_rate: Rate,
    pub(crate) completion_tokens: Option<f64>,
    pub(crate) total_tokens: Option<f64>,
    pub(crate) calls: Option<f64>,
}

impl WorkflowFindings {
    /// Returns `None` if no arm has several workflows at the recipe's own sampling.
    pub(crate) fn new(
        records: &[SampleRecord],
        run: &RunInfo,
        of_h3: Option<&CollaborationFindings>,
        of_lookups: Option<&LookupFindings>,
    ) -> Option<Self> {
        let arms: Vec<WorkflowArm> = arms_of(run)
            .into_iter()
            .map(|(arm, workflows)| {
                let of_h3 = of_h3.filter(|found| found.arm == arm);
                let of_lookups = of_lookups.map_or(&[][..], |found| &found.arms);
                let of_lookups = of_lookups.iter().find(|found| found.arm == arm);
                let samples: Vec<(Workflow, ArmSamples)> = workflows
                    .into_iter()
                    .map(|workflow| (workflow, samples_of(arm, workflow, records, run)))
                    .collect();
                let seed = run.statistics_seed();
                WorkflowArm {
                    arm: arm.to_owned(),
                    workflows: samples
                        .iter()
                        .map(|(_, samples)| WorkflowCosts::new(samples, seed))
                        .collect(),
                    groups: groups(&samples, of_h3, of_lookups, run),
                    attempts: AttemptFindings::new(&samples),
                    phases: samples.iter().flat_map(|(_, of)| phases(of)).collect(),
                }
            })
            .collect();
        let groups = arms.iter().flat_map(|arm| &arm.groups);
        let rows: Vec<_> = groups.flat_map(|group| &group.rows).collect();
        let has_interval = rows
            .iter()
            .filter(|row| !row.is_declared && row.interval.is_some());
        let (intervals, contrasts) = (has_interval.count(), rows.len());
        let declared = rows.iter().filter(|row| row.is_declared).count();
        (!arms.is_empty()).then_some(Self {
            arms,
            contrasts,
            declared,
            intervals,
        })
    }
}

/// Returns the arms with several workflows at the recipe's own sampling, each with these.
fn arms_of(run: &RunInfo) -> Vec<(&str, Vec<Workflow>)> {
    let mut arms: Vec<(&str, Vec<Workflow>)> = Vec::new();
    let cells = run.plan.cells.iter();
    for cell in cells.filter(|cell| cell.decoding == run.plan.reference) {
        match arms.iter_mut().find(|(arm, _)| *arm == cell.arm) {
            Some((_, workflows)) => workflows.push(cell.workflow),
            None => arms.push((&cell.arm, vec![cell.workflow])),
        }
    }
    arms.retain(|(_, workflows)| workflows.len() > 1);
    arms
}

fn samples_of<'a>(
    arm: &str,
    workflow: Workflow,
    records: &'a [SampleRecord],
    run: &RunInfo,
) -> ArmSamples<'a> {
    let own = records.iter().filter(|record| {
        record.arm == arm
            && record.workflow == workflow.name()
            && record.decoding == run.plan.reference
    });
    ArmSamples::new(workflow.name(), own)
}

impl WorkflowCosts {
    fn new(samples: &ArmSamples, seed: u64) -> Self {
        Self {
            workflow: samples.name.to_owned(),
            pass_rate: Rate::new(samples, seed, SampleRecord::is_tested, SampleRecord::passed),
            completion_tokens: metric_mean(samples, &COMPLETION_TOKENS),
            total_tokens: metric_mean(samples, &TOTAL_TOKENS),
            calls: metric_mean(samples, &CALLS),
        }
    }
}
