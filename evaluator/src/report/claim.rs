//! A declared effect and what became of it.

use config::{Hypothesis, HypothesisId};
use serde::Serialize;

use statistics::{Interval, holm};

use super::contrast::Contrast;
use super::metric::{CC_OF_SOLVED, MI, MI_CODE, Metric, PASS_RATE};
use super::verdict::Outcome;

/// A contrast that was declared before the run, in points of its metric.
#[derive(Debug, Serialize)]
pub(super) struct Claim {
    pub(super) hypothesis: HypothesisId,
    /// What was compared, plain: `adapter less base`.
    pub(super) contrast: String,
    /// The metric's key.
    pub(super) metric: &'static str,
    pub(super) declared: f64,
    /// Tasks that were compared.
    pub(super) n: usize,
    pub(super) estimate: Option<f64>,
    pub(super) interval: Option<Interval>,
    pub(super) outcome: Outcome,
    /// The test that gave `p`.
    pub(super) test: &'static str,
    pub(super) p: Option<f64>,
    /// `p`, adjusted for all claims of the run.
    pub(super) holm_p: Option<f64>,
}

impl Claim {
    /// Judges what `hypothesis` declares by a contrast in its metric.
    pub(super) fn new(hypothesis: &Hypothesis, contrast: String, found: &Contrast) -> Self {
        let metric = metric_of(hypothesis);
        let scale = metric.scale;
        let estimate = found.difference.map(|difference| difference * scale);
        let interval = found.interval.map(|interval| Interval {
            low: interval.low * scale,
            high: interval.high * scale,
        });
        Self {
            hypothesis: hypothesis.id,
            contrast,
            metric: metric.key,
            declared: hypothesis.effect,
            n: found.n,
            estimate,
            interval,
            outcome: Outcome::judge(found.n, estimate, interval, hypothesis.effect),
            test: "sign-flip permutation",
            p: found.sign_flip_p,
            holm_p: None,
        }
    }

    /// How its metric is written.
    pub(super) fn metric(&self) -> &'static Metric {
        let all: [&'static Metric; 4] = [&MI, &MI_CODE, &CC_OF_SOLVED, &PASS_RATE];
        let found = all.into_iter().find(|metric| metric.key == self.metric);
        found.unwrap_or(&MI)
    }
}

/// What a hypothesis compares.
pub(super) fn metric_of(hypothesis: &Hypothesis) -> &'static Metric {
    use config::HypothesisMetric as Of;
    match hypothesis.metric {
        Of::MaintainabilityIndex => &MI,
        Of::MiCode => &MI_CODE,
        Of::CyclomaticComplexity => &CC_OF_SOLVED,
        Of::PassRate => &PASS_RATE,
    }
}

/// Fills in Holm's p-values: the claims of one run, whatever hypothesis they belong to, are one family.
pub(super) fn adjust_for_the_family(claims: Vec<&mut Claim>) {
    let mut tested: Vec<(&mut Option<f64>, f64)> = claims
        .into_iter()
        .filter_map(|claim| claim.p.map(|p| (&mut claim.holm_p, p)))
        .collect();
    let raw: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
    for ((adjusted, _), p) in tested.iter_mut().zip(holm(&raw)) {
        **adjusted = Some(p);
    }
}
