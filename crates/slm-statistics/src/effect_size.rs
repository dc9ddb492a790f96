//! Cliff's delta: how often a value of one arm exceeds a value of the other.

use std::cmp::Ordering;

/// Returns the share of pairs (one value of each arm) with `adapter` above `base`, minus the share below; -1 to 1.
///
/// It compares the two distributions and ignores the pairing. `None` if either arm has no values, or a value is NaN.
///
/// # Source
/// Cliff 1993, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychological Bulletin 114.
pub fn cliffs_delta(base: &[f64], adapter: &[f64]) -> Option<f64> {
    let has_nan = base.iter().chain(adapter).any(|value| value.is_nan());
    if base.is_empty() || adapter.is_empty() || has_nan {
        return None;
    }
    let dominance: i64 = adapter
        .iter()
        .flat_map(|a| base.iter().map(move |b| a.total_cmp(b)))
        .map(|order| match order {
            Ordering::Greater => 1,
            Ordering::Equal => 0,
            Ordering::Less => -1,
        })
        .sum();
    Some(dominance as f64 / (base.len() * adapter.len()) as f64)
}

#[cfg(test)]
mod tests {
    use super::cliffs_delta;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn delta_agrees_with_scipys_mann_whitney_u() {
        for case in golden()["cliffs_delta"].cases() {
            let found = cliffs_delta(&case["base"].numbers(), &case["adapter"].numbers());
            assert_close(found.expect("values"), case["delta"].number());
        }
    }

    #[test]
    fn an_empty_arm_has_no_delta() {
        assert_eq!(cliffs_delta(&[], &[1.0]), None);
        assert_eq!(cliffs_delta(&[1.0], &[]), None);
        assert_eq!(cliffs_delta(&[1.0], &[f64::NAN]), None);
    }

    #[test]
    fn equal_values_dominate_nothing() {
        assert_eq!(cliffs_delta(&[2.0; 3], &[2.0; 4]), Some(0.0));
        assert_eq!(cliffs_delta(&[1.0], &[2.0]), Some(1.0));
    }
}
