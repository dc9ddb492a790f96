//! Two sides in one quantity, task by task: an adapter and the base model, or any other two arms.

use serde::Serialize;
use statistics::{
    Interval, Pair, bootstrap, bootstrap_mean, cliffs_delta, differences, intercept, mean,
    minimal_detectable_effect, sign_flip_p, signed_rank, standard_deviation,
};

use super::arms::{Arm, Arms, pairs};
use super::metric::{LN_LLOC, Metric};

/// Paired differences, arm less reference, one a task. What too few pairs cannot tell is `None`.
#[derive(Debug, Serialize)]
pub(super) struct Contrast {
    /// The metric's key.
    pub(super) metric: &'static str,
    /// Tasks of which both sides have a value.
    pub(super) n: usize,
    pub(super) reference_mean: Option<f64>,
    pub(super) mean: Option<f64>,
    pub(super) difference: Option<f64>,
    pub(super) standard_deviation: Option<f64>,
    /// Bias-corrected and accelerated bootstrap over tasks.
    pub(super) interval: Option<Interval>,
    /// Percentile bootstrap over the same resamples.
    pub(super) percentile_interval: Option<Interval>,
    pub(super) sign_flip_p: Option<f64>,
    pub(super) wilcoxon_p: Option<f64>,
    pub(super) rank_biserial: Option<f64>,
    pub(super) cliffs_delta: Option<f64>,
    pub(super) minimal_detectable_effect: Option<f64>,
}

impl Contrast {
    /// Compares `arm` with `reference` in `metric`, on those of `tasks` of which both have a value.
    pub(super) fn new(
        tasks: &[&str],
        reference: &Arm,
        arm: &Arm,
        metric: &Metric,
        seed: u64,
    ) -> Self {
        let pairs: Vec<Pair> = pairs(tasks, reference, arm, metric)
            .into_iter()
            .map(|(_, pair)| pair)
            .collect();
        let before: Vec<f64> = pairs.iter().map(|pair| pair.base).collect();
        let after: Vec<f64> = pairs.iter().map(|pair| pair.adapter).collect();
        let differences = differences(&pairs);
        let spread = standard_deviation(&differences);
        let intervals = bootstrap_mean(&differences, seed);
        let ranks = signed_rank(&differences);
        Self {
            metric: metric.key,
            n: pairs.len(),
            reference_mean: mean(&before),
            mean: mean(&after),
            difference: mean(&differences),
            standard_deviation: spread,
            interval: intervals.map(|both| both.bca),
            percentile_interval: intervals.map(|both| both.percentile),
            sign_flip_p: sign_flip_p(&differences, seed),
            wilcoxon_p: ranks.map(|ranks| ranks.p),
            rank_biserial: ranks.map(|ranks| ranks.rank_biserial),
            cliffs_delta: cliffs_delta(&before, &after),
            minimal_detectable_effect: spread
                .and_then(|spread| minimal_detectable_effect(spread, pairs.len())),
        }
    }
}

/// The change of a metric that a change of length does not explain.
#[derive(Debug, Serialize)]
pub(super) struct AtEqualLength {
    /// The metric's key.
    pub(super) metric: &'static str,
    pub(super) n: usize,
    /// Intercept of the regression of the metric's difference on the difference of ln LLOC.
    pub(super) difference: Option<f64>,
    /// Bias-corrected and accelerated bootstrap over tasks.
    pub(super) interval: Option<Interval>,
}

impl AtEqualLength {
    /// Regresses the difference in `metric` on the difference in log length.
    pub(super) fn new(arms: &Arms, adapter: &Arm, metric: &Metric) -> Self {
        let lengths = arms.pairs(adapter, &LN_LLOC);
        let values = arms.pairs(adapter, metric);
        // Both lists follow the task order; a program without a logical line is in the second alone.
        let (x, y): (Vec<f64>, Vec<f64>) = lengths
            .iter()
            .filter_map(|(task, length)| {
                let (_, value) = values.iter().find(|(other, _)| other == task)?;
                Some((length.difference(), value.difference()))
            })
            .unzip();
        let all: Vec<usize> = (0..x.len()).collect();
        Self {
            metric: metric.key,
            n: x.len(),
            difference: (!x.is_empty()).then(|| intercept(&x, &y, &all)),
            interval: bootstrap(x.len(), arms.seed, |rows| intercept(&x, &y, rows))
                .map(|intervals| intervals.bca),
        }
    }
}
