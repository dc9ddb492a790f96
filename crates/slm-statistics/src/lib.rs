//! Statistics of paired evaluations: intervals, tests, effect sizes and planning. No I/O, no tensors.
//!
//! The unit is the task: k samples of one task are averaged first ([`task_mean`]), so that n counts tasks and
//! never samples. Functions return `None` if a quantity does not exist (no spread, too few tasks, a value that
//! is not finite), and a bootstrap returns the reason ([`Degenerate`]): none of them returns NaN, an interval
//! without width, or a p-value for data without any difference. Random resampling is seeded, so reports are
//! reproducible.
//!
//! | question | functions |
//! |---|---|
//! | how much did the mean change? | [`bootstrap_mean`], [`bootstrap`] with [`intercept`] (at equal length), [`clustered_mean`] (tasks that share a seed problem) |
//! | could it be chance? | [`sign_flip_p`], [`signed_rank`]; [`exact_mcnemar`] for passed or not |
//! | does any of many settings differ? | [`friedman`], [`friedman_permutation_p`] |
//! | how large is it? | [`SignedRank::rank_biserial`], [`cliffs_delta`], [`Friedman::kendalls_w`] |
//! | which rate? | [`wilson`], [`pass_at_k`], [`exact_lower_limit`] |
//! | several contrasts at once? | [`holm`] |
//! | do raters agree? | [`krippendorff_alpha`] |
//! | how many tasks? | [`power`], [`minimal_detectable_effect`]; [`rates_power`], [`minimal_detectable_rate_difference`] |
//!
//! Values agree with scipy, statsmodels and krippendorff to 1e-9 (`tests/it/golden/`); the coverage of the intervals
//! and the false positive rates of the tests are simulated (`tests/it/coverage.rs`,
//! `tests/it/false_positives.rs`).
//!
//! ```
//! use slm_statistics::{exact_mcnemar, pass_at_k, sign_flip_p};
//!
//! // Of 5 samples 2 passed: a draw of one passes with probability 0.4.
//! let one = pass_at_k(5, 2, 1).unwrap();
//! assert!((one - 0.4).abs() < 1e-12);
//! // The same sign on all of six tasks: 2 of 64 assignments are as extreme.
//! assert_eq!(sign_flip_p(&[1.0; 6], 1), Some(2.0 / 64.0));
//! // Nothing differs, so there is no p-value.
//! assert_eq!(exact_mcnemar(0, 0), None);
//! ```

mod bootstrap;
mod clustered;
mod distribution;
mod effect_size;
mod exact_rate;
mod friedman;
mod holm;
mod krippendorff;
mod mcnemar;
mod paired;
mod pass_at_k;
mod power;
mod regression;
mod sign_flip;
mod signed_rank;
mod wilson;

#[cfg(test)]
mod golden;

pub use bootstrap::{Bootstrap, Degenerate, bootstrap, bootstrap_mean};
pub use clustered::{ClusteredMean, clustered_mean};
pub use effect_size::cliffs_delta;
pub use exact_rate::exact_lower_limit;
pub use friedman::{Friedman, friedman, friedman_permutation_p};
pub use holm::holm;
pub use krippendorff::{RatingLevel, krippendorff_alpha};
pub use mcnemar::exact_mcnemar;
pub use paired::{Pair, differences, task_mean};
pub use pass_at_k::pass_at_k;
pub use power::{
    POWER, minimal_detectable_effect, minimal_detectable_rate_difference, power, rates_power,
};
pub use regression::intercept;
pub use sign_flip::sign_flip_p;
pub use signed_rank::{SignedRank, signed_rank};
pub use wilson::wilson;

use serde::{Deserialize, Serialize};

/// Confidence level of all intervals.
pub const LEVEL: f64 = 0.95;

/// Number of bootstrap resamples, and of patterns in a permutation test.
pub const RESAMPLES: usize = 10_000;

/// A confidence interval at [`LEVEL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Returns the arithmetic mean; `None` without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the standard deviation of a sample (divisor n - 1); `None` for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values)?;
    (values.len() > 1).then(|| {
        let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
        (squares / (values.len() - 1) as f64).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use super::{mean, standard_deviation};

    #[test]
    fn nothing_has_no_mean_and_one_value_no_spread() {
        assert_eq!((mean(&[]), standard_deviation(&[])), (None, None));
        assert_eq!(
            (mean(&[3.0]), standard_deviation(&[3.0])),
            (Some(3.0), None)
        );
        assert_eq!(standard_deviation(&[2.0; 5]), Some(0.0));
    }
}
