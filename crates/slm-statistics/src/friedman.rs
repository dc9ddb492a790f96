//! Friedman's test: whether several settings, each tried on every task, differ in rank.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::RESAMPLES;
use crate::distribution::chi_squared_tail;

/// Result of a Friedman test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Friedman {
    /// The statistic, corrected for ties.
    pub chi_squared: f64,
    /// p-value by the chi-squared approximation with one degree of freedom fewer than settings.
    pub p: f64,
    /// Kendall's W, the test's effect size: agreement of the tasks on the order of the settings, 0 none, 1 complete.
    pub kendalls_w: f64,
}

/// Tests the null hypothesis that no setting ranks higher than another; `tasks` has one row for each task, with
/// one value for each setting.
///
/// Same as scipy's `friedmanchisquare`, which rejects two settings. `None` without tasks, for fewer than two
/// settings, if the settings tie on every task, or if a value is NaN.
///
/// # Panics
/// If the rows differ in length.
/// # Source
/// Friedman 1937, "The use of ranks to avoid the assumption of normality implicit in the analysis of variance",
/// JASA 32; with ties as in Conover 1999, "Practical nonparametric statistics", section 5.8. W: Kendall and
/// Babington Smith 1939, "The problem of m rankings", Annals of Mathematical Statistics 10.
pub fn friedman<R: AsRef<[f64]>>(tasks: &[R]) -> Option<Friedman> {
    let ranks = Ranks::new(tasks)?;
    let share = ranks.between() as f64 / ranks.within() as f64;
    let chi_squared = share * (ranks.settings - 1) as f64;
    Some(Friedman {
        chi_squared,
        p: chi_squared_tail(chi_squared, ranks.settings - 1),
        kendalls_w: share / tasks.len() as f64,
    })
}

/// Returns the p-value of Friedman's statistic when each task's values are permuted among the settings.
///
/// Under the null hypothesis the settings are exchangeable within a task, even with ties, so this is valid for
/// the few and heavily tied values (complexities, pass rates) for which the chi-squared approximation is poor.
/// Uses [`RESAMPLES`] seeded permutations and counts the observed order as one more, so that p is never 0.
/// `None` in the same cases as [`friedman`].
///
/// # Panics
/// If the rows differ in length.
/// # Source
/// Phipson and Smyth 2010, doi:10.2202/1544-6115.1585.
pub fn friedman_permutation_p<R: AsRef<[f64]>>(tasks: &[R], seed: u64) -> Option<f64> {
    let ranks = Ranks::new(tasks)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Shuffling an already shuffled row is as random as shuffling the original.
    Some(ranks.permutation_p(RESAMPLES, |task| task.shuffle(&mut rng)))
}

/// Ranks of the settings on every task where they differ.
///
/// Twice the distance of a rank from the mean rank is an integer even for shared ranks, so statistics of
/// permuted ranks compare exactly.
struct Ranks {
    settings: usize,
    /// Centred ranks task by task, `settings` values each.
    centred: Vec<i64>,
}

impl Ranks {
    fn new<R: AsRef<[f64]>>(tasks: &[R]) -> Option<Self> {
        let settings = tasks.first()?.as_ref().len();
        let mut centred = Vec::new();
        for values in tasks.iter().map(AsRef::as_ref) {
            assert_eq!(values.len(), settings, "each task has one value a setting");
            if values.iter().any(|value| value.is_nan()) {
                return None;
            }
            let ranks = values.iter().map(|value| centred_rank(*value, values));
            // Complete ties are zeros under every permutation.
            if ranks.clone().any(|rank| rank != 0) {
                centred.extend(ranks);
            }
        }
        (!centred.is_empty()).then_some(Self { settings, centred })
    }

    /// Returns the sum of squares of the settings' totals.
    fn between(&self) -> i64 {
        sum_of_squared_totals(&self.centred, self.settings)
    }

    /// Returns the sum of squares of all ranks, which normalises `between` and is smaller with ties.
    fn within(&self) -> i64 {
        self.centred.iter().map(|rank| rank * rank).sum()
    }

    /// Returns (b + 1) / (m + 1) over `m` rearrangements, where b counts those as extreme as observed.
    /// `permute` reorders the ranks of one task and is called for each task in order.
    fn permutation_p(&self, m: usize, mut permute: impl FnMut(&mut [i64])) -> f64 {
        let observed = self.between();
        let mut permuted = self.centred.clone();
        let extreme = (0..m)
            .filter(|_| {
                permuted
                    .chunks_exact_mut(self.settings)
                    .for_each(&mut permute);
                sum_of_squared_totals(&permuted, self.settings) >= observed
            })
            .count();
        (extreme + 1) as f64 / (m + 1) as f64
    }
}

/// Returns twice the rank of `value` among `values`, minus twice the mean rank; equal values share the mean of
/// their ranks.
fn centred_rank(value: f64, values: &[f64]) -> i64 {
    let below = values.iter().filter(|&&other| other < value).count();
    let above = values.iter().filter(|&&other| other > value).count();
    below as i64 - above as i64
}

fn sum_of_squared_totals(ranks: &[i64], settings: usize) -> i64 {
    let mut totals = vec![0_i64; settings];
    for task in ranks.chunks_exact(settings) {
        for (total, rank) in totals.iter_mut().zip(task) {
            *total += rank;
        }
    }
    totals.iter().map(|total| total * total).sum()
}

#[cfg(test)]
mod tests {
    use super::{Ranks, friedman, friedman_permutation_p};
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn the_statistic_its_p_and_kendalls_w_agree_with_scipy() {
        for case in golden()["friedman"].cases() {
            let tasks: Vec<Vec<f64>> = case["tasks"].cases().iter().map(Golden::numbers).collect();
            let found = friedman(&tasks).expect("settings that differ");
            assert_close(found.chi_squared, case["chi_squared"].number());
            assert_close(found.p, case["p"].number());
            assert_close(found.kendalls_w, case["kendalls_w"].number());
        }
    }

    #[test]
    fn permuted_p_values_agree_with_scipy_on_the_same_permutations() {
        for case in golden()["friedman_permuted"].cases() {
            let tasks: Vec<Vec<f64>> = case["tasks"].cases().iter().map(Golden::numbers).collect();
            let ranks = Ranks::new(&tasks).expect("settings that differ");
            let permutations = case["permutations"].texts();
            // One string for each permutation: each task's settings in their new order, one digit each.
            let mut orders = permutations
                .iter()
                .flat_map(|permutation| permutation.split(' '));
            let mut originals = ranks.centred.chunks_exact(ranks.settings).cycle();
            let p = ranks.permutation_p(permutations.len(), |task| {
                let original = originals.next().expect("endless");
                let order = orders.next().expect("one order a task");
                for (rank, digit) in task.iter_mut().zip(order.bytes()) {
                    *rank = original[usize::from(digit - b'0')];
                }
            });
            assert_eq!(orders.next(), None, "orders left over");
            assert_close(p, case["p"].number());
        }
    }

    #[test]
    fn our_own_permutations_come_close_to_all_of_them() {
        // Three tasks agree on the order of three settings: 6 of the 6^3 joint orders are as extreme.
        let p = friedman_permutation_p(&[[1.0, 2.0, 3.0]; 3], 1).expect("settings that differ");
        assert!((p - 1.0 / 36.0).abs() < 0.006, "{p}");
        assert_eq!(friedman_permutation_p(&[[1.0, 2.0, 3.0]; 3], 1), Some(p));
    }

    #[test]
    fn complete_agreement_gives_w_of_one_and_the_smallest_p() {
        let tasks = vec![[1.0, 5.0, 2.0, 9.0]; 30];
        let found = friedman(&tasks).expect("settings that differ");
        assert_close(found.kendalls_w, 1.0);
        assert_close(found.chi_squared, 90.0);
        assert_close(
            friedman_permutation_p(&tasks, 1).expect("settings that differ"),
            1.0 / 10_001.0,
        );
    }

    #[test]
    fn two_settings_give_the_sign_tests_statistic() {
        // Seven tasks of ten prefer the second setting: (7 - 3)^2 / 10.
        let tasks: Vec<[f64; 2]> = (0..10)
            .map(|task| if task < 7 { [1.0, 2.0] } else { [2.0, 1.0] })
            .collect();
        assert_close(friedman(&tasks).expect("differ").chi_squared, 1.6);
    }

    #[test]
    fn balanced_settings_have_no_effect_and_p_of_one() {
        let tasks = [[1.0, 2.0, 3.0], [2.0, 3.0, 1.0], [3.0, 1.0, 2.0]];
        let found = friedman(&tasks).expect("settings that differ");
        assert_eq!(
            (found.chi_squared, found.p, found.kendalls_w),
            (0.0, 1.0, 0.0)
        );
        assert_eq!(friedman_permutation_p(&tasks, 1), Some(1.0));
    }

    #[test]
    fn a_task_where_all_settings_tie_changes_w_alone() {
        let few = friedman(&[[1.0, 2.0, 3.0], [2.0, 1.0, 3.0]]).expect("settings that differ");
        let more = friedman(&[[1.0, 2.0, 3.0], [4.0; 3], [2.0, 1.0, 3.0]]).expect("differ");
        assert_close(more.chi_squared, few.chi_squared);
        assert_close(more.kendalls_w, few.kendalls_w * 2.0 / 3.0);
    }

    #[test]
    fn a_single_task_has_a_statistic() {
        let found = friedman(&[[1.0, 2.0, 3.0]]).expect("settings that differ");
        assert_close(found.kendalls_w, 1.0);
        assert_eq!(friedman_permutation_p(&[[1.0, 2.0, 3.0]], 1), Some(1.0));
    }

    #[test]
    fn without_tasks_settings_or_differences_there_is_no_test() {
        let nothing: [[f64; 3]; 0] = [];
        let none: [&[&[f64]]; 6] = [
            &[],
            &[&[], &[]],
            &[&[1.0], &[2.0]],
            &[&[1.0, 1.0], &[2.0, 2.0]],
            &[&[0.0, -0.0]],
            &[&[1.0, 2.0], &[f64::NAN, 2.0]],
        ];
        for tasks in none {
            assert_eq!(friedman(tasks), None, "{tasks:?}");
            assert_eq!(friedman_permutation_p(tasks, 1), None, "{tasks:?}");
        }
        assert_eq!(friedman(&nothing), None);
    }

    #[test]
    #[should_panic(expected = "one value a setting")]
    fn rows_of_different_length_are_a_bug() {
        let tasks: [&[f64]; 2] = [&[1.0, 2.0, 3.0], &[1.0, 2.0]];
        friedman(&tasks);
    }
}
