//! Cliff's delta: how often a value of one arm exceeds one of the other.

use std::cmp::Ordering;

/// Share of pairs (one value each) with `adapter` above `base`, less the share below; -1 to 1.
///
/// It compares the two distributions and ignores the pairing. `None` if either arm has no values.
pub(crate) fn cliffs_delta(base: &[f64], adapter: &[f64]) -> Option<f64> {
    if base.is_empty() || adapter.is_empty() {
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
    use super::super::golden::{Golden, assert_close, golden};
    use super::cliffs_delta;

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
    }
}
