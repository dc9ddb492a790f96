//! Holm's correction for testing several contrasts at once.

/// Returns the adjusted p-values, in the given order.
///
/// # Source
/// Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        let still_open = (p_values.len() - rank) as f64;
        highest = highest.max((p_values[at] * still_open).min(1.0));
        adjusted[at] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::holm;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn adjusted_p_values_agree_with_statsmodels() {
        for case in golden()["holm"].cases() {
            let found = holm(&case["p"].numbers());
            for (found, expected) in found.iter().zip(case["adjusted"].numbers()) {
                assert_close(*found, expected);
            }
        }
    }

    #[test]
    fn no_contrast_and_one_contrast_need_no_correction() {
        assert_eq!(holm(&[]), [0.0; 0]);
        assert_eq!(holm(&[0.04]), [0.04]);
    }
}
