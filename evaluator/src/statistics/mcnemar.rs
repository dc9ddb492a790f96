//! The exact test of paired successes: do two arms pass equally many tasks?

use statrs::function::beta::beta_reg;

/// Two-sided p-value of the tasks that only one arm passed; 1 if there are none.
///
/// Under the null each of them falls to either arm with probability 1/2, so the count is binomial.
pub(crate) fn exact_mcnemar(base_only: usize, adapter_only: usize) -> f64 {
    let (fewer, all) = (base_only.min(adapter_only), base_only + adapter_only);
    if 2 * fewer >= all {
        return 1.0;
    }
    // P(X <= k) of Binomial(n, 1/2) is the regularised incomplete beta function I(1/2; n - k, k + 1).
    let tail = beta_reg((all - fewer) as f64, (fewer + 1) as f64, 0.5);
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_close, golden};
    use super::exact_mcnemar;

    #[test]
    fn p_values_agree_with_statsmodels() {
        for case in golden()["mcnemar"].cases() {
            let counts = case["discordant"].numbers();
            let found = exact_mcnemar(counts[0] as usize, counts[1] as usize);
            assert_close(found, case["p"].number());
        }
    }

    #[test]
    fn arms_that_never_disagree_give_one() {
        assert_close(exact_mcnemar(0, 0), 1.0);
    }
}
