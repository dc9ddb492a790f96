//! H1 in the workflows after the first one of the recipe.

use serde::Serialize;
use slm_config::Workflow;

use super::arms::{ArmSamples, Arms};
use super::claim::{Claim, claims_of_h1};
use super::conclusion::Conclusion;
use super::contrast::Contrast;
use super::gate::Gate;
use super::solved::Solved;
use crate::plan::Plan;
use crate::sample_metric::{BONUS, MI, MI_CODE, PASS_RATE, QUALITY, paired};

/// One adapter against the base model in one of the other workflows.
#[derive(Debug, Serialize)]
pub(crate) struct Elsewhere {
    pub(crate) workflow: String,
    pub(crate) adapter: String,
    /// The verdict on H1 in this workflow: all of `claims`, behind the gate; `None` if the recipe claims nothing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Conclusion>,
    /// One entry per metric with a required effect in this workflow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) claims: Vec<Claim>,
    /// The change of pass rate that the claims may cost; `None` if no margin was declared here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gate: Option<Gate>,
    pub(crate) maintainability_index: Contrast,
    pub(crate) mi_code: Contrast,
    pub(crate) bonus: Contrast,
    pub(crate) pass_rate: Contrast,
    /// One entry per metric of [`QUALITY`], in its order.
    pub(crate) quality: Vec<Contrast>,
}

impl Elsewhere {
    /// Compares each adapter of `arms`, which answered in `workflow`, with the base model.
    pub(super) fn of_workflow(workflow: Workflow, arms: &Arms, plan: &Plan) -> Vec<Self> {
        let adapters = arms.adapters.iter();
        adapters
            .map(|adapter| Self::of_adapter(workflow, arms, adapter, plan))
            .collect()
    }

    fn of_adapter(workflow: Workflow, arms: &Arms, adapter: &ArmSamples, plan: &Plan) -> Self {
        let contrast = |metric| Contrast::of_adapter(arms, adapter, metric);
        let metrics = paired();
        let paired: Vec<Contrast> = metrics.iter().map(contrast).collect();
        let quality: Vec<Contrast> = QUALITY.iter().map(contrast).collect();
        let declared = || plan.declared_of_h1(Some(workflow));
        let all: Vec<&Contrast> = paired.iter().chain(&quality).collect();
        let solved = Solved::new(&arms.tasks, &arms.base, adapter);
        let label = label(adapter.name, workflow.name());
        let claims = claims_of_h1(declared(), &label, &all, &solved);
        let gate = Gate::of_h1(arms, adapter, declared(), &paired);
        let outcomes: Vec<Conclusion> = claims.iter().map(|claim| claim.outcome).collect();
        let outcome = (!claims.is_empty()).then(|| Conclusion::all(&outcomes));
        let of = |outcome: Conclusion| {
            let gate = gate.as_ref();
            gate.map_or(outcome, |gate| outcome.behind_gate(gate.outcome))
        };
        Self {
            workflow: workflow.name().to_owned(),
            adapter: adapter.name.to_owned(),
            outcome: outcome.map(of),
            claims,
            gate,
            maintainability_index: contrast(&MI),
            mi_code: contrast(&MI_CODE),
            bonus: contrast(&BONUS),
            pass_rate: contrast(&PASS_RATE),
            quality,
        }
    }

    /// The compared sides, as claims and charts name them.
    pub(crate) fn label(&self) -> String {
        label(&self.adapter, &self.workflow)
    }

    /// All contrasts, MI and the pass rate first.
    pub(crate) fn contrasts(&self) -> impl Iterator<Item = &Contrast> {
        let first = [
            &self.maintainability_index,
            &self.mi_code,
            &self.bonus,
            &self.pass_rate,
        ];
        first.into_iter().chain(&self.quality)
    }
}

fn label(adapter: &str, workflow: &str) -> String {
    format!("{adapter} less base, {workflow}")
}
