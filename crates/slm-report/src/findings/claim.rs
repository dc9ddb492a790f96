//! A required effect, whether the recipe declared it, and the verdict.

use serde::Serialize;
use slm_config::{Declared, Hypothesis, HypothesisId, HypothesisMetric};
use slm_statistics::{Interval, holm};

use super::conclusion::Conclusion;
use super::contrast::Contrast;
use super::solved::{Discordant, Solved};
use crate::sample_metric::{
    CC_OF_SOLVED, COGNITIVE, DEBT, MI, MI_CODE, PASS_RATE, RELIABILITY, SECURITY, SMELLS,
    SampleMetric,
};

/// A contrast with an effect that was required before the run, in points of its metric.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    pub(crate) hypothesis: HypothesisId,
    /// The compared sides, for example `adapter less base`.
    pub(crate) contrast: String,
    /// The metric's key.
    pub(crate) metric: &'static str,
    /// The required effect.
    pub(crate) effect: f64,
    /// Who declared the effect; `None` if an earlier version of this program did not record it.
    pub(crate) declared: Option<Declared>,
    /// The workflows of the contrast that a teacher assisted; not empty exactly if the contrast is not tested for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) assisted: Vec<String>,
    /// Tasks that were compared.
    pub(crate) n: usize,
    /// Tasks on which the sides differ.
    pub(crate) differing: usize,
    /// Of a tested claim on the pass rate: the tasks that one side alone solved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) discordant: Option<Discordant>,
    pub(crate) estimate: Option<f64>,
    pub(crate) interval: Option<Interval>,
    pub(crate) outcome: Conclusion,
    /// The test that `p` comes from.
    pub(crate) test: &'static str,
    pub(crate) p: Option<f64>,
    /// `p`, adjusted for all claims of the run (Holm).
    pub(crate) holm_p: Option<f64>,
}

impl Claim {
    /// Tests the effect of `hypothesis` with a contrast in its metric.
    pub(crate) fn new(hypothesis: &Hypothesis, contrast: String, found: &Contrast) -> Self {
        let metric = metric_of(hypothesis);
        let evidence = found.evidence(metric.scale);
        Self {
            hypothesis: hypothesis.id,
            contrast,
            metric: metric.key,
            effect: hypothesis.effect,
            declared: hypothesis.declared,
            assisted: Vec::new(),
            n: found.n,
            differing: found.differing,
            discordant: None,
            estimate: evidence.estimate,
            interval: evidence.interval,
            outcome: Conclusion::judge(evidence, hypothesis.effect),
            test: "sign-flip permutation",
            p: found.sign_flip_p,
            holm_p: None,
        }
    }

    /// Tests the effect of `hypothesis` on the pass rate, with the exact test of McNemar where it applies.
    pub(crate) fn of_pass_rate(
        hypothesis: &Hypothesis,
        contrast: String,
        found: &Contrast,
        solved: &Solved,
    ) -> Self {
        let mut claim = Self::new(hypothesis, contrast, found);
        if let Some(p) = solved.mcnemar_p {
            (claim.test, claim.p) = ("exact McNemar", Some(p));
        }
        claim.discordant = Some(solved.discordant());
        claim
    }

    /// Leaves the claim untested, because a teacher assisted these workflows and not the others of its contrast.
    pub(crate) fn not_tested(self, assisted: Vec<String>) -> Self {
        Self {
            assisted,
            discordant: None,
            estimate: None,
            interval: None,
            outcome: Conclusion::NotTested,
            p: None,
            ..self
        }
    }
}

/// Returns the metric of a hypothesis.
pub(crate) fn metric_of(hypothesis: &Hypothesis) -> &'static SampleMetric {
    use HypothesisMetric as Of;
    match hypothesis.metric {
        Of::MaintainabilityIndex => &MI,
        Of::MiCode => &MI_CODE,
        Of::CognitiveComplexity => &COGNITIVE,
        Of::SecurityFindings => &SECURITY,
        Of::ReliabilityFindings => &RELIABILITY,
        Of::Smells => &SMELLS,
        Of::DebtMinutes => &DEBT,
        Of::CyclomaticComplexity => &CC_OF_SOLVED,
        Of::PassRate => &PASS_RATE,
    }
}

/// Returns the claims of H1 that these rows declare, in the words of `label`, about contrasts that contain `mi_code`'s, and
/// about the tasks that the same sides `solved`.
pub(super) fn claims_of_h1<'a>(
    declared: impl Iterator<Item = &'a Hypothesis>,
    label: &str,
    contrasts: &[&Contrast],
    solved: &Solved,
) -> Vec<Claim> {
    let of_metric = |key: &str| contrasts.iter().find(|contrast| contrast.metric == key);
    let mut claims: Vec<Claim> = declared
        .filter_map(|declared| {
            let found = of_metric(metric_of(declared).key)?;
            let label = label.to_owned();
            Some(match declared.metric {
                HypothesisMetric::PassRate => Claim::of_pass_rate(declared, label, found, solved),
                _ => Claim::new(declared, label, found),
            })
        })
        .collect();
    let of_code = claims.iter().find(|claim| claim.metric == MI_CODE.key);
    let of_code = of_code.map(|claim| claim.effect);
    let Some(code) = of_metric(MI_CODE.key) else {
        return claims;
    };
    for claim in claims.iter_mut().filter(|claim| claim.metric == MI.key) {
        let effect = of_code.unwrap_or(claim.effect);
        let code = Conclusion::judge(code.evidence(MI_CODE.scale), effect);
        claim.outcome = claim.outcome.beside_code(code);
    }
    claims
}

/// Sets Holm's p-values: all claims of a run, across hypotheses, are one family.
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
