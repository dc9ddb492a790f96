//! An effect that was asked for, who asked, and what became of it.

use serde::Serialize;
use slm_config::{Declared, Hypothesis, HypothesisId};

use slm_statistics::{Interval, holm};

use super::contrast::Contrast;
use super::metric::{CC_OF_SOLVED, MI, MI_CODE, Metric, PASS_RATE};
use super::number::signed;
use super::verdict::Outcome;

/// A contrast of which an effect was asked for before the run, in points of its metric.
#[derive(Debug, Serialize)]
pub(super) struct Claim {
    pub(super) hypothesis: HypothesisId,
    /// What was compared, plain: `adapter less base`.
    pub(super) contrast: String,
    /// The metric's key.
    pub(super) metric: &'static str,
    /// The effect that was asked for.
    pub(super) effect: f64,
    /// Who asked for it; none where an earlier version of this program did not record it.
    pub(super) declared: Option<Declared>,
    /// Tasks that were compared.
    pub(super) n: usize,
    /// Those on which the sides differ.
    pub(super) differing: usize,
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
    /// Judges what `hypothesis` asks for by a contrast in its metric.
    pub(super) fn new(hypothesis: &Hypothesis, contrast: String, found: &Contrast) -> Self {
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
            outcome: Outcome::judge(evidence, hypothesis.effect),
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

/// Who asked for the effects of some claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Every one is of one kind.
    All(Option<Declared>),
    Mixed,
}

impl Asked {
    /// None of no claims.
    pub(super) fn of<'a>(claims: impl IntoIterator<Item = &'a Claim>) -> Option<Self> {
        let mut kinds = claims.into_iter().map(|claim| claim.declared);
        let first = kinds.next()?;
        Some(if kinds.all(|kind| kind == first) {
            Self::All(first)
        } else {
            Self::Mixed
        })
    }
}

/// What was asked for, as the end of a sentence: `declared was +3.0 in MI and +3.0 in mi_code`.
pub(super) fn asked_in_words(claims: &[Claim]) -> String {
    let Some(asked) = Asked::of(claims) else {
        return "no effect was asked for".to_owned();
    };
    let effects: Vec<String> = claims
        .iter()
        .map(|claim| {
            let kind = match claim.declared {
                Some(Declared::Default) if asked == Asked::Mixed => " (default)",
                Some(Declared::Recipe) if asked == Asked::Mixed => " (declared)",
                _ => "",
            };
            let metric = claim.metric();
            let label = if metric.key == PASS_RATE.key {
                "pass rate"
            } else {
                metric.label
            };
            format!("{} in {label}{kind}", signed(claim.effect, 1))
        })
        .collect();
    let effects = effects.join(" and ");
    match asked {
        Asked::All(Some(Declared::Recipe)) => format!("declared was {effects}"),
        Asked::All(Some(Declared::Default)) => {
            format!("the recipe declares nothing, the default is {effects}")
        }
        _ => format!("asked for was {effects}"),
    }
}

/// What a hypothesis compares.
pub(super) fn metric_of(hypothesis: &Hypothesis) -> &'static Metric {
    use slm_config::HypothesisMetric as Of;
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
