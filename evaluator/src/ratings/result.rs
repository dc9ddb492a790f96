//! The ratings by arm and workflow, and the agreement of the raters.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_statistics::{
    Interval, RatingLevel, bootstrap_mean, krippendorff_alpha, mean, sign_flip_p,
};

use super::key::{Key, Side};

/// One filled cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rating {
    /// Numbers from 0.
    pub(super) rater: usize,
    pub(super) item: usize,
    pub(super) column: usize,
    /// 1 to 5.
    pub(super) value: u8,
}

/// The result of an import.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) export: String,
    pub(super) raters: Vec<String>,
    pub(super) items: usize,
    pub(super) columns: Vec<ColumnResult>,
}

/// The ratings of one column.
#[derive(Debug, Serialize)]
pub(super) struct ColumnResult {
    pub(super) column: String,
    pub(super) ratings: usize,
    /// Cells that the raters left empty, and rows that they removed.
    pub(super) missing: usize,
    /// Krippendorff's alpha of the ratings' order; `None` with one rater, or if all ratings are equal.
    pub(super) alpha_ordinal: Option<f64>,
    /// The same of their values.
    pub(super) alpha_interval: Option<f64>,
    pub(super) sides: Vec<SideRating>,
}

/// The ratings of an arm in a workflow.
#[derive(Debug, Serialize)]
pub(super) struct SideRating {
    #[serde(flatten)]
    pub(super) side: Side,
    /// Tasks with a rating.
    pub(super) tasks: usize,
    /// Over tasks, after the mean over raters.
    pub(super) mean: Option<f64>,
    /// The side less the first; `None` for the first.
    pub(super) less_first: Option<PairedRating>,
}

/// The mean difference of the ratings that the same rater gave to two programs of the same task.
#[derive(Debug, Serialize)]
pub(super) struct PairedRating {
    /// Tasks of which some rater rated both programs.
    pub(super) tasks: usize,
    pub(super) difference: Option<f64>,
    /// 95 %, bias-corrected and accelerated bootstrap over tasks; `None` if the data give none.
    pub(super) interval: Option<Interval>,
    /// Sign-flip permutation; `None` if no task differs.
    pub(super) p: Option<f64>,
}

/// The ratings of one column by task and side: the rater and the value.
type ByTask<'a> = BTreeMap<&'a str, BTreeMap<usize, Vec<(usize, f64)>>>;

/// Compares the sides in each column.
pub(super) fn compare(key: &Key, raters: Vec<String>, ratings: &[Rating]) -> Comparison {
    let columns = key.columns.iter().enumerate();
    Comparison {
        export: key.export.clone(),
        items: key.items.len(),
        columns: columns
            .map(|(at, column)| {
                let own: Vec<Rating> = ratings
                    .iter()
                    .filter(|of| of.column == at)
                    .copied()
                    .collect();
                ColumnResult::new(key, column, &own, raters.len())
            })
            .collect(),
        raters,
    }
}

impl ColumnResult {
    fn new(key: &Key, column: &str, ratings: &[Rating], raters: usize) -> Self {
        let mut units: Vec<Vec<f64>> = vec![Vec::new(); key.items.len()];
        let mut by_task: ByTask = BTreeMap::new();
        for rating in ratings {
            let item = &key.items[rating.item];
            let value = f64::from(rating.value);
            units[rating.item].push(value);
            let sides = by_task.entry(&item.task_id).or_default();
            for &side in &item.sides {
                sides.entry(side).or_default().push((rating.rater, value));
            }
        }
        let sides = key.sides.iter().enumerate();
        Self {
            column: column.to_owned(),
            ratings: ratings.len(),
            missing: raters * key.items.len() - ratings.len(),
            alpha_ordinal: krippendorff_alpha(&units, RatingLevel::Ordinal),
            alpha_interval: krippendorff_alpha(&units, RatingLevel::Interval),
            sides: sides
                .map(|(at, side)| {
                    let means: Vec<f64> = by_task
                        .values()
                        .filter_map(|sides| mean_of(sides.get(&at)?))
                        .collect();
                    SideRating {
                        side: side.clone(),
                        tasks: means.len(),
                        mean: mean(&means),
                        less_first: (at > 0).then(|| PairedRating::new(&by_task, at, key.seed)),
                    }
                })
                .collect(),
        }
    }
}

fn mean_of(ratings: &[(usize, f64)]) -> Option<f64> {
    let values: Vec<f64> = ratings.iter().map(|(_, value)| *value).collect();
    mean(&values)
}

impl PairedRating {
    fn new(by_task: &ByTask, side: usize, seed: u64) -> Self {
        let of_task = |sides: &BTreeMap<usize, Vec<(usize, f64)>>| {
            let (first, other) = (sides.get(&0)?, sides.get(&side)?);
            // A rater who is stricter than others is so on both programs.
            let by_rater = other.iter().filter_map(|(rater, value)| {
                let same = first.iter().find(|(of_first, _)| of_first == rater)?;
                Some(value - same.1)
            });
            mean(&by_rater.collect::<Vec<f64>>())
        };
        let differences: Vec<f64> = by_task.values().filter_map(of_task).collect();
        Self {
            tasks: differences.len(),
            difference: mean(&differences),
            interval: bootstrap_mean(&differences, seed).ok().map(|both| both.bca),
            p: sign_flip_p(&differences, seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{Item, KEY_VERSION};
    use super::*;

    /// Two sides; the third task has one program of both.
    fn key() -> Key {
        let item = |n: usize, task: &str, sides: &[usize]| Item {
            item: format!("R1-{n:03}"),
            task_id: task.to_owned(),
            sides: sides.to_vec(),
            task_sha256: None,
            program_sha256: None,
        };
        let side = |workflow: &str| Side {
            run: "night".to_owned(),
            arm: "base".to_owned(),
            workflow: workflow.to_owned(),
        };
        Key {
            version: KEY_VERSION,
            export: "R1".to_owned(),
            seed: 1,
            columns: vec!["overall_quality".to_owned()],
            sides: vec![side("single"), side("reflection")],
            items: vec![
                item(1, "a", &[1]),
                item(2, "a", &[0]),
                item(3, "b", &[0]),
                item(4, "b", &[1]),
                item(5, "c", &[0, 1]),
            ],
            left_out: BTreeMap::new(),
        }
    }

    fn rating(rater: usize, item: usize, value: u8) -> Rating {
        Rating {
            rater,
            item,
            column: 0,
            value,
        }
    }

    #[test]
    fn differences_are_those_of_the_same_rater_on_the_same_task() {
        let ratings = [
            rating(0, 0, 5),
            rating(0, 1, 3),
            rating(0, 2, 2),
            rating(0, 3, 3),
            rating(0, 4, 4),
            // This rater is stricter, and did not rate the other program of task a.
            rating(1, 0, 1),
            rating(1, 4, 2),
        ];
        let found = compare(&key(), vec!["ada".to_owned(), "grace".to_owned()], &ratings);
        let column = &found.columns[0];
        assert_eq!((column.ratings, column.missing), (7, 3));
        let means: Vec<Option<f64>> = column.sides.iter().map(|side| side.mean).collect();
        // Tasks a, b, c: 3, 2, 3 of the first side; 3 (5 and 1), 3, 3 of the second.
        assert_eq!(means, [Some(8.0 / 3.0), Some(3.0)]);
        assert!(column.sides[0].less_first.is_none());
        let paired = column.sides[1].less_first.as_ref().expect("a difference");
        // 2 on a, 1 on b, 0 on c, where both wrote the same program.
        assert_eq!((paired.tasks, paired.difference), (3, Some(1.0)));
        let units = [vec![5.0, 1.0], vec![4.0, 2.0]];
        let alpha = krippendorff_alpha(&units, RatingLevel::Ordinal);
        assert_eq!(column.alpha_ordinal, alpha);
        assert!(alpha.is_some());
    }

    #[test]
    fn one_rater_has_means_and_no_agreement() {
        let ratings = [rating(0, 0, 5), rating(0, 1, 3)];
        let found = compare(&key(), vec!["ada".to_owned()], &ratings);
        let column = &found.columns[0];
        assert_eq!((column.alpha_ordinal, column.alpha_interval), (None, None));
        assert_eq!(column.sides[1].mean, Some(5.0));
        let paired = column.sides[1].less_first.as_ref().expect("a difference");
        assert_eq!((paired.difference, paired.interval), (Some(2.0), None));
    }
}
