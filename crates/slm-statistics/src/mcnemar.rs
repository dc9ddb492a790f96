//! McNemar's exact test of paired successes: whether two arms pass equally many tasks.

use crate::distribution::fair_coins_cdf;

/// Returns the two-sided p-value for the tasks that only one arm passed; `None` without such tasks.
///
/// Under the null hypothesis each of them belongs to either arm with probability 1/2, so the count is binomial.
///
/// # Source
/// McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages",
/// Psychometrika 12.
pub fn exact_mcnemar(base_only: usize, adapter_only: usize) -> Option<f64> {
    let (fewer, all) = (base_only.min(adapter_only), base_only + adapter_only);
    if all == 0 {
        return None;
    }
    if 2 * fewer >= all {
        return Some(1.0);
    }
    Some((2.0 * fair_coins_cdf(fewer, all)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::exact_mcnemar;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn p_values_agree_with_statsmodels() {
        for case in golden()["mcnemar"].cases() {
            let counts = case["discordant"].numbers();
            let found = exact_mcnemar(counts[0] as usize, counts[1] as usize);
            assert_close(found.expect("a test"), case["p"].number());
        }
    }

    #[test]
    fn arms_that_never_disagree_have_no_test() {
        assert_eq!(exact_mcnemar(0, 0), None);
    }

    #[test]
    fn as_many_losses_as_gains_give_one_and_a_single_task_too() {
        assert_eq!(exact_mcnemar(6, 6), Some(1.0));
        assert_close(exact_mcnemar(1, 0).expect("a test"), 1.0);
    }
}
