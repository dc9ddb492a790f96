//! The standard normal distribution; with `mcnemar.rs` the only user of statrs.

use std::f64::consts::SQRT_2;

use statrs::function::erf::{erfc, erfc_inv};

/// Probability that a standard normal variable is at most `z`.
pub(super) fn cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// The value that a standard normal variable stays below with probability `p`; infinite at 0 and 1.
pub(super) fn quantile(p: f64) -> f64 {
    -SQRT_2 * erfc_inv(2.0 * p)
}

/// Two-sided p-value of a standard normal score.
pub(super) fn two_sided_p(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_close, golden};
    use super::{cdf, quantile};

    #[test]
    fn distribution_and_quantile_agree_with_scipy() {
        for case in golden()["normal"].cases() {
            assert_close(cdf(case["z"].number()), case["cdf"].number());
            assert_close(quantile(case["p"].number()), case["quantile"].number());
        }
    }
}
