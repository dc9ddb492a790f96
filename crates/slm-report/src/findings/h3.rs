//! H3: do several agents pass more tests than reflection?
//!
//! Both get the same budget, and both may run programs. Further contrasts explain the deciding one: the effect of
//! running programs, of roles without it, and of plain repetition with the same budget.

use serde::Serialize;
use slm_config::{HypothesisId, Workflow, WorkflowPair};

use super::arm_summary::{Rate, metric_mean};
use super::arms::{ArmSamples, tasks_of};
use super::claim::Claim;
use super::workflow_contrast::WorkflowContrast;
use crate::record::{RunInfo, SampleRecord};
use crate::sample_metric::{COMPLETION_TOKENS, TESTS_PASSED};

/// The findings on H3.
#[derive(Debug, Serialize)]
pub(crate) struct CollaborationFindings {
    pub(crate) arm: String,
    /// Tasks that at least one workflow answered.
    pub(crate) tasks: usize,
    /// In the plan's order.
    pub(crate) workflows: Vec<WorkflowSummary>,
    /// The deciding contrast first; others without a common task are omitted.
    pub(crate) contrasts: Vec<WorkflowContrast>,
    /// `None` if no effect was required.
    pub(crate) claim: Option<Claim>,
}

/// The results of one workflow.
#[derive(Debug, Serialize)]
pub(crate) struct WorkflowSummary {
    pub(crate) workflow: String,
    pub(crate) samples: usize,
    pub(crate) pass_rate: Rate,
    pub(crate) tests_passed_share: Option<f64>,
    /// Mean over tasks.
    pub(crate) completion_tokens: Option<f64>,
}

impl CollaborationFindings {
    /// Returns `None` if the run does not test H3.
    pub(crate) fn new(records: &[SampleRecord], run: &RunInfo) -> Option<Self> {
        let plan = run.plan.collaboration.as_ref()?;
        let seed = run.statistics_seed();
        let own: Vec<&SampleRecord> = records
            .iter()
            .filter(|record| record.arm == plan.arm && record.decoding == run.plan.reference)
            .filter(|record| plan.workflows.iter().any(|w| w.name() == record.workflow))
            .collect();
        let tasks = tasks_of(&own);
        let arm_of = |workflow: Workflow| {
            let of_workflow = own
                .iter()
                .filter(|record| record.workflow == workflow.name());
            ArmSamples::new(workflow.name(), of_workflow.copied())
        };
        let contrasts: Vec<WorkflowContrast> = Workflow::contrasts()
            .into_iter()
            .map(|WorkflowPair { of, less, meaning }| {
                WorkflowContrast::new(&tasks, &arm_of(less), &arm_of(of), meaning, seed)
            })
            .collect();
        let claim = run.plan.declared(HypothesisId::H3).next().map(|declared| {
            let found = &contrasts[0];
            let name = format!("{} less {}", found.workflow, found.less);
            let mut claim = Claim::of_pass_rate(declared, name, &found.pass_rate, &found.solved);
            let sides = [&found.workflow, &found.less].into_iter().cloned();
            let assisted: Vec<String> = sides.filter(|of| run.is_assisted(of)).collect();
            // With a teacher on both sides, the contrast is of the workflows again.
            if assisted.len() == 1 {
                claim = claim.not_tested(assisted);
            }
            claim
        });
        Some(Self {
            arm: plan.arm.clone(),
            tasks: tasks.len(),
            workflows: plan
                .workflows
                .iter()
                .map(|&workflow| WorkflowSummary::new(&arm_of(workflow), seed))
                .collect(),
            contrasts: contrasts
                .into_iter()
                .enumerate()
                .filter(|(at, contrast)| *at == 0 || contrast.pass_rate.n > 0)
                .map(|(_, contrast)| contrast)
                .collect(),
            claim,
        })
    }
}

impl WorkflowSummary {
    fn new(arm: &ArmSamples, seed: u64) -> Self {
        Self {
            workflow: arm.name.to_owned(),
            samples: arm.samples().count(),
            pass_rate: Rate::new(arm, seed, SampleRecord::is_tested, SampleRecord::passed),
            tests_passed_share: metric_mean(arm, &TESTS_PASSED),
            completion_tokens: metric_mean(arm, &COMPLETION_TOKENS),
        }
    }
}
