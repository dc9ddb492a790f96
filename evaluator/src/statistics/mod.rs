//! Statistics of paired evaluations, without I/O.
//!
//! The unit is the task: k samples of one task are averaged first, so that n counts tasks and never samples.
//! Functions answer `None` where a quantity does not exist (no spread, too few tasks); none of them returns
//! NaN for finite input. Random resampling is seeded, so a report made twice reads the same.
//!
//! Checked against scipy and statsmodels to 1e-9: `tests/it/golden/statistics/`.

mod bootstrap;
mod effect_size;
mod holm;
mod mcnemar;
mod normal;
mod paired;
mod pass_at_k;
mod power;
mod regression;
mod sign_flip;
mod signed_rank;
mod wilson;

#[cfg(test)]
mod golden;

pub(crate) use bootstrap::{bootstrap, bootstrap_mean};
pub(crate) use effect_size::cliffs_delta;
pub(crate) use holm::holm;
pub(crate) use mcnemar::exact_mcnemar;
pub(crate) use paired::{Pair, differences, task_mean};
pub(crate) use pass_at_k::pass_at_k;
pub(crate) use power::{POWER, minimal_detectable_effect};
pub(crate) use regression::intercept;
pub(crate) use sign_flip::sign_flip_p;
pub(crate) use signed_rank::signed_rank;
pub(crate) use wilson::wilson;

use serde::{Deserialize, Serialize};

/// Confidence level of every interval.
pub(crate) const LEVEL: f64 = 0.95;

/// Resamples of a bootstrap and sign patterns of a permutation test.
pub(crate) const RESAMPLES: usize = 10_000;

/// A confidence interval at [`LEVEL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Lower end.
    pub(crate) low: f64,
    /// Upper end.
    pub(crate) high: f64,
}

/// Arithmetic mean; `None` of nothing.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Standard deviation of a sample (divisor n - 1); `None` below two values.
pub(crate) fn standard_deviation(values: &[f64]) -> Option<f64> {
    let center = mean(values)?;
    (values.len() > 1).then(|| {
        let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
        (squares / (values.len() - 1) as f64).sqrt()
    })
}
