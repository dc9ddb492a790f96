//! H1: every adapter against the base model, in maintainability and all that goes with it.

use serde::Serialize;
use slm_statistics::exact_mcnemar;

use slm_config::HypothesisId;

use super::super::arms::{Arm, Arms, pairs};
use super::super::claim::{Claim, metric_of};
use super::super::contrast::{AtEqualLength, Contrast};
use super::super::metric::{
    BONUS, BONUS_PARTS, LENGTH_TERM, LLOC_CODE, MI, MI_CODE, PAIRED, PASS_RATE, SUBSETS,
};
use super::super::same_text::SameText;
use super::super::summary::ArmSummary;
use super::super::verdict::Outcome;
use crate::plan::Plan;
use crate::record::RunInfo;

/// What the records say.
#[derive(Debug, Serialize)]
pub(in super::super) struct Comparison {
    /// Tasks that at least one arm answered.
    pub(in super::super) tasks: usize,
    /// The base model first.
    pub(in super::super) arms: Vec<ArmSummary>,
    /// One entry an adapter.
    pub(in super::super) adapters: Vec<AdapterComparison>,
    /// The same contrasts in the recipe's other workflows: nothing is claimed of them.
    pub(in super::super) elsewhere: Vec<Elsewhere>,
}

/// One adapter against the base model in one of the other workflows.
#[derive(Debug, Serialize)]
pub(in super::super) struct Elsewhere {
    pub(in super::super) workflow: String,
    pub(in super::super) adapter: String,
    pub(in super::super) maintainability_index: Contrast,
    pub(in super::super) mi_code: Contrast,
    pub(in super::super) pass_rate: Contrast,
}

impl Elsewhere {
    fn of_workflow(workflow: &str, arms: &Arms) -> Vec<Self> {
        let of_adapter = |adapter: &Arm| Self {
            workflow: workflow.to_owned(),
            adapter: adapter.name.to_owned(),
            maintainability_index: arms.contrast(adapter, &MI),
            mi_code: arms.contrast(adapter, &MI_CODE),
            pass_rate: arms.contrast(adapter, &PASS_RATE),
        };
        arms.adapters.iter().map(of_adapter).collect()
    }
}

impl Comparison {
    /// `arms` are those of the compared workflow, `others` those of the recipe's other ones, by name.
    pub(in super::super) fn new(arms: &Arms, others: &[(&str, Arms)], run: &RunInfo) -> Self {
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
                .flat_map(|(workflow, arms)| Elsewhere::of_workflow(workflow, arms))
                .collect(),
        }
    }
}

/// One adapter against the base model.
#[derive(Debug, Serialize)]
pub(in super::super) struct AdapterComparison {
    pub(in super::super) name: String,
    /// What was asked for as a whole: every one of `claims`.
    pub(in super::super) outcome: Outcome,
    /// One a metric of which an effect was asked for.
    pub(in super::super) claims: Vec<Claim>,
    pub(in super::super) same_text: SameText,
    /// One a metric of [`PAIRED`], in its order.
    pub(in super::super) paired: Vec<Contrast>,
    /// One a subset of [`SUBSETS`], in its order.
    pub(in super::super) subsets: Vec<SubsetContrasts>,
    /// MI less `mi_code`: what comments and docstrings add.
    pub(in super::super) bonus: Contrast,
    /// One a part of the bonus, in the order of [`BONUS_PARTS`].
    pub(in super::super) bonus_parts: Vec<Contrast>,
    /// MI and `mi_code`, in this order.
    pub(in super::super) at_equal_length: Vec<AtEqualLength>,
    /// Logical lines of the code without docstrings.
    pub(in super::super) code_length: Contrast,
    /// What `mi_code` owes to them by its own formula.
    pub(in super::super) length_term: Contrast,
    pub(in super::super) solved: Solved,
}

impl AdapterComparison {
    fn new(arms: &Arms, adapter: &Arm, plan: &Plan) -> Self {
        let paired: Vec<Contrast> = PAIRED
            .iter()
            .map(|metric| arms.contrast(adapter, metric))
            .collect();
        let mut claims: Vec<Claim> = plan
            .declared(HypothesisId::H1)
            .filter_map(|declared| {
                let key = metric_of(declared).key;
                let found = paired.iter().find(|contrast| contrast.metric == key)?;
                Some(Claim::new(
                    declared,
                    format!("{} less base", adapter.name),
                    found,
                ))
            })
            .collect();
        // The second of [`PAIRED`], as `Self::mi_code` has it.
        let code = &paired[1];
        let of_code = claims.iter().find(|claim| claim.metric == MI_CODE.key);
        let of_code = of_code.map(|claim| claim.effect);
        for claim in claims.iter_mut().filter(|claim| claim.metric == MI.key) {
            let effect = of_code.unwrap_or(claim.effect);
            let code = Outcome::judge(code.evidence(MI_CODE.scale), effect);
            claim.outcome = claim.outcome.beside_code(code);
        }
        let outcomes: Vec<Outcome> = claims.iter().map(|claim| claim.outcome).collect();
        Self {
            name: adapter.name.to_owned(),
            outcome: Outcome::all(&outcomes),
            claims,
            same_text: SameText::new(&arms.tasks, &arms.base, adapter),
            paired,
            subsets: SUBSETS
                .iter()
                .map(|subset| SubsetContrasts {
                    subset: subset.key,
                    contrasts: subset
                        .metrics
                        .each_ref()
                        .map(|metric| arms.contrast(adapter, metric)),
                })
                .collect(),
            at_equal_length: [MI, MI_CODE]
                .iter()
                .map(|metric| AtEqualLength::new(arms, adapter, metric))
                .collect(),
            bonus: arms.contrast(adapter, &BONUS),
            bonus_parts: BONUS_PARTS
                .iter()
                .map(|part| arms.contrast(adapter, part))
                .collect(),
            code_length: arms.contrast(adapter, &LLOC_CODE),
            length_term: arms.contrast(adapter, &LENGTH_TERM),
            solved: Solved::new(&arms.tasks, &arms.base, adapter),
        }
    }

    /// The rise of MI that was asked for, if one was.
    pub(in super::super) fn effect_on_mi(&self) -> Option<f64> {
        let of_mi = self.claims.iter().find(|claim| claim.metric == MI.key);
        of_mi.map(|claim| claim.effect)
    }

    /// The paired differences of `mi_code`, the second of [`PAIRED`].
    pub(in super::super) fn mi_code(&self) -> &Contrast {
        &self.paired[1]
    }

    /// The paired differences of MI, the first of [`PAIRED`].
    pub(in super::super) fn mi(&self) -> &Contrast {
        &self.paired[0]
    }
}

/// MI and `mi_code` on one subset of the samples.
#[derive(Debug, Serialize)]
pub(in super::super) struct SubsetContrasts {
    pub(in super::super) subset: &'static str,
    pub(in super::super) contrasts: [Contrast; 2],
}

/// Tasks by which side solved them, a task counting as solved if all its samples pass; only tasks that both answered.
#[derive(Debug, Serialize)]
pub(in super::super) struct Solved {
    pub(in super::super) tasks: usize,
    pub(in super::super) both: usize,
    pub(in super::super) reference_only: usize,
    pub(in super::super) other_only: usize,
    /// Exact test of the tasks that one side alone solved; none if there are none, and unless each task has one sample a
    /// side.
    pub(in super::super) mcnemar_p: Option<f64>,
}

impl Solved {
    pub(in super::super) fn new(tasks: &[&str], reference: &Arm, other: &Arm) -> Self {
        let pairs = pairs(tasks, reference, other, &PASS_RATE);
        let count = |first: bool, second: bool| {
            let solved = |rate: f64| rate >= 1.0;
            pairs
                .iter()
                .filter(|(_, pair)| (solved(pair.base), solved(pair.adapter)) == (first, second))
                .count()
        };
        let (reference_only, other_only) = (count(true, false), count(false, true));
        let single = pairs
            .iter()
            .all(|(task, _)| reference.of_task(task).len() == 1 && other.of_task(task).len() == 1);
        Self {
            tasks: pairs.len(),
            both: count(true, true),
            reference_only,
            other_only,
            mcnemar_p: single
                .then(|| exact_mcnemar(reference_only, other_only))
                .flatten(),
        }
    }
}
