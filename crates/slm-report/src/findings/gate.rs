//! The gate of H1 on the pass rate: more maintainable programs that solve fewer tasks are no improvement.
//!
//! The adapter is non-inferior if the lower end of the 95 % interval of its pass rate less the base model's is at least
//! minus the declared margin, and inferior if the upper end is below that.
//!
//! The interval is the bootstrap over tasks, as elsewhere, if at least [`MIN_PAIRS`] tasks differ. With fewer, resampling
//! cannot show a loss that no or hardly any task had: ten tasks of which none changed would pass every gate. The exact
//! limits of Clopper and Pearson then bound the loss by the share of tasks that may have lost anything: with n tasks and
//! no change it is at most 1 − 0.025^(1/n), so that a margin of 2 points requires 183 tasks.

use serde::Serialize;
use slm_config::Hypothesis;
use slm_statistics::{Interval, exact_lower_limit};

use super::arms::{ArmSamples, Arms};
use super::conclusion::{Conclusion, MIN_PAIRS};
use super::contrast::Contrast;
use crate::sample_metric::PASS_RATE;

/// The confidence of one end of a two-sided interval of 95 %.
const ONE_END: f64 = 0.975;

/// Whether the pass rate of the adapter is lower by more than is allowed. All numbers are in points.
#[derive(Debug, Serialize)]
pub(crate) struct Gate {
    /// Allowed loss.
    pub(crate) margin: f64,
    /// Tasks with tests that both arms answered.
    pub(crate) n: usize,
    /// Those of them on which the pass rates differ.
    pub(crate) differing: usize,
    pub(crate) estimate: Option<f64>,
    /// `None` without such tasks.
    pub(crate) interval: Option<Interval>,
    /// Whether `interval` has exact limits, because too few tasks differ for the bootstrap.
    pub(crate) is_exact: bool,
    /// Supported if non-inferior, not supported if inferior.
    pub(crate) outcome: Conclusion,
}

impl Gate {
    /// Returns the gate on the pass rate, with the smallest of the margins that these rows declare; `contrasts` contain the
    /// pass rate's.
    pub(super) fn of_h1<'a>(
        arms: &Arms,
        adapter: &ArmSamples,
        declared: impl Iterator<Item = &'a Hypothesis>,
        contrasts: &[Contrast],
    ) -> Option<Self> {
        let margins = declared.filter_map(|declared| declared.pass_rate_margin);
        let margin = margins.min_by(f64::total_cmp)?;
        let found = contrasts.iter().find(|of| of.metric == PASS_RATE.key)?;
        let pairs = arms.pairs(adapter, &PASS_RATE);
        let differences: Vec<f64> = pairs.iter().map(|(_, pair)| pair.difference()).collect();
        Some(Self::new(margin, found, &differences))
    }

    /// Tests `found`, the pass rates' contrast, whose tasks have these `differences`.
    pub(crate) fn new(margin: f64, found: &Contrast, differences: &[f64]) -> Self {
        let evidence = found.evidence(PASS_RATE.scale);
        let bootstrap = evidence
            .interval
            .filter(|interval| found.differing >= MIN_PAIRS && interval.low < interval.high);
        let interval = bootstrap.or_else(|| exact_interval(differences));
        Self {
            margin,
            n: found.n,
            differing: found.differing,
            estimate: evidence.estimate,
            interval,
            is_exact: bootstrap.is_none() && interval.is_some(),
            outcome: Conclusion::judge_non_inferiority(interval, margin),
        }
    }
}

/// Returns limits of the mean difference, in points, that hold with at least 95 % confidence for any distribution of
/// differences from -1 to 1; `None` without differences.
///
/// The mean is at least minus the share of tasks that lose anything, and at most the share of tasks that gain anything,
/// less the share of those that lose everything. Two limits in one end share its error.
fn exact_interval(differences: &[f64]) -> Option<Interval> {
    let n = differences.len();
    let count = |holds: fn(f64) -> bool| differences.iter().filter(|&&d| holds(d)).count();
    let lost_everything = count(|difference| difference <= -1.0);
    let confidence = if lost_everything > 0 {
        f64::midpoint(ONE_END, 1.0)
    } else {
        ONE_END
    };
    let at_most = |k: usize, confidence| Some(1.0 - exact_lower_limit(n - k, n, confidence)?);
    let low = -at_most(count(|difference| difference < 0.0), ONE_END)?;
    let high = at_most(count(|difference| difference > 0.0), confidence)?
        - exact_lower_limit(lost_everything, n, confidence)?;
    Some(Interval {
        low: low * PASS_RATE.scale,
        high: high * PASS_RATE.scale,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts both ends, in points, to a hundredth.
    fn check(differences: &[f64], low: f64, high: f64) {
        let found = exact_interval(differences).expect("an interval");
        assert!(
            (found.low - low).abs() < 5e-3 && (found.high - high).abs() < 5e-3,
            "{found:?}, expected {low} to {high}"
        );
    }

    #[test]
    fn without_a_change_the_loss_is_bounded_by_the_number_of_tasks() {
        // 100 (1 - 0.025^(1/n)), by hand.
        check(&[0.0; 10], -30.85, 30.85);
        check(&[0.0; 182], -2.01, 2.01);
        check(&[0.0; 183], -2.00, 2.00);
        let conclude = |n| Conclusion::judge_non_inferiority(exact_interval(&vec![0.0; n]), 2.0);
        assert_eq!(conclude(182), Conclusion::Inconclusive);
        assert_eq!(conclude(183), Conclusion::Supported);
        assert_eq!(exact_interval(&[]), None);
    }

    #[test]
    fn few_changes_have_the_limits_of_clopper_and_pearson() {
        // scipy 1.17.1: binomtest(k, n).proportion_ci(method="exact"); 1 of 40: 13.16 %, 0 of 40: 8.81 %, 2 of 40: 16.92 %.
        let changed = |lost: usize, gained: usize, by: f64| -> Vec<f64> {
            let change = |task| match task {
                task if task < lost => -by,
                task if task < lost + gained => by,
                _ => 0.0,
            };
            (0..40).map(change).collect()
        };
        check(&changed(1, 0, 0.5), -13.16, 8.81);
        check(&changed(0, 1, 1.0), -8.81, 13.16);
        check(&changed(2, 1, 0.5), -16.92, 13.16);
    }

    #[test]
    fn an_adapter_that_loses_every_task_is_inferior_without_a_bootstrap() {
        // 0.0125^(1/20) = 0.80324: at most 19.676 % gain, and at least 80.324 % lose.
        check(&[-1.0; 20], -100.0, -60.65);
        let lost = exact_interval(&[-1.0; 20]);
        let outcome = Conclusion::judge_non_inferiority(lost, 2.0);
        assert_eq!(outcome, Conclusion::NotSupported);
    }
}
