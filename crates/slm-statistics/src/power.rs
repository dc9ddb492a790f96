//! Statistical power of a design: for planning, never as a substitute for the interval.
//!
//! All functions use the normal approximation, for two-sided tests at 1 - [`LEVEL`].

use crate::LEVEL;
use crate::distribution::{normal_cdf, normal_quantile};

/// Probability of detecting an effect of the size of [`minimal_detectable_effect`].
pub const POWER: f64 = 0.8;

/// Returns the probability that a test of `n` paired differences with this standard deviation detects a true
/// mean of `effect`.
///
/// `None` for fewer than two pairs or without spread.
pub fn power(effect: f64, standard_deviation: f64, n: usize) -> Option<f64> {
    (n > 1 && standard_deviation > 0.0).then(|| {
        let shift = effect * (n as f64).sqrt() / standard_deviation;
        beyond(critical(), shift, 1.0)
    })
}

/// Returns the smallest mean of `n` paired differences with this standard deviation that is detected with
/// probability [`POWER`]; `None` for fewer than two pairs or without spread.
pub fn minimal_detectable_effect(standard_deviation: f64, n: usize) -> Option<f64> {
    (n > 1 && standard_deviation > 0.0).then(|| {
        let scores = critical() + normal_quantile(POWER);
        scores * standard_deviation / (n as f64).sqrt()
    })
}

/// Returns the probability that a test of paired outcomes, passed or not, detects a true `difference` of the
/// pass rates.
///
/// `discordant` is the share of the `n` tasks that exactly one arm passes. `None` for fewer than two tasks, or
/// if no two rates have these values: the difference is at most the discordant share, which is at most 1.
///
/// # Source
/// Connor 1987, "Sample size for testing differences in proportions for the paired-sample design", Biometrics
/// 43, which uses the normal approximation of McNemar's test; [`exact_mcnemar`](crate::exact_mcnemar) has
/// slightly less power.
pub fn rates_power(difference: f64, discordant: f64, n: usize) -> Option<f64> {
    let possible = discordant > 0.0 && discordant <= 1.0 && difference.abs() <= discordant;
    (n > 1 && possible).then(|| {
        // A task's difference is -1, 0 or 1: its variance is `discordant` under the null, otherwise reduced by
        // the mean's square.
        let spread = (discordant - difference * difference).sqrt();
        beyond(
            critical() * discordant.sqrt(),
            difference * (n as f64).sqrt(),
            spread,
        )
    })
}

/// Returns the smallest difference of pass rates that a test of paired outcomes detects with probability [`POWER`].
///
/// `discordant` and source as in [`rates_power`]. `None` for fewer than two tasks, or if even the largest
/// difference that the discordant share allows is not detected.
pub fn minimal_detectable_rate_difference(discordant: f64, n: usize) -> Option<f64> {
    if n < 2 || discordant <= 0.0 || discordant > 1.0 {
        return None;
    }
    // Solves d sqrt(n) = critical x sqrt(s) + score x sqrt(s - d^2) for d, where s is `discordant`.
    let (n, critical, score) = (n as f64, critical(), normal_quantile(POWER));
    let under_root = n - critical * critical + score * score;
    if under_root < 0.0 {
        return None;
    }
    let difference =
        discordant.sqrt() * (critical * n.sqrt() + score * under_root.sqrt()) / (n + score * score);
    (difference <= discordant).then_some(difference)
}

/// Returns the score beyond which a test is significant.
fn critical() -> f64 {
    normal_quantile(f64::midpoint(1.0, LEVEL))
}

/// Returns the probability that a normal score with mean `shift` and this spread, which may be 0, is beyond
/// `limit` on either side.
fn beyond(limit: f64, shift: f64, spread: f64) -> f64 {
    normal_cdf((shift - limit) / spread) + normal_cdf((-shift - limit) / spread)
}

#[cfg(test)]
mod tests {
    use super::{
        POWER, minimal_detectable_effect, minimal_detectable_rate_difference, power, rates_power,
    };
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn effects_agree_with_scipys_quantiles() {
        for case in golden()["minimal_detectable_effect"].cases() {
            let n = case["n"].number() as usize;
            let found = minimal_detectable_effect(case["sd"].number(), n).expect("pairs");
            assert_close(found, case["effect"].number());
        }
    }

    #[test]
    fn powers_agree_with_statsmodels() {
        for case in golden()["power"].cases() {
            let n = case["n"].number() as usize;
            let found = power(case["effect"].number(), case["sd"].number(), n);
            assert_close(found.expect("pairs"), case["power"].number());
        }
        for case in golden()["rates_power"].cases() {
            let (difference, n) = (case["difference"].number(), case["n"].number() as usize);
            let found = rates_power(difference, case["discordant"].number(), n);
            assert_close(found.expect("possible rates"), case["power"].number());
        }
    }

    #[test]
    fn rate_differences_agree_with_scipys_root_of_statsmodels_power() {
        for case in golden()["minimal_detectable_rate_difference"].cases() {
            let (discordant, n) = (case["discordant"].number(), case["n"].number() as usize);
            let found = minimal_detectable_rate_difference(discordant, n).expect("detectable");
            assert_close(found, case["difference"].number());
        }
    }

    #[test]
    fn the_minimal_effect_is_detected_with_the_declared_power() {
        for n in [10, 164, 542] {
            let effect = minimal_detectable_effect(14.3, n).expect("pairs");
            let found = power(effect, 14.3, n).expect("pairs");
            // The far tail, which the effect ignores, adds a millionth.
            assert!((found - POWER).abs() < 1e-5, "{n}: {found}");
            assert_close(found, power(-effect, 14.3, n).expect("pairs"));
        }
    }

    #[test]
    fn no_effect_is_found_as_often_as_the_level_says() {
        assert_close(power(0.0, 14.3, 164).expect("pairs"), 0.05);
        assert_close(rates_power(0.0, 0.3, 164).expect("possible"), 0.05);
    }

    #[test]
    fn one_pair_or_no_spread_detects_nothing() {
        assert_eq!(minimal_detectable_effect(1.0, 1), None);
        assert_eq!(minimal_detectable_effect(0.0, 40), None);
        assert_eq!(minimal_detectable_effect(f64::NAN, 40), None);
        assert_eq!((power(1.0, 1.0, 0), power(1.0, 1.0, 1)), (None, None));
        assert_eq!(power(1.0, 0.0, 40), None);
        assert_eq!(rates_power(0.1, 0.2, 1), None);
        assert_eq!(minimal_detectable_rate_difference(0.2, 1), None);
    }

    #[test]
    fn rates_that_cannot_be_have_no_power() {
        for (difference, discordant) in [(0.3, 0.2), (-0.3, 0.2), (0.0, 0.0), (0.5, 1.1)] {
            assert_eq!(rates_power(difference, discordant, 164), None);
        }
        assert_eq!(minimal_detectable_rate_difference(0.0, 164), None);
        assert_eq!(minimal_detectable_rate_difference(1.5, 164), None);
    }

    #[test]
    fn arms_that_hardly_ever_disagree_detect_no_difference() {
        // One discordant task of 164: even if it is a gain, no test is significant.
        assert_eq!(minimal_detectable_rate_difference(1.0 / 164.0, 164), None);
        for n in 2..6 {
            assert_eq!(minimal_detectable_rate_difference(0.5, n), None);
        }
    }

    #[test]
    fn arms_that_always_disagree_in_one_direction_are_told_apart() {
        assert_close(rates_power(1.0, 1.0, 164).expect("possible"), 1.0);
        assert_close(rates_power(1.0, 1.0, 2).expect("possible"), 0.0);
    }
}
