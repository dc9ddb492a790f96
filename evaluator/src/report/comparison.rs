//! Every number of the report, computed once.

use serde::Serialize;

use crate::record::DeclaredEffects;
use crate::statistics::{exact_mcnemar, holm};

use super::arms::{Arm, Arms};
use super::contrast::{AtEqualLength, Contrast};
use super::metric::{MI, MI_CODE, PAIRED, PASS_RATE, SUBSETS};
use super::summary::ArmSummary;
use super::verdict::Outcome;

/// Seeds every bootstrap and permutation of a report.
pub(super) const SEED: u64 = 1;

/// What the records say.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// Tasks that at least one arm answered.
    pub(super) tasks: usize,
    /// The seed of the resampling.
    pub(super) statistics_seed: u64,
    /// The base model first.
    pub(super) arms: Vec<ArmSummary>,
    /// One entry an adapter.
    pub(super) adapters: Vec<AdapterComparison>,
}

impl Comparison {
    pub(super) fn new(arms: &Arms, declared: DeclaredEffects) -> Self {
        let mut adapters: Vec<_> = arms
            .adapters
            .iter()
            .map(|adapter| AdapterComparison::new(arms, adapter, declared))
            .collect();
        adjust_for_the_family(&mut adapters);
        Self {
            tasks: arms.tasks.len(),
            statistics_seed: SEED,
            arms: arms.all().map(ArmSummary::new).collect(),
            adapters,
        }
    }
}

/// Fills in Holm's p-values: MI and `mi_code` of every adapter are the declared contrasts.
fn adjust_for_the_family(adapters: &mut [AdapterComparison]) {
    let mut tested: Vec<(&mut Option<f64>, f64)> = adapters
        .iter_mut()
        .flat_map(|adapter| &mut adapter.claims)
        .filter_map(|claim| claim.p.map(|p| (&mut claim.holm_p, p)))
        .collect();
    let raw: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
    for ((adjusted, _), p) in tested.iter_mut().zip(holm(&raw)) {
        **adjusted = Some(p);
    }
}

/// One adapter against the base model.
#[derive(Debug, Serialize)]
pub(super) struct AdapterComparison {
    pub(super) name: String,
    /// The declared claim as a whole: every one of `claims`.
    pub(super) outcome: Outcome,
    /// MI and `mi_code`, in this order.
    pub(super) claims: Vec<Claim>,
    /// One a metric of [`PAIRED`], in its order.
    pub(super) paired: Vec<Contrast>,
    /// One a subset of [`SUBSETS`], in its order.
    pub(super) subsets: Vec<SubsetContrasts>,
    /// MI and `mi_code`, in this order.
    pub(super) at_equal_length: Vec<AtEqualLength>,
    pub(super) solved: Solved,
}

impl AdapterComparison {
    fn new(arms: &Arms, adapter: &Arm, declared: DeclaredEffects) -> Self {
        let paired: Vec<Contrast> = PAIRED
            .iter()
            .map(|metric| Contrast::new(arms, adapter, metric))
            .collect();
        let claims: Vec<Claim> = paired
            .iter()
            .filter(|contrast| [MI.key, MI_CODE.key].contains(&contrast.metric))
            .map(|contrast| Claim::new(contrast, declared.maintainability_index))
            .collect();
        let outcomes: Vec<Outcome> = claims.iter().map(|claim| claim.outcome).collect();
        Self {
            name: adapter.name.to_owned(),
            outcome: Outcome::all(&outcomes),
            claims,
            paired,
            subsets: SUBSETS
                .iter()
                .map(|subset| SubsetContrasts {
                    subset: subset.key,
                    contrasts: subset
                        .metrics
                        .each_ref()
                        .map(|metric| Contrast::new(arms, adapter, metric)),
                })
                .collect(),
            at_equal_length: [MI, MI_CODE]
                .iter()
                .map(|metric| AtEqualLength::new(arms, adapter, metric))
                .collect(),
            solved: Solved::new(arms, adapter),
        }
    }

    /// The paired differences of MI, the first of [`PAIRED`].
    pub(super) fn mi(&self) -> &Contrast {
        &self.paired[0]
    }
}

/// A declared effect and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Claim {
    pub(super) metric: &'static str,
    pub(super) declared: f64,
    pub(super) outcome: Outcome,
    /// Sign-flip permutation.
    pub(super) p: Option<f64>,
    /// `p`, adjusted for all claims of the report.
    pub(super) holm_p: Option<f64>,
}

impl Claim {
    fn new(contrast: &Contrast, declared: f64) -> Self {
        Self {
            metric: contrast.metric,
            declared,
            outcome: Outcome::judge(contrast.n, contrast.difference, contrast.interval, declared),
            p: contrast.sign_flip_p,
            holm_p: None,
        }
    }
}

/// MI and `mi_code` on one subset of the samples.
#[derive(Debug, Serialize)]
pub(super) struct SubsetContrasts {
    pub(super) subset: &'static str,
    pub(super) contrasts: [Contrast; 2],
}

/// Tasks by who solved them, a task counting as solved if all its samples pass; only tasks that both arms answered.
#[derive(Debug, Serialize)]
pub(super) struct Solved {
    pub(super) tasks: usize,
    pub(super) both: usize,
    pub(super) base_only: usize,
    pub(super) adapter_only: usize,
    /// Exact test of the tasks that one arm alone solved; none unless each task has one sample an arm.
    pub(super) mcnemar_p: Option<f64>,
}

impl Solved {
    fn new(arms: &Arms, adapter: &Arm) -> Self {
        let pairs = arms.pairs(adapter, &PASS_RATE);
        let count = |base: bool, adapter: bool| {
            let solved = |rate: f64| rate >= 1.0;
            pairs
                .iter()
                .filter(|(_, pair)| (solved(pair.base), solved(pair.adapter)) == (base, adapter))
                .count()
        };
        let (base_only, adapter_only) = (count(true, false), count(false, true));
        let single = pairs.iter().all(|(task, _)| {
            arms.base.of_task(task).len() == 1 && adapter.of_task(task).len() == 1
        });
        Self {
            tasks: pairs.len(),
            both: count(true, true),
            base_only,
            adapter_only,
            mcnemar_p: (single && !pairs.is_empty())
                .then(|| exact_mcnemar(base_only, adapter_only)),
        }
    }
}
