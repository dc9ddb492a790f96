//! Sums over the answers of steps or of a validation, and the figures made of them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use slm_artifacts::{AnswerFigures, HeldOutPreferences, PreferenceFigures};

/// Sums over answers of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// The number of answers.
    pub count: usize,
    /// Sum of their rewards.
    pub reward: f64,
    /// Sum of their log-probabilities, in nats.
    pub log_p: f64,
    /// Sum of their log-probabilities under the base model, in nats; 0 without reference.
    pub reference_log_p: f64,
    /// Sum of their tokens.
    pub tokens: usize,
}

impl Answers {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.reward += other.reward;
        self.log_p += other.log_p;
        self.reference_log_p += other.reference_log_p;
        self.tokens += other.tokens;
    }

    fn figures(self) -> Option<AnswerFigures> {
        let n = self.count as f64;
        (self.count > 0).then(|| AnswerFigures {
            log_p: self.log_p / n,
            tokens: self.tokens as f64 / n,
        })
    }
}

/// Sums of a preference objective over its pairs or single answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PreferenceSums {
    /// The number of pairs, or of single answers.
    pub units: usize,
    /// Those on which the policy is right.
    pub right: usize,
    /// Those on which it prefers neither side.
    #[serde(default)]
    pub ties: usize,
    /// The chosen or wanted answers.
    pub chosen: Answers,
    /// The rejected or unwanted answers.
    pub rejected: Answers,
}

impl PreferenceSums {
    /// Adds other sums.
    pub fn add(&mut self, other: Self) {
        self.units += other.units;
        self.right += other.right;
        self.ties += other.ties;
        self.chosen.add(other.chosen);
        self.rejected.add(other.rejected);
    }

    /// Returns the figures; `None` for no units.
    pub fn figures(self) -> Option<PreferenceFigures> {
        let reward = |side: Answers| side.reward / side.count as f64;
        let both = self.chosen.count > 0 && self.rejected.count > 0;
        (self.units > 0).then(|| PreferenceFigures {
            accuracy: (self.right as f64 + 0.5 * self.ties as f64) / self.units as f64,
            reward_margin: both.then(|| reward(self.chosen) - reward(self.rejected)),
            chosen: self.chosen.figures(),
            rejected: self.rejected.figures(),
        })
    }
}

/// The sums of a preference objective that a checkpoint holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PreferenceProgress {
    /// Over the steps since the last line of the log.
    pub(crate) unlogged: PreferenceSums,
    /// Over the steps of the current epoch.
    pub(crate) epoch: PreferenceSums,
    /// Mean log-ratio of the chosen answers to the base model over the previous epoch.
    pub(crate) chosen_before: f64,
    /// Of the last validation.
    #[serde(default)]
    pub(crate) last_held_out: Option<HeldOutPreferences>,
    /// Of the validation with the lowest loss.
    #[serde(default)]
    pub(crate) best_held_out: Option<HeldOutPreferences>,
}

impl PreferenceProgress {
    /// Adds the sums of a step, if its objective has any.
    pub(crate) fn add(&mut self, sums: Option<PreferenceSums>) {
        let sums = sums.unwrap_or_default();
        self.unlogged.add(sums);
        self.epoch.add(sums);
    }
}

/// Returns the accuracy on held-out pairs or answers with its interval; `right` has the part of each that is right, and
/// `tasks` its task. `None` for no units.
///
/// Pairs of one task are not independent: with several of a task, the standard error is that of clusters.
pub(crate) fn held_out(
    sums: PreferenceSums,
    right: &[f64],
    tasks: &[u64],
) -> Option<HeldOutPreferences> {
    let figures = sums.figures()?;
    let n_tasks = tasks.iter().collect::<BTreeSet<_>>().len();
    let clustered = (n_tasks < sums.units)
        .then(|| slm_statistics::clustered_mean(right, tasks)?.interval)
        .flatten();
    let (low, high) = if let Some(interval) = clustered {
        (interval.low.max(0.0), interval.high.min(1.0))
    } else {
        // Independent, or without spread between the tasks: as many trials as tasks, the wider way where ties leave halves.
        let right = right.iter().sum::<f64>() * n_tasks as f64 / sums.units as f64;
        let (fewest, most) = (right.floor() as usize, right.ceil() as usize);
        (
            slm_statistics::wilson(fewest, n_tasks)?.low,
            slm_statistics::wilson(most, n_tasks)?.high,
        )
    };
    let (chosen, rejected) = (sums.chosen.count, sums.rejected.count);
    Some(HeldOutPreferences {
        units: sums.units,
        tasks: n_tasks,
        right: sums.right,
        ties: sums.ties,
        guessing: chosen.max(rejected) as f64 / (chosen + rejected) as f64,
        low,
        high,
        figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(right: &[f64], tasks: &[u64]) -> HeldOutPreferences {
        let is = |wanted: f64| right.iter().filter(|&&r| (r - wanted).abs() < 0.1).count();
        let side = Answers {
            count: right.len(),
            ..Answers::default()
        };
        let sums = PreferenceSums {
            units: right.len(),
            right: is(1.0),
            ties: is(0.5),
            chosen: side,
            rejected: side,
        };
        held_out(sums, right, tasks).expect("pairs")
    }

    #[test]
    fn several_pairs_of_a_task_add_no_certainty() {
        let once = of(&[1.0, 1.0, 0.0, 1.0], &[1, 2, 3, 4]);
        let wilson = slm_statistics::wilson(3, 4).expect("trials");
        assert!((once.low - wilson.low).abs() < 1e-12 && (once.high - wilson.high).abs() < 1e-12);
        let right = [1.0, 1.0, 0.0, 1.0].repeat(25);
        let tasks = [1, 2, 3, 4].repeat(25);
        let repeated = of(&right, &tasks);
        assert_eq!(
            (repeated.units, repeated.tasks, repeated.right),
            (100, 4, 75)
        );
        assert!(repeated.low < 0.5, "{repeated:?}");
        // All right: as certain as four trials, not as a hundred.
        let all = of(&[1.0; 100], &tasks);
        assert!(all.low < 0.6 && all.high >= 1.0, "{all:?}");
    }

    #[test]
    fn ties_are_half_right_and_labels_decide_what_guessing_gives() {
        let ties = of(&[0.5; 6], &[1, 2, 3, 4, 5, 6]);
        assert_eq!((ties.right, ties.ties), (0, 6));
        assert!(ties.low < 0.5 && ties.high > 0.5, "{ties:?}");
        let count = |count| Answers {
            count,
            ..Answers::default()
        };
        let sums = PreferenceSums {
            units: 4,
            right: 3,
            ties: 0,
            chosen: count(3),
            rejected: count(1),
        };
        let found = held_out(sums, &[1.0, 1.0, 1.0, 0.0], &[1, 2, 3, 4]).expect("answers");
        assert!((found.guessing - 0.75).abs() < 1e-12);
        assert!((ties.guessing - 0.5).abs() < 1e-12);
    }
}
