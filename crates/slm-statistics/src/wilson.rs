//! Wilson's confidence interval of a rate.

use crate::distribution::normal_quantile;
use crate::{Interval, LEVEL};

/// Returns the interval at [`LEVEL`] of the rate for `successes` out of `trials`; `None` without trials.
///
/// # Source
/// Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22.
pub fn wilson(successes: usize, trials: usize) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let n = trials as f64;
    let rate = successes as f64 / n;
    let z = normal_quantile(f64::midpoint(1.0, LEVEL));
    let shrink = 1.0 + z * z / n;
    let center = (rate + z * z / (2.0 * n)) / shrink;
    let reach = z / shrink * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    // For 0 or n successes the ends are exactly 0 or 1, which rounding would miss.
    Some(Interval {
        low: if successes == 0 { 0.0 } else { center - reach },
        high: if successes == trials {
            1.0
        } else {
            center + reach
        },
    })
}

#[cfg(test)]
mod tests {
    use super::wilson;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn intervals_agree_with_statsmodels() {
        for case in golden()["wilson"].cases() {
            let counts = case["counts"].numbers();
            let found = wilson(counts[0] as usize, counts[1] as usize).expect("trials");
            assert_close(found.low, case["interval"].numbers()[0]);
            assert_close(found.high, case["interval"].numbers()[1]);
        }
    }

    #[test]
    fn no_trials_have_no_interval() {
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn a_single_trial_leaves_most_rates_possible() {
        let found = wilson(1, 1).expect("a trial");
        assert!(found.low > 0.0 && found.low < 0.25, "{found:?}");
        assert!((found.high - 1.0).abs() < 1e-15, "{found:?}");
    }
}
