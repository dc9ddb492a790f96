//! An effect that was asked for, who asked, and what became of it.

use serde::Serialize;
use slm_config::{Declared, Hypothesis, HypothesisId};
use slm_statistics::{Interval, holm};

use super::conclusion::Conclusion;
use super::contrast::Contrast;
use crate::sample_metric::{CC_OF_SOLVED, MI, MI_CODE, PASS_RATE, SampleMetric};

/// A contrast of which an effect was asked for before the run, in points of its metric.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    pub(crate) hypothesis: HypothesisId,
    /// What was compared, plain: `adapter less base`.
    pub(crate) contrast: String,
    /// The metric's key.
    pub(crate) metric: &'static str,
    /// The effect that was asked for.
    pub(crate) effect: f64,
    /// Who asked for it; none where an earlier version of this program did not record it.
    pub(crate) declared: Option<Declared>,
    /// Tasks that were compared.
    pub(crate) n: usize,
    /// Those on which the sides differ.
    pub(crate) differing: usize,
    pub(crate) estimate: Option<f64>,
    pub(crate) interval: Option<Interval>,
    pub(crate) outcome: Conclusion,
    /// The test that gave `p`.
    pub(crate) test: &'static str,
    pub(crate) p: Option<f64>,
    /// `p`, adjusted for all claims of the run.
    pub(crate) holm_p: Option<f64>,
}

impl Claim {
    /// Judges what `hypothesis` asks for by a contrast in its metric.
    pub(crate) fn new(hypothesis: &Hypothesis, contrast: String, found: &Contrast) -> Self {
        let metric = metric_of(hypothesis);
        let evidence = found.evidence(metric.scale);
        Self {
            hypothesis: hypothesis.id,
            contrast,
            metric: metric.key,
            effect: hypothesis.effect,
            declared: hypothesis.declared,
            n: found.n,
            differing: found.differing,
            estimate: evidence.estimate,
            interval: evidence.interval,
            outcome: Conclusion::judge(evidence, hypothesis.effect),
            test: "sign-flip permutation",
            p: found.sign_flip_p,
            holm_p: None,
        }
    }
}

/// What a hypothesis compares.
pub(crate) fn metric_of(hypothesis: &Hypothesis) -> &'static SampleMetric {
    use slm_config::HypothesisMetric as Of;
    match hypothesis.metric {
        Of::MaintainabilityIndex => &MI,
        Of::MiCode => &MI_CODE,
        Of::CyclomaticComplexity => &CC_OF_SOLVED,
        Of::PassRate => &PASS_RATE,
    }
}

/// Fills in Holm's p-values: the claims of one run, whatever hypothesis they belong to, are one family.
pub(crate) fn adjust_for_the_family(claims: Vec<&mut Claim>) {
    let mut tested: Vec<(&mut Option<f64>, f64)> = claims
        .into_iter()
        .filter_map(|claim| claim.p.map(|p| (&mut claim.holm_p, p)))
        .collect();
    let raw: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
    for ((adjusted, _), p) in tested.iter_mut().zip(holm(&raw)) {
        **adjusted = Some(p);
    }
}
