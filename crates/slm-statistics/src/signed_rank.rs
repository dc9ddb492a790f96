//! Wilcoxon's signed-rank test with Pratt's treatment of zeros, and its effect size.

use crate::distribution::normal_two_sided_p;

/// Result of a signed-rank test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignedRank {
    /// Two-sided p-value by the normal approximation, corrected for ties, without continuity correction.
    pub p: f64,
    /// Matched-pairs rank-biserial correlation, -1 to 1: (R+ - R-) / (R+ + R-).
    pub rank_biserial: f64,
}

/// Tests whether `differences` are symmetric about 0; `None` if all of them are zero, or one is not finite.
///
/// Zeros are ranked and then dropped, which is relevant here: with greedy decoding a third of all tasks have
/// equal values. Same as scipy's `wilcoxon(zero_method="pratt", method="asymptotic", correction=False)`.
///
/// # Source
/// Pratt 1959, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", JASA 54. The effect size,
/// over the remaining ranks: Kerby 2014, "The simple difference formula", Comprehensive Psychology 3.
pub fn signed_rank(differences: &[f64]) -> Option<SignedRank> {
    if differences.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    let mut by_size: Vec<f64> = differences.to_vec();
    by_size.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = by_size.len() as f64;
    let zeros = by_size.iter().filter(|&&d| d == 0.0).count() as f64;
    if zeros >= n {
        return None;
    }

    let (mut positive, mut negative, mut ties) = (0.0, 0.0, 0.0);
    let mut rank_before = 0.0;
    for group in by_size.chunk_by(|a, b| a.abs().total_cmp(&b.abs()).is_eq()) {
        let size = group.len() as f64;
        let rank = rank_before + f64::midpoint(size, 1.0);
        rank_before += size;
        if group[0] == 0.0 {
            continue;
        }
        ties += size * (size * size - 1.0);
        let above = group.iter().filter(|&&d| d > 0.0).count() as f64;
        positive += rank * above;
        negative += rank * (size - above);
    }

    let expected = (n * (n + 1.0) - zeros * (zeros + 1.0)) / 4.0;
    let variance = (n * (n + 1.0) * (2.0 * n + 1.0)
        - zeros * (zeros + 1.0) * (2.0 * zeros + 1.0)
        - ties / 2.0)
        / 24.0;
    Some(SignedRank {
        p: normal_two_sided_p((positive - expected) / variance.sqrt()),
        rank_biserial: (positive - negative) / (positive + negative),
    })
}

#[cfg(test)]
mod tests {
    use super::signed_rank;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn p_values_and_effect_sizes_agree_with_scipy() {
        for case in golden()["signed_rank"].cases() {
            let found = signed_rank(&case["differences"].numbers()).expect("a nonzero difference");
            assert_close(found.p, case["p"].number());
            assert_close(found.rank_biserial, case["rank_biserial"].number());
        }
    }

    #[test]
    fn zeros_alone_and_values_that_are_not_finite_have_no_test() {
        assert_eq!(signed_rank(&[f64::NAN, 1.0]), None);
        assert_eq!(signed_rank(&[]), None);
        assert_eq!(signed_rank(&[0.0, -0.0]), None);
    }

    #[test]
    fn one_nonzero_difference_gives_a_finite_p() {
        let found = signed_rank(&[0.0, 2.0]).expect("a nonzero difference");
        assert!(found.p > 0.0 && found.p < 1.0, "{found:?}");
        assert!((found.rank_biserial - 1.0).abs() < 1e-15);
    }
}
