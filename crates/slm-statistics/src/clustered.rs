//! A mean over tasks in clusters, such as variations of one seed problem.

use std::collections::BTreeMap;

use crate::distribution::student_quantile;
use crate::{Interval, LEVEL, mean};

/// A standard error below this share of the mean is due to rounding.
const TIE: f64 = 1e-12;

/// A mean whose standard error allows for any correlation of the values within a cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredMean {
    /// Mean over all values with equal weight, regardless of cluster sizes.
    pub mean: f64,
    /// Cluster-robust standard error, corrected for the number of clusters (CR1).
    pub standard_error: f64,
    /// Without that correction (CR0), which is too small for few clusters.
    pub uncorrected_standard_error: f64,
    /// Number of clusters.
    pub clusters: usize,
    /// Confidence interval by Student's t with one degree of freedom fewer than clusters; `None` if the
    /// standard error is 0 up to rounding, as for equal values.
    pub interval: Option<Interval>,
}

/// Returns the mean of `values`; those with equal `clusters` are not independent.
///
/// Same as statsmodels' least squares on a constant with `cov_type="cluster", use_t=True`. If every value has a
/// separate cluster, the standard error is the ordinary one. `None` for fewer than two clusters, since one
/// contains no information about the spread between clusters, and if a value is not finite.
///
/// # Panics
/// If the two slices differ in length.
/// # Source
/// Liang and Zeger 1986, "Longitudinal data analysis using generalized linear models", Biometrika 73; corrections as in
/// Cameron and Miller 2015, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50; for
/// evaluations of language models: Miller 2024, arXiv:2411.00640.
pub fn clustered_mean<C: Ord>(values: &[f64], clusters: &[C]) -> Option<ClusteredMean> {
    assert_eq!(values.len(), clusters.len(), "each value has one cluster");
    let center = mean(values).filter(|center| center.is_finite())?;
    let mut residuals: BTreeMap<&C, f64> = BTreeMap::new();
    for (value, cluster) in values.iter().zip(clusters) {
        *residuals.entry(cluster).or_default() += value - center;
    }
    let count = residuals.len();
    if count < 2 {
        return None;
    }
    let squares: f64 = residuals.values().map(|sum| sum * sum).sum();
    let uncorrected = squares.sqrt() / values.len() as f64;
    // In the general factor G / (G - 1) x (n - 1) / (n - p), p is 1 here, since only a mean is estimated.
    let standard_error = uncorrected * (count as f64 / (count - 1) as f64).sqrt();
    let reach = standard_error * student_quantile(f64::midpoint(1.0, LEVEL), count - 1);
    Some(ClusteredMean {
        mean: center,
        standard_error,
        uncorrected_standard_error: uncorrected,
        clusters: count,
        interval: (standard_error > TIE * center.abs()).then_some(Interval {
            low: center - reach,
            high: center + reach,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::clustered_mean;
    use crate::golden::{Golden, assert_close, golden};
    use crate::standard_deviation;

    #[test]
    fn standard_errors_and_intervals_agree_with_statsmodels() {
        for case in golden()["clustered"].cases() {
            let clusters: Vec<usize> = case["clusters"]
                .numbers()
                .iter()
                .map(|&c| c as usize)
                .collect();
            let found = clustered_mean(&case["values"].numbers(), &clusters).expect("clusters");
            assert_close(found.mean, case["mean"].number());
            assert_close(found.uncorrected_standard_error, case["cr0"].number());
            assert_close(found.standard_error, case["cr1"].number());
            let interval = found.interval.expect("a spread");
            assert_close(interval.low, case["interval"].numbers()[0]);
            assert_close(interval.high, case["interval"].numbers()[1]);
        }
    }

    #[test]
    fn clusters_of_one_value_give_the_ordinary_standard_error() {
        let values = [3.0, -1.0, 4.0, 1.5, -5.0];
        let found = clustered_mean(&values, &["a", "b", "c", "d", "e"]).expect("clusters");
        let ordinary = standard_deviation(&values).expect("values") / 5.0_f64.sqrt();
        assert_close(found.standard_error, ordinary);
    }

    #[test]
    fn copies_of_a_task_add_no_certainty() {
        let once = clustered_mean(&[3.0, -1.0, 4.0], &[1, 2, 3]).expect("clusters");
        let values = [3.0, 3.0, -1.0, -1.0, 4.0, 4.0];
        let twice = clustered_mean(&values, &[1, 1, 2, 2, 3, 3]).expect("clusters");
        assert_close(twice.standard_error, once.standard_error);
        let low = |found: super::ClusteredMean| found.interval.expect("a spread").low;
        assert_close(low(twice), low(once));
    }

    #[test]
    fn the_names_and_the_order_of_clusters_do_not_matter() {
        let a = clustered_mean(&[3.0, -1.0, 4.0, 2.0], &[1, 2, 1, 3]).expect("clusters");
        let b = clustered_mean(&[2.0, 4.0, -1.0, 3.0], &["x", "z", "y", "z"]).expect("clusters");
        assert_close(a.standard_error, b.standard_error);
    }

    #[test]
    fn equal_values_have_no_interval() {
        for value in [0.0, 0.1, -7e9] {
            let found = clustered_mean(&[value; 4], &[1, 1, 2, 3]).expect("clusters");
            assert_eq!(found.interval, None, "{value}: {found:?}");
        }
        assert_eq!(clustered_mean(&[1.0, f64::NAN], &[1, 2]), None);
    }

    #[test]
    fn fewer_than_two_clusters_have_no_error() {
        assert_eq!(clustered_mean::<u8>(&[], &[]), None);
        assert_eq!(clustered_mean(&[1.0], &[7]), None);
        assert_eq!(clustered_mean(&[1.0, 2.0, 5.0], &[7, 7, 7]), None);
    }
}
