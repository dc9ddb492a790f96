//! pass@k: the probability that at least one of k samples passes.

/// Returns the unbiased estimate from `n` samples of one task, of which `passed` pass; `None` if `k` is 0 or
/// exceeds `n`.
///
/// One minus the probability that k samples drawn without replacement all fail, as a product that neither
/// overflows nor cancels.
///
/// # Source
/// Chen et al. 2021, arXiv:2107.03374, section 2.1.
pub fn pass_at_k(n: usize, passed: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || passed > n {
        return None;
    }
    if n - passed < k {
        return Some(1.0);
    }
    let all_fail: f64 = (n - passed + 1..=n)
        .map(|i| 1.0 - k as f64 / i as f64)
        .product();
    Some(1.0 - all_fail)
}

#[cfg(test)]
mod tests {
    use super::pass_at_k;
    use crate::golden::assert_close;

    /// Counts the k-subsets of n samples that contain one of the first `passed`.
    fn brute_force(n: usize, passed: usize, k: usize) -> f64 {
        let subsets = (0_u32..1 << n).filter(|subset| subset.count_ones() as usize == k);
        let (mut hits, mut all) = (0, 0);
        for subset in subsets {
            all += 1;
            hits += usize::from(subset & ((1 << passed) - 1) != 0);
        }
        f64::from(hits as u32) / f64::from(all)
    }

    #[test]
    fn the_product_equals_counting_all_subsets() {
        for n in 1..=10 {
            for passed in 0..=n {
                for k in 1..=n {
                    let found = pass_at_k(n, passed, k).expect("k <= n");
                    assert_close(found, brute_force(n, passed, k));
                }
            }
        }
    }

    #[test]
    fn more_draws_than_samples_have_no_estimate() {
        assert_eq!(pass_at_k(3, 1, 4), None);
        assert_eq!(pass_at_k(3, 1, 0), None);
    }
}
