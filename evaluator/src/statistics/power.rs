//! How small a difference a design can detect: for planning, never in place of the interval.

use super::{LEVEL, normal};

/// Chance of detecting an effect as large as [`minimal_detectable_effect`].
pub(crate) const POWER: f64 = 0.8;

/// Smallest mean of `n` paired differences with this standard deviation that a two-sided test at 1 - [`LEVEL`]
/// detects with chance [`POWER`], by the normal approximation; `None` below two pairs.
pub(crate) fn minimal_detectable_effect(standard_deviation: f64, n: usize) -> Option<f64> {
    (n > 1).then(|| {
        let scores = normal::quantile(f64::midpoint(1.0, LEVEL)) + normal::quantile(POWER);
        scores * standard_deviation / (n as f64).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use super::super::golden::{Golden, assert_close, golden};
    use super::minimal_detectable_effect;

    #[test]
    fn effects_agree_with_scipys_quantiles() {
        for case in golden()["minimal_detectable_effect"].cases() {
            let n = case["n"].number() as usize;
            let found = minimal_detectable_effect(case["sd"].number(), n).expect("pairs");
            assert_close(found, case["effect"].number());
        }
    }

    #[test]
    fn one_pair_detects_nothing() {
        assert_eq!(minimal_detectable_effect(1.0, 1), None);
    }
}
