//! Paired comparison of two sides in one metric, task by task: an adapter and the base model, or any other two arms.

use serde::Serialize;
use slm_statistics::{
    Degenerate, Interval, Pair, bootstrap, bootstrap_mean, cliffs_delta, differences, intercept,
    mean, minimal_detectable_effect, sign_flip_p, signed_rank, standard_deviation,
};

use super::arms::{ArmSamples, Arms, pairs};
use super::conclusion::Evidence;
use crate::sample_metric::{LN_LLOC_CODE, MI_CODE, SampleMetric};

/// Paired differences, arm less reference, one per task. A value is `None` if there are too few pairs, or all are
/// equal.
#[derive(Debug, Serialize)]
pub(crate) struct Contrast {
    /// The metric's key.
    pub(crate) metric: &'static str,
    /// Tasks for which both sides have a value.
    pub(crate) n: usize,
    /// Tasks on which the values differ.
    pub(crate) differing: usize,
    pub(crate) reference_mean: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) difference: Option<f64>,
    /// The difference on each task, for charts.
    #[serde(skip)]
    pub(crate) differences: Vec<f64>,
    pub(crate) standard_deviation: Option<f64>,
    /// Bias-corrected and accelerated bootstrap over tasks.
    pub(crate) interval: Option<Interval>,
    /// Percentile bootstrap over the same resamples.
    pub(crate) percentile_interval: Option<Interval>,
    /// Why there is no interval, as the report states it.
    pub(crate) no_interval: Option<&'static str>,
    pub(crate) sign_flip_p: Option<f64>,
    pub(crate) wilcoxon_p: Option<f64>,
    pub(crate) rank_biserial: Option<f64>,
    pub(crate) cliffs_delta: Option<f64>,
    pub(crate) minimal_detectable_effect: Option<f64>,
    /// The publishers' own solutions; `None` if none of the tasks has a measured one, or for a metric of samples.
    pub(crate) human: Option<Human>,
}

/// The mean of a metric over the publishers' own solutions.
#[derive(Debug, Serialize)]
pub(crate) struct Human {
    /// Compared tasks with a measured solution.
    pub(crate) n: usize,
    pub(crate) mean: f64,
}

impl Human {
    fn new(arms: &Arms, pairs: &[(&str, Pair)], metric: &SampleMetric) -> Option<Self> {
        let of_task = |(task, _): &(&str, Pair)| metric.of_program(arms.human.get(*task)?);
        let values: Vec<f64> = pairs.iter().filter_map(of_task).collect();
        let n = values.len();
        mean(&values).map(|mean| Self { n, mean })
    }
}

impl Contrast {
    /// Compares an adapter with the base model.
    pub(crate) fn of_adapter(arms: &Arms, adapter: &ArmSamples, metric: &SampleMetric) -> Self {
        Self::on_tasks(arms, &arms.tasks, adapter, metric)
    }

    /// Compares an adapter with the base model on some of the tasks.
    pub(crate) fn on_tasks(
        arms: &Arms,
        tasks: &[&str],
        adapter: &ArmSamples,
        metric: &SampleMetric,
    ) -> Self {
        let compared = pairs(tasks, &arms.base, adapter, metric);
        Self {
            human: Human::new(arms, &compared, metric),
            ..Self::new(tasks, &arms.base, adapter, metric, arms.seed)
        }
    }

    /// Compares `arm` with `reference` in `metric`, on those of `tasks` for which both have a value.
    pub(crate) fn new(
        tasks: &[&str],
        reference: &ArmSamples,
        arm: &ArmSamples,
        metric: &SampleMetric,
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
            human: None,
            differences,
        }
    }

    /// Returns the evidence for a verdict, with the difference times `scale`.
    pub(crate) fn evidence(&self, scale: f64) -> Evidence {
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

/// The change of MI or `mi_code` that a change of the code's length does not explain.
#[derive(Debug, Serialize)]
pub(crate) struct AtEqualLength {
    /// The metric's key.
    pub(crate) metric: &'static str,
    pub(crate) n: usize,
    /// For `mi_code`, the intercept of the regression of its difference on the difference of ln LLOC without
    /// docstrings. For MI, the same plus the comment bonus: a regression of MI itself would attribute to length what
    /// is due to longer programs having more comments.
    pub(crate) difference: Option<f64>,
    /// Bias-corrected and accelerated bootstrap over tasks.
    pub(crate) interval: Option<Interval>,
}

impl AtEqualLength {
    /// Removes the effect of the code's length from the difference in `metric`: [`MI_CODE`], or MI.
    pub(crate) fn new(arms: &Arms, adapter: &ArmSamples, metric: &SampleMetric) -> Self {
        let of = |metric| arms.pairs(adapter, metric);
        let (lengths, codes, values) = (of(&LN_LLOC_CODE), of(&MI_CODE), of(metric));
        let difference = |pairs: &[(&str, Pair)], task: &str| {
            let (_, pair) = pairs.iter().find(|(other, _)| *other == task)?;
            Some(pair.difference())
        };
        // A program without a logical line is missing in the first list only.
        let (mut length, mut code, mut bonus) = (Vec::new(), Vec::new(), Vec::new());
        for (task, pair) in &lengths {
            let found = difference(&codes, task).zip(difference(&values, task));
            let Some((of_code, of_metric)) = found else {
                continue;
            };
            length.push(pair.difference());
            code.push(of_code);
            bonus.push(of_metric - of_code);
        }
        let at_equal_length = |rows: &[usize]| {
            let bonus: f64 = rows.iter().map(|&row| bonus[row]).sum();
            intercept(&length, &code, rows) + bonus / rows.len().max(1) as f64
        };
        let all: Vec<usize> = (0..length.len()).collect();
        Self {
            metric: metric.key,
            n: length.len(),
            difference: (!length.is_empty()).then(|| at_equal_length(&all)),
            interval: bootstrap(length.len(), arms.seed, at_equal_length)
                .map(|intervals| intervals.bca)
                .ok(),
        }
    }
}
