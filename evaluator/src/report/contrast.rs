//! Two sides in one quantity, task by task: an adapter and the base model, or any other two arms.

use serde::Serialize;
use statistics::{
    Degenerate, Interval, Pair, bootstrap, bootstrap_mean, cliffs_delta, differences, intercept,
    mean, minimal_detectable_effect, sign_flip_p, signed_rank, standard_deviation,
};

use super::arms::{Arm, Arms, pairs};
use super::metric::{LN_LLOC_CODE, Metric};
use super::verdict::Evidence;

/// Paired differences, arm less reference, one a task. What the pairs cannot tell is `None`: too few, or all equal.
#[derive(Debug, Serialize)]
pub(super) struct Contrast {
    /// The metric's key.
    pub(super) metric: &'static str,
    /// Tasks of which both sides have a value.
    pub(super) n: usize,
    /// Those on which the values differ.
    pub(super) differing: usize,
    pub(super) reference_mean: Option<f64>,
    pub(super) mean: Option<f64>,
    pub(super) difference: Option<f64>,
    pub(super) standard_deviation: Option<f64>,
    /// Bias-corrected and accelerated bootstrap over tasks.
    pub(super) interval: Option<Interval>,
    /// Percentile bootstrap over the same resamples.
    pub(super) percentile_interval: Option<Interval>,
    /// Why there is no interval, in the report's own words.
    pub(super) no_interval: Option<&'static str>,
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
            differing: pairs.iter().filter(|pair| differs(pair)).count(),
            reference_mean: mean(&before),
            mean: mean(&after),
            difference: mean(&differences),
            standard_deviation: spread,
            interval: intervals.map(|both| both.bca).ok(),
            percentile_interval: intervals.map(|both| both.percentile).ok(),
            no_interval: intervals.err().map(in_words),
            sign_flip_p: sign_flip_p(&differences, seed),
            wilcoxon_p: ranks.map(|ranks| ranks.p),
            rank_biserial: ranks.map(|ranks| ranks.rank_biserial),
            cliffs_delta: cliffs_delta(&before, &after),
            minimal_detectable_effect: spread
                .and_then(|spread| minimal_detectable_effect(spread, pairs.len())),
        }
    }

    /// What carries a verdict, with the difference times `scale`.
    pub(super) fn evidence(&self, scale: f64) -> Evidence {
        Evidence {
            differing: self.differing,
            estimate: self.difference.map(|difference| difference * scale),
            interval: self.interval.map(|interval| Interval {
                low: interval.low * scale,
                high: interval.high * scale,
            }),
        }
    }
}

/// Whether two values differ by more than the rounding of a mean over samples.
fn differs(pair: &Pair) -> bool {
    let size = pair.base.abs().max(pair.adapter.abs());
    pair.difference().abs() > 1e-12 * size
}

fn in_words(why: Degenerate) -> &'static str {
    match why {
        Degenerate::TooFew => "too few tasks for an interval",
        Degenerate::NoSpread => "the same difference on every task, so no interval",
        Degenerate::NotFinite => "a value that is not finite, so no interval",
    }
}

/// The change of a metric that a change of the code's length does not explain.
#[derive(Debug, Serialize)]
pub(super) struct AtEqualLength {
    /// The metric's key.
    pub(super) metric: &'static str,
    pub(super) n: usize,
    /// Intercept of the regression of the metric's difference on the difference of ln LLOC of the code without docstrings: a
    /// docstring counts as a logical line, and would make a program that is commented more look longer.
    pub(super) difference: Option<f64>,
    /// Bias-corrected and accelerated bootstrap over tasks.
    pub(super) interval: Option<Interval>,
}

impl AtEqualLength {
    /// Regresses the difference in `metric` on the difference in log length.
    pub(super) fn new(arms: &Arms, adapter: &Arm, metric: &Metric) -> Self {
        let lengths = arms.pairs(adapter, &LN_LLOC_CODE);
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
                .map(|intervals| intervals.bca)
                .ok(),
        }
    }
}
