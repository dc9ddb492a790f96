//! Counts of bad rows in a data set, and the limit for them.

use std::collections::BTreeMap;

use anyhow::Result;
use slm_cli::UserMistake;

use super::counts::{BadRow, Counts, Reason};

/// The numbers of rows read and samples encoded, and of the bad ones among them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Rows read, without those that the recipe's `where` excludes.
    pub(super) wanted: usize,
    /// The rows among them that gave no sample.
    bad_rows: usize,
    /// Samples to be encoded.
    pub(super) tried: usize,
    /// The samples among them that could not be encoded.
    bad_examples: usize,
    /// The first bad row for each reason.
    first: BTreeMap<Reason, BadRow>,
}

impl Tally {
    /// Counts a row that gives no sample.
    pub(super) fn bad_row(&mut self, bad: BadRow, counts: &mut Counts) {
        self.bad_rows += 1;
        self.count(bad, counts);
    }

    /// Counts a sample that gives no example.
    pub(super) fn bad_example(&mut self, bad: BadRow, counts: &mut Counts) {
        self.bad_examples += 1;
        self.count(bad, counts);
    }

    fn count(&mut self, bad: BadRow, counts: &mut Counts) {
        counts.leave_out_first(bad.reason, &bad.problem);
        self.first.entry(bad.reason).or_insert(bad);
    }

    /// Checks that at least half of the rows are good. Where only a draw was encoded, its share of bad samples is
    /// assumed for all.
    ///
    /// # Errors
    /// A [`UserMistake`] with the counts, and the first bad row for each reason, the most common reason first.
    pub(super) fn check(&self, counts: &Counts) -> Result<()> {
        let share = |all: usize, bad: usize| {
            let all = all.max(1) as u128;
            (all - bad as u128, all)
        };
        let (good_rows, rows) = share(self.wanted, self.bad_rows);
        let (good_examples, examples) = share(self.tried, self.bad_examples);
        if 2 * good_rows * good_examples >= rows * examples {
            return Ok(());
        }
        let n_of = |reason: &Reason| counts.left_out.get(reason).copied().unwrap_or(0);
        let mut reasons: Vec<(&Reason, &BadRow)> = self.first.iter().collect();
        reasons.sort_by_key(|(reason, _)| std::cmp::Reverse(n_of(reason)));
        let lines = reasons.iter().map(|(reason, bad)| {
            format!(
                "\n  {}, first {}",
                reason.counted(n_of(reason)),
                bad.problem
            )
        });
        let hint = reasons
            .iter()
            .find_map(|(_, bad)| bad.hint.as_deref())
            .unwrap_or(
                "check the file, and `data.datasets[].format`, which determines how its rows are read",
            );
        let text = format!(
            "data set {}: more than half of it is bad, {} of {} {}{}\nhint: {hint}",
            counts.path,
            self.bad_rows + self.bad_examples,
            counts.found,
            counts.unit,
            lines.collect::<String>()
        );
        Err(UserMistake(text).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: usize, bad_rows: usize, tried: usize, bad_examples: usize) -> bool {
        let tally = Tally {
            wanted,
            bad_rows,
            tried,
            bad_examples,
            first: BTreeMap::new(),
        };
        tally.check(&Counts::default()).is_ok()
    }

    #[test]
    fn half_of_the_rows_may_be_bad_and_no_more() {
        assert!(check(0, 0, 0, 0));
        assert!(check(10, 5, 5, 0));
        assert!(!check(10, 6, 4, 0));
        assert!(!check(3, 3, 0, 0));
        // Of 10 rows, 2 are unreadable and 3, later 4, are refused by the encoder.
        assert!(check(10, 2, 8, 3));
        assert!(!check(10, 2, 8, 4));
        // A draw of 10 from a thousand represents all.
        assert!(check(1000, 400, 10, 1));
        assert!(!check(1000, 400, 10, 2));
        // Python source has no rows.
        assert!(check(0, 0, 7, 3));
        assert!(!check(0, 0, 7, 4));
    }
}
