//! H1: every adapter against the base model, in maintainability and related metrics, and in the pass rate.

use serde::Serialize;
use slm_config::Workflow;

use super::arm_summary::ArmSummary;
use super::arms::{ArmSamples, Arms};
use super::claim::{Claim, claims_of_h1};
use super::conclusion::Conclusion;
use super::contrast::{AtEqualLength, Contrast};
use super::elsewhere::Elsewhere;
use super::gate::Gate;
use super::same_text::SameText;
use super::solved::Solved;
use crate::plan::Plan;
use crate::record::RunInfo;
use crate::sample_metric::{
    BESIDE_HUMAN, BONUS, BONUS_PARTS, BONUS_WRITERS, LENGTH_TERM, LLOC_CODE, MI, MI_CODE, QUALITY,
    SUBSETS, SampleMetric, paired,
};

/// The findings on H1.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// Tasks that at least one arm answered.
    pub(crate) tasks: usize,
    /// The base model first.
    pub(crate) arms: Vec<ArmSummary>,
    /// One entry per adapter.
    pub(crate) adapters: Vec<AdapterComparison>,
    /// The same contrasts in the recipe's other workflows, with the claims that the recipe makes there.
    pub(crate) elsewhere: Vec<Elsewhere>,
}

impl Comparison {
    /// Compares the arms: `arms` are those of the compared workflow, `others` those of the recipe's other workflows,
    /// by name.
    pub(crate) fn new(arms: &Arms, others: &[(Workflow, Arms)], run: &RunInfo) -> Self {
        Self {
            tasks: arms.tasks.len(),
            arms: arms.all().map(|arm| ArmSummary::new(arm, run)).collect(),
            adapters: arms
                .adapters
                .iter()
                .map(|adapter| AdapterComparison::new(arms, adapter, &run.plan))
                .collect(),
            elsewhere: others
                .iter()
                .flat_map(|&(workflow, ref arms)| Elsewhere::of_workflow(workflow, arms, &run.plan))
                .collect(),
        }
    }
}

/// One adapter against the base model.
#[derive(Debug, Serialize)]
pub(crate) struct AdapterComparison {
    pub(crate) name: String,
    /// The verdict on H1 as a whole: all of `claims`, behind the gate.
    pub(crate) outcome: Conclusion,
    /// One entry per metric with a required effect.
    pub(crate) claims: Vec<Claim>,
    /// The change of pass rate that the claims may cost; `None` if no margin was declared.
    pub(crate) gate: Option<Gate>,
    pub(crate) same_text: SameText,
    /// One entry per metric of [`paired`], in its order.
    pub(crate) paired: Vec<Contrast>,
    /// One entry per metric of [`QUALITY`], in its order.
    pub(crate) quality: Vec<Contrast>,
    /// One entry per metric of [`BESIDE_HUMAN`] that the records have.
    pub(crate) beside_human: Vec<Contrast>,
    /// One entry per subset of [`SUBSETS`], in its order.
    pub(crate) subsets: Vec<SubsetContrasts>,
    /// MI less `mi_code`: the effect of comments and docstrings.
    pub(crate) bonus: Contrast,
    /// One entry per part of the bonus, in the order of [`BONUS_PARTS`].
    pub(crate) bonus_parts: Vec<Contrast>,
    /// The bonus by who wrote it, in the order of [`BONUS_WRITERS`].
    pub(crate) bonus_writers: Vec<Contrast>,
    /// MI and `mi_code`, in this order.
    pub(crate) at_equal_length: Vec<AtEqualLength>,
    /// Logical lines of the code without docstrings.
    pub(crate) code_length: Contrast,
    /// The length term of `mi_code`, by its own formula.
    pub(crate) length_term: Contrast,
    pub(crate) solved: Solved,
}

impl AdapterComparison {
    fn new(arms: &Arms, adapter: &ArmSamples, plan: &Plan) -> Self {
        let contrasts = |metrics: &[SampleMetric]| -> Vec<Contrast> {
            let of = |metric| Contrast::of_adapter(arms, adapter, metric);
            metrics.iter().map(of).collect()
        };
        let paired = contrasts(&paired());
        let quality = contrasts(&QUALITY);
        let all: Vec<&Contrast> = paired.iter().chain(&quality).collect();
        let label = format!("{} less base", adapter.name);
        let solved = Solved::new(&arms.tasks, &arms.base, adapter);
        let declared = plan.declared_of_h1(plan.compared_workflow());
        let claims = claims_of_h1(declared, &label, &all, &solved);
        let outcomes: Vec<Conclusion> = claims.iter().map(|claim| claim.outcome).collect();
        let outcome = Conclusion::all(&outcomes);
        let declared = plan.declared_of_h1(plan.compared_workflow());
        let gate = Gate::of_h1(arms, adapter, declared, &paired);
        Self {
            name: adapter.name.to_owned(),
            outcome: gate
                .as_ref()
                .map_or(outcome, |gate| outcome.behind_gate(gate.outcome)),
            claims,
            gate,
            same_text: SameText::new(&arms.tasks, &arms.base, adapter),
            paired,
            quality,
            beside_human: contrasts(&BESIDE_HUMAN),
            subsets: SUBSETS
                .iter()
                .map(|subset| SubsetContrasts {
                    subset: subset.key,
                    contrasts: subset
                        .metrics
                        .each_ref()
                        .map(|metric| Contrast::of_adapter(arms, adapter, metric)),
                })
                .collect(),
            at_equal_length: [MI, MI_CODE]
                .iter()
                .map(|metric| AtEqualLength::new(arms, adapter, metric))
                .collect(),
            bonus: Contrast::of_adapter(arms, adapter, &BONUS),
            bonus_parts: contrasts(&BONUS_PARTS),
            bonus_writers: contrasts(&BONUS_WRITERS),
            code_length: Contrast::of_adapter(arms, adapter, &LLOC_CODE),
            length_term: Contrast::of_adapter(arms, adapter, &LENGTH_TERM),
            solved,
        }
    }

    /// Returns the required effect on a metric, if there is one.
    pub(crate) fn effect_on(&self, metric: &SampleMetric) -> Option<f64> {
        let mut claims = self.claims.iter();
        let of_metric = claims.find(|claim| claim.metric == metric.key);
        of_metric.map(|claim| claim.effect)
    }

    /// Returns the paired differences of a metric, if they are among the findings.
    pub(crate) fn contrast_in(&self, metric: &SampleMetric) -> Option<&Contrast> {
        let all = self.paired.iter().chain(&self.quality).chain([&self.bonus]);
        let mut all = all.chain(&self.beside_human);
        all.find(|contrast| contrast.metric == metric.key)
    }
}

/// MI and `mi_code` on one subset of the samples.
#[derive(Debug, Serialize)]
pub(crate) struct SubsetContrasts {
    pub(crate) subset: &'static str,
    pub(crate) contrasts: [Contrast; 2],
}
