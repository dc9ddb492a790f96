//! Krippendorff's alpha: agreement of raters beyond chance.

use std::collections::BTreeMap;

/// The level of measurement of ratings, which defines how far two of them are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatingLevel {
    /// Only the order of the ratings counts: two ratings are as far apart as there are ratings between them.
    Ordinal,
    /// The distance of two ratings is their difference.
    Interval,
}

/// Returns Krippendorff's alpha: 1 for complete agreement, 0 for that of chance, less for worse.
///
/// `units` has the ratings of each unit, in any order; a rater who did not rate a unit is missing there. A unit with fewer
/// than two ratings has no pair and is left out. Equal to the package `krippendorff` of PyPI.
///
/// `None` if no unit has two ratings, all ratings are equal, so that agreement by chance is complete, too, or a rating
/// is not finite.
///
/// # Source
/// Krippendorff 2011, "Computing Krippendorff's alpha-reliability", section on any metric and missing data.
pub fn krippendorff_alpha<U: AsRef<[f64]>>(units: &[U], level: RatingLevel) -> Option<f64> {
    let units: Vec<&[f64]> = units.iter().map(AsRef::as_ref).collect();
    if units.iter().any(|unit| unit.iter().any(|v| !v.is_finite())) {
        return None;
    }
    let paired: Vec<&[f64]> = units.into_iter().filter(|unit| unit.len() > 1).collect();
    let distances = Distances::new(&paired, level);
    // Each unit counts by its ratings, for any number of raters.
    let observed: f64 = paired
        .iter()
        .map(|unit| distances.within(unit) / (unit.len() - 1) as f64)
        .sum();
    let n = distances.n as f64;
    let expected = distances.overall() / (n - 1.0);
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

/// The distinct ratings with their numbers, and the squared distances of any two.
struct Distances {
    level: RatingLevel,
    /// In ascending order.
    values: Vec<f64>,
    counts: Vec<usize>,
    /// Number of ratings up to each value, that included.
    until: Vec<usize>,
    n: usize,
}

impl Distances {
    fn new(units: &[&[f64]], level: RatingLevel) -> Self {
        // Finite numbers with the order of their bits, so that equal ratings share a key; 0 - 0 makes -0 a 0.
        let mut counted: BTreeMap<Ordered, usize> = BTreeMap::new();
        for &value in units.iter().copied().flatten() {
            *counted.entry(Ordered(value + 0.0)).or_default() += 1;
        }
        let mut n = 0;
        let until = counted.values().map(|count| {
            n += count;
            n
        });
        let until = until.collect();
        Self {
            level,
            values: counted.keys().map(|value| value.0).collect(),
            counts: counted.values().copied().collect(),
            until,
            n,
        }
    }

    /// Returns the squared distance of the ratings at two places of `values`.
    fn squared(&self, a: usize, b: usize) -> f64 {
        let (low, high) = (a.min(b), a.max(b));
        match self.level {
            RatingLevel::Interval => (self.values[high] - self.values[low]).powi(2),
            RatingLevel::Ordinal => {
                let between = self.until[high] - self.until[low] + self.counts[low];
                let ends = (self.counts[low] + self.counts[high]) as f64 / 2.0;
                (between as f64 - ends).powi(2)
            }
        }
    }

    /// Returns the sum of the squared distances of all ordered pairs of ratings of one unit.
    fn within(&self, unit: &[f64]) -> f64 {
        let place = |value: f64| self.values.partition_point(|other| *other < value);
        let places: Vec<usize> = unit.iter().map(|&value| place(value)).collect();
        let of = |&a: &usize| places.iter().map(move |&b| self.squared(a, b)).sum::<f64>();
        places.iter().map(of).sum()
    }

    /// Returns the same of all ratings of all units together.
    fn overall(&self) -> f64 {
        let places = 0..self.values.len();
        let of = |a: usize| {
            let pairs = places.clone().map(move |b| {
                let number = (self.counts[a] * self.counts[b]) as f64;
                number * self.squared(a, b)
            });
            pairs.sum::<f64>()
        };
        places.clone().map(of).sum()
    }
}

/// A finite number that can be a key.
#[derive(PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{RatingLevel, krippendorff_alpha};
    use crate::golden::{Golden, assert_close};

    #[test]
    fn alpha_agrees_with_the_package_krippendorff() {
        let text = include_str!("../tests/it/golden/krippendorff/expected.json");
        let golden: Value = serde_json::from_str(text).expect("JSON");
        for case in golden["cases"].cases() {
            let units: Vec<Vec<f64>> = (case["units"].as_array().expect("units").iter())
                .map(|unit| {
                    let ratings = unit.as_array().expect("a unit");
                    ratings.iter().map(Golden::number).collect()
                })
                .collect();
            for (level, key) in [
                (RatingLevel::Ordinal, "ordinal"),
                (RatingLevel::Interval, "interval"),
            ] {
                let found = krippendorff_alpha(&units, level);
                match case[key].as_f64() {
                    Some(expected) => assert_close(found.expect("agreement"), expected),
                    None => assert_eq!(found, None, "{case}"),
                }
            }
        }
    }

    #[test]
    fn complete_agreement_is_1_and_the_order_of_raters_and_units_does_not_count() {
        let same = [vec![1.0, 1.0], vec![4.0, 4.0, 4.0], vec![5.0]];
        for level in [RatingLevel::Ordinal, RatingLevel::Interval] {
            assert_eq!(krippendorff_alpha(&same, level), Some(1.0));
            let units = [vec![1.0, 2.0, 2.0], vec![4.0, 5.0], vec![3.0, 1.0]];
            let turned = [vec![1.0, 3.0], vec![2.0, 1.0, 2.0], vec![5.0, 4.0]];
            let [one, other] = [units, turned].map(|units| krippendorff_alpha(&units, level));
            assert_close(one.expect("alpha"), other.expect("alpha"));
        }
    }

    #[test]
    fn without_pairs_without_spread_and_with_odd_numbers_there_is_no_alpha() {
        for level in [RatingLevel::Ordinal, RatingLevel::Interval] {
            let none: [Vec<f64>; 0] = [];
            assert_eq!(krippendorff_alpha(&none, level), None);
            assert_eq!(krippendorff_alpha(&[vec![1.0], vec![2.0]], level), None);
            assert_eq!(
                krippendorff_alpha(&[vec![3.0; 4], vec![3.0; 2]], level),
                None
            );
            assert_eq!(krippendorff_alpha(&[vec![f64::NAN, 2.0]], level), None);
        }
    }
}
