//! Distributions and their quantiles; the only user of statrs and libm.

use std::f64::consts::{PI, SQRT_2};

use libm::erfc;
use statrs::function::beta::{beta_reg, inv_beta_reg};
use statrs::function::erf::erfc_inv;
use statrs::function::gamma::gamma_ur;

/// Returns the probability that a standard normal variable is at most `z`.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// Returns the `p`-quantile of the standard normal distribution; infinite at 0 and 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let mut z = -SQRT_2 * erfc_inv(2.0 * p);
    // statrs is exact to some 12 digits. A bootstrap interval of 10,000 resamples needs more, and Newton's steps double them.
    for _ in 0..2 {
        let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
        let step = (normal_cdf(z) - p) / density;
        if step.is_finite() {
            z -= step;
        }
    }
    z
}

/// Returns the two-sided p-value of a standard normal score.
pub(crate) fn normal_two_sided_p(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

/// Returns the probability of at most `k` heads in `n` fair coin tosses, for `k` below `n`.
pub(crate) fn fair_coins_cdf(k: usize, n: usize) -> f64 {
    // P(X <= k) of Binomial(n, 1/2) is the regularised incomplete beta function I(1/2; n - k, k + 1).
    beta_reg((n - k) as f64, (k + 1) as f64, 0.5)
}

/// Returns the probability that a chi-squared variable with `degrees` of freedom, at least 1, exceeds `x`.
pub(crate) fn chi_squared_tail(x: f64, degrees: usize) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    gamma_ur(degrees as f64 / 2.0, x / 2.0)
}

/// Returns the `p`-quantile of Student's t with `degrees` of freedom, at least 1, for `p` between 1/2 and 1,
/// exclusive.
pub(crate) fn student_quantile(p: f64, degrees: usize) -> f64 {
    let degrees = degrees as f64;
    // P(|T| > t) is I(x; degrees / 2, 1/2) at x = degrees / (degrees + t^2).
    let x = beta_quantile(2.0 * (1.0 - p), degrees / 2.0, 0.5);
    (degrees * (1.0 - x) / x).sqrt()
}

/// Returns the `p`-quantile of Beta(`a`, `b`).
pub(crate) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    inv_beta_reg(a, b, p)
}

#[cfg(test)]
mod tests {
    use super::{
        beta_quantile, chi_squared_tail, normal_cdf, normal_quantile, normal_two_sided_p,
        student_quantile,
    };
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn the_normal_distribution_and_its_quantile_agree_with_scipy() {
        for case in golden()["normal"].cases() {
            let z = case["z"].number();
            let is_exact = |found: f64, expected: f64| {
                assert!(
                    (found - expected).abs() < 1e-14,
                    "{found}, expected {expected}"
                );
            };
            is_exact(normal_cdf(z), case["cdf"].number());
            assert_close(normal_two_sided_p(z), 2.0 * normal_cdf(-z.abs()));
            is_exact(
                normal_quantile(case["p"].number()),
                case["quantile"].number(),
            );
        }
        let is_infinite = |p: f64, sign: f64| {
            let z = normal_quantile(p);
            z.is_infinite() && z.signum() * sign > 0.0
        };
        assert!(is_infinite(0.0, -1.0));
        assert!(is_infinite(1.0, 1.0));
    }

    #[test]
    fn the_tail_of_chi_squared_agrees_with_scipy() {
        for case in golden()["chi_squared"].cases() {
            let degrees = case["degrees"].number() as usize;
            let found = chi_squared_tail(case["x"].number(), degrees);
            assert_close(found, case["tail"].number());
        }
        assert_close(chi_squared_tail(0.0, 3), 1.0);
    }

    #[test]
    fn quantiles_of_student_and_beta_agree_with_scipy() {
        for case in golden()["student"].cases() {
            let degrees = case["degrees"].number() as usize;
            let found = student_quantile(case["p"].number(), degrees);
            assert_close(found, case["quantile"].number());
        }
        for case in golden()["beta"].cases() {
            let (a, b) = (case["a"].number(), case["b"].number());
            let found = beta_quantile(case["p"].number(), a, b);
            assert_close(found, case["quantile"].number());
        }
    }
}
