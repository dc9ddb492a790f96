//! Sign-flip permutation test of paired differences: under the null hypothesis the two arms are exchangeable on
//! each task.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::RESAMPLES;

/// Maximum number of nonzero differences for which all sign patterns are counted: 2^20 take a few milliseconds.
const EXACT_LIMIT: usize = 20;

/// Returns the two-sided p-value of the mean of `differences` when each may change its sign; `None` if all of
/// them are zero, or one is not finite.
///
/// Exact up to 20 nonzero differences, otherwise from [`RESAMPLES`] seeded sign patterns with the observed one
/// counted as one more, so that p is never 0.
///
/// # Source
/// Fisher 1935, "The design of experiments", section 21; the count as in Phipson and Smyth 2010,
/// doi:10.2202/1544-6115.1585.
pub fn sign_flip_p(differences: &[f64], seed: u64) -> Option<f64> {
    // A difference of 0 keeps its value with either sign.
    let nonzero: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
    if nonzero.is_empty() || nonzero.iter().any(|difference| !difference.is_finite()) {
        return None;
    }
    if nonzero.len() <= EXACT_LIMIT {
        return Some(exact(&nonzero));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Some(sampled(&nonzero, RESAMPLES, || rng.next_u64()))
}

/// Returns the share of all sign patterns whose sum is at least as far from 0 as the observed one.
fn exact(nonzero: &[f64]) -> f64 {
    let threshold = threshold(nonzero);
    // Every sum is a sum of the left half plus a sum of the right half.
    let (left, right) = nonzero.split_at(nonzero.len() / 2);
    let (left, right) = (signed_sums(left), signed_sums(right));
    let extreme: usize = left
        .iter()
        .map(|a| right.iter().filter(|&b| (a + b).abs() >= threshold).count())
        .sum();
    extreme as f64 / (left.len() * right.len()) as f64
}

/// Returns the sums of `values` for all sign patterns; bit i of a sum's index is 1 if value i keeps its sign.
fn signed_sums(values: &[f64]) -> Vec<f64> {
    values.iter().fold(vec![0.0], |sums, value| {
        let flipped = sums.iter().map(|sum| sum - value);
        let kept = sums.iter().map(|sum| sum + value);
        flipped.chain(kept).collect()
    })
}

/// Returns (b + 1) / (m + 1) over `m` sign patterns, where b counts those as extreme as observed.
///
/// `bits` returns the next pattern 64 values at a time, the first value's sign in the lowest bit; 1 keeps the sign.
fn sampled(nonzero: &[f64], m: usize, mut bits: impl FnMut() -> u64) -> f64 {
    let threshold = threshold(nonzero);
    // Table lookup of the sums of eight values: a branch on each random bit would be mispredicted half of the time.
    let sums: Vec<Vec<f64>> = nonzero.chunks(8).map(signed_sums).collect();
    let extreme = (0..m)
        .filter(|_| {
            let sum: f64 = sums
                .chunks(8)
                .flat_map(|sums| sums.iter().zip(bits().to_le_bytes()))
                .map(|(sums, pattern)| sums[usize::from(pattern) % sums.len()])
                .sum();
            sum.abs() >= threshold
        })
        .count();
    (extreme + 1) as f64 / (m + 1) as f64
}

/// Returns the observed distance from 0, minus the possible rounding error of an equal sum in another order.
fn threshold(nonzero: &[f64]) -> f64 {
    let magnitude: f64 = nonzero.iter().map(|value| value.abs()).sum();
    nonzero.iter().sum::<f64>().abs() - 1e-12 * magnitude
}

#[cfg(test)]
mod tests {
    use super::{sampled, sign_flip_p};
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn exact_p_values_agree_with_scipy() {
        for case in golden()["sign_flip_exact"].cases() {
            let p = sign_flip_p(&case["differences"].numbers(), 1).expect("not empty");
            assert_close(p, case["p"].number());
        }
    }

    #[test]
    fn sampled_p_values_agree_with_numpy_on_the_same_signs() {
        for case in golden()["sign_flip_sampled"].cases() {
            let patterns = case["signs"].texts();
            let mut words = patterns.iter().flat_map(|signs| {
                signs.as_bytes().chunks(64).map(|signs| {
                    let kept = |&(_, sign): &(usize, &u8)| *sign == b'+';
                    let bits = signs.iter().enumerate().filter(kept);
                    bits.fold(0_u64, |word, (at, _)| word | 1 << at)
                })
            });
            let p = sampled(&case["differences"].numbers(), patterns.len(), || {
                words.next().expect("one pattern a resample")
            });
            assert_eq!(words.next(), None, "patterns left over");
            assert_close(p, case["p"].number());
        }
    }

    #[test]
    fn many_tasks_come_close_to_the_exact_value() {
        let case = &golden()["sign_flip_large"];
        let p = sign_flip_p(&case["differences"].numbers(), 1).expect("not empty");
        assert!((p - case["p"].number()).abs() < 0.01, "{p}");
    }

    #[test]
    fn p_is_never_zero_and_never_above_one() {
        let strong = sign_flip_p(&[5.0; 60], 1).expect("not empty");
        assert!((strong - 1.0 / 10_001.0).abs() < 1e-15, "{strong}");
        assert_eq!(sign_flip_p(&[3.0], 1), Some(1.0));
    }

    #[test]
    fn nothing_zeros_alone_and_values_that_are_not_finite_have_no_test() {
        for differences in [
            &[][..],
            &[0.0; 50],
            &[0.0, -0.0],
            &[1.0, f64::NAN],
            &[f64::INFINITY],
        ] {
            assert_eq!(sign_flip_p(differences, 1), None, "{differences:?}");
        }
    }
}
