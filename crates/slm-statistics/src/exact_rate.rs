//! Exact lower confidence limit of a rate, from the binomial distribution.

use crate::distribution::beta_quantile;

/// Returns the one-sided lower limit of the rate for `successes` out of `trials`, at `confidence` (between 0 and 1).
///
/// With at least this confidence the rate is no lower; 0 without successes. `None` without trials or if there
/// are more successes than trials.
///
/// # Source
/// Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial",
/// Biometrika 26.
pub fn exact_lower_limit(successes: usize, trials: usize, confidence: f64) -> Option<f64> {
    if trials == 0 || successes > trials {
        return None;
    }
    if successes == 0 {
        return Some(0.0);
    }
    // P(X >= k) of Binomial(n, p) is I(p; k, n - k + 1), and the limit is the p at which it is 1 - confidence.
    let (k, failures) = (successes as f64, (trials - successes) as f64);
    Some(beta_quantile(1.0 - confidence, k, failures + 1.0))
}

#[cfg(test)]
mod tests {
    use super::exact_lower_limit;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn limits_agree_with_scipy() {
        for case in golden()["exact_lower_limit"].cases() {
            let counts = case["counts"].numbers();
            let confidence = case["confidence"].number();
            let found = exact_lower_limit(counts[0] as usize, counts[1] as usize, confidence);
            assert_close(found.expect("trials"), case["limit"].number());
        }
    }

    #[test]
    fn no_trials_and_impossible_counts_have_no_limit() {
        assert_eq!(exact_lower_limit(0, 0, 0.99), None);
        assert_eq!(exact_lower_limit(4, 3, 0.99), None);
        assert_eq!(exact_lower_limit(0, 1, 0.99), Some(0.0));
    }
}
