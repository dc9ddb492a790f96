//! Bootstrap confidence intervals over tasks: bias-corrected and accelerated (BCa), and percentile.

use std::fmt;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::distribution::{normal_cdf, normal_quantile};
use crate::{Interval, LEVEL, RESAMPLES, mean};

/// Relative tolerance within which two resampled values count as equal: sums of the same numbers in another
/// order differ by rounding.
const TIE: f64 = 1e-12;

/// Bootstrap intervals of an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// BCa interval; equal to `percentile` if the correction does not exist or results in no width.
    pub bca: Interval,
    /// Percentile interval of the resampled values.
    pub percentile: Interval,
}

/// Why no bootstrap interval exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degenerate {
    /// Fewer than two values: one value contains no information about the spread.
    TooFew,
    /// Every resample has the same result, for example because all values are equal. An interval without width
    /// would claim certainty, which values without spread do not justify.
    NoSpread,
    /// A resample has the result NaN or infinity.
    NotFinite,
}

impl fmt::Display for Degenerate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFew => "fewer than two values",
            Self::NoSpread => "no spread between resamples",
            Self::NotFinite => "a value that is not finite",
        })
    }
}

impl std::error::Error for Degenerate {}

/// Returns the intervals of the mean of `values`, see [`bootstrap`].
///
/// # Errors
/// As [`bootstrap`].
pub fn bootstrap_mean(values: &[f64], seed: u64) -> Result<Bootstrap, Degenerate> {
    bootstrap(values.len(), seed, |rows| {
        rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
    })
}

/// Returns the intervals at [`LEVEL`] of a statistic of `n` tasks, from [`RESAMPLES`] resamples.
///
/// `statistic` receives the rows of a resample (n of them; n - 1 for the jackknife). The same n and seed use
/// the same resamples.
///
/// # Errors
/// [`Degenerate`] if the data have no interval; scipy warns and returns NaN then.
pub fn bootstrap(
    n: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> f64,
) -> Result<Bootstrap, Degenerate> {
    if n < 2 {
        return Err(Degenerate::TooFew);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = vec![0; n];
    // Drawn as u32, which takes a third of the time of usize.
    let end = u32::try_from(n).expect("fewer tasks than u32 counts");
    let resampled = (0..RESAMPLES)
        .map(|_| {
            rows.fill_with(|| rng.random_range(0..end) as usize);
            statistic(&rows)
        })
        .collect();
    intervals(n, resampled, statistic)
}

/// Computes both intervals from the resampled values.
///
/// # Errors
/// A value is not finite, or all are equal up to rounding.
/// # Source
/// Efron 1987, "Better bootstrap confidence intervals", JASA 82; ties count half in the bias correction, as in scipy.
fn intervals(
    n: usize,
    mut resampled: Vec<f64>,
    statistic: impl Fn(&[usize]) -> f64,
) -> Result<Bootstrap, Degenerate> {
    if resampled.iter().any(|value| !value.is_finite()) {
        return Err(Degenerate::NotFinite);
    }
    resampled.sort_by(f64::total_cmp);
    let tails = [(1.0 - LEVEL) / 2.0, f64::midpoint(1.0, LEVEL)];
    let percentile = Interval {
        low: sorted_quantile(&resampled, tails[0]),
        high: sorted_quantile(&resampled, tails[1]),
    };
    if !has_width(percentile) {
        return Err(Degenerate::NoSpread);
    }

    let all: Vec<usize> = (0..n).collect();
    let bias = bias_correction(&resampled, statistic(&all));
    let acceleration = acceleration(n, statistic);
    let corrected = tails.map(|tail| {
        let z = bias + normal_quantile(tail);
        normal_cdf(bias + z / (1.0 - acceleration * z))
    });
    // If all resamples are on one side of the estimate, the correction is infinite.
    let exists = corrected.iter().all(|level| level.is_finite()) && bias.is_finite();
    let bca = exists
        .then(|| Interval {
            low: sorted_quantile(&resampled, corrected[0]),
            high: sorted_quantile(&resampled, corrected[1]),
        })
        .filter(|&bca| has_width(bca))
        .unwrap_or(percentile);
    Ok(Bootstrap { bca, percentile })
}

/// Returns whether the ends differ by more than rounding.
fn has_width(interval: Interval) -> bool {
    let size = interval.low.abs().max(interval.high.abs());
    interval.high - interval.low > TIE * size
}

/// Returns the normal quantile of the share of resamples below the estimate, with ties counted half.
fn bias_correction(resampled: &[f64], estimate: f64) -> f64 {
    let tie = TIE * estimate.abs().max(1.0);
    let below = resampled
        .iter()
        .filter(|&&value| value < estimate - tie)
        .count();
    let not_above = resampled
        .iter()
        .filter(|&&value| value <= estimate + tie)
        .count();
    normal_quantile((below + not_above) as f64 / (2 * resampled.len()) as f64)
}

/// Returns a sixth of the skewness of the jackknife influences; 0 if nothing varies.
fn acceleration(n: usize, statistic: impl Fn(&[usize]) -> f64) -> f64 {
    let without: Vec<f64> = (0..n)
        .map(|left_out| {
            let rows: Vec<usize> = (0..n).filter(|&row| row != left_out).collect();
            statistic(&rows)
        })
        .collect();
    let center = mean(&without).unwrap_or_default();
    let (cubes, squares) = without.iter().fold((0.0, 0.0), |(cubes, squares), value| {
        let influence = center - value;
        (cubes + influence.powi(3), squares + influence.powi(2))
    });
    // The factors of n cancel: (sum u^3) / (6 (sum u^2)^(3/2)).
    if squares > TIE * TIE * center.powi(2).max(1.0) {
        cubes / (6.0 * squares.powf(1.5))
    } else {
        0.0
    }
}

/// Returns the quantile with linear interpolation between order statistics, numpy's default.
fn sorted_quantile(sorted: &[f64], level: f64) -> f64 {
    let position = level.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor();
    let (low, high) = (sorted[below as usize], sorted[position.ceil() as usize]);
    low + (high - low) * (position - below)
}

#[cfg(test)]
mod tests {
    use super::{Degenerate, bootstrap, bootstrap_mean, intervals};
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn intervals_agree_with_scipy_on_the_same_resamples() {
        for case in golden()["bootstrap"].cases() {
            let values = case["values"].numbers();
            let mean_of = |rows: &[usize]| {
                rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
            };
            let resampled = case["indices"]
                .rows()
                .iter()
                .map(|rows| mean_of(rows))
                .collect();
            let found = intervals(values.len(), resampled, mean_of).expect("a spread");
            assert_close(found.bca.low, case["bca"].numbers()[0]);
            assert_close(found.bca.high, case["bca"].numbers()[1]);
            assert_close(found.percentile.low, case["percentile"].numbers()[0]);
            assert_close(found.percentile.high, case["percentile"].numbers()[1]);
        }
    }

    #[test]
    fn our_own_resamples_come_close_to_scipys() {
        let case = &golden()["bootstrap_large"];
        let found = bootstrap_mean(&case["values"].numbers(), 1).expect("enough values");
        let expected = case["bca"].numbers();
        let width = expected[1] - expected[0];
        assert!(
            (found.bca.low - expected[0]).abs() < 0.03 * width,
            "{found:?}"
        );
        assert!(
            (found.bca.high - expected[1]).abs() < 0.03 * width,
            "{found:?}"
        );
    }

    #[test]
    fn equal_values_have_no_interval_whatever_their_size() {
        for value in [0.0, 0.1, -1e9, 1e-300] {
            for n in [2, 7, 40] {
                let found = bootstrap_mean(&vec![value; n], 1);
                assert_eq!(found, Err(Degenerate::NoSpread), "{n} times {value}");
            }
        }
    }

    #[test]
    fn fewer_than_two_values_have_no_interval() {
        assert_eq!(bootstrap_mean(&[], 1), Err(Degenerate::TooFew));
        assert_eq!(bootstrap_mean(&[4.0], 1), Err(Degenerate::TooFew));
        assert_eq!(bootstrap_mean(&[f64::NAN], 1), Err(Degenerate::TooFew));
    }

    #[test]
    fn values_that_are_not_finite_have_no_interval() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let found = bootstrap_mean(&[1.0, value, 3.0], 1);
            assert_eq!(found, Err(Degenerate::NotFinite), "{value}");
        }
        let found = bootstrap(3, 1, |_| f64::NAN);
        assert_eq!(found, Err(Degenerate::NotFinite));
    }

    #[test]
    fn one_value_that_differs_gives_a_width() {
        let mut values = [0.0; 40];
        values[7] = 1.0;
        let found = bootstrap_mean(&values, 1).expect("a spread");
        assert!(
            found.bca.low <= 0.025 && found.bca.high > 0.025,
            "{found:?}"
        );
    }

    #[test]
    fn the_seed_decides_the_interval() {
        let values = [1.0, 4.0, -2.0, 8.0, 0.5, 3.0];
        assert_eq!(bootstrap_mean(&values, 1), bootstrap_mean(&values, 1));
        assert_ne!(bootstrap_mean(&values, 1), bootstrap_mean(&values, 2));
    }

    #[test]
    fn no_input_of_two_or_three_values_gives_nan() {
        for values in [
            [0.0, 0.0, 1e9],
            [1.0, -1.0, 0.0],
            [1e-300, 0.0, 0.0],
            [5.0, 5.0, 5.0 + 1e-15],
        ] {
            for values in [&values[..2], &values[..]] {
                match bootstrap_mean(values, 1) {
                    Ok(found) => assert!(found.bca.low < found.bca.high, "{values:?}: {found:?}"),
                    Err(why) => assert_eq!(why, Degenerate::NoSpread, "{values:?}"),
                }
            }
        }
    }
}
