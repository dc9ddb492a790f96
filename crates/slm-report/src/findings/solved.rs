//! The numbers of tasks that the sides of a comparison solved.

use serde::Serialize;
use slm_statistics::{exact_mcnemar, minimal_detectable_rate_difference};

use super::arms::{ArmSamples, pairs};
use crate::sample_metric::PASS_RATE;

/// Tasks by the side that solved them, among those that both answered; a task is solved if all its samples pass.
#[derive(Debug, Serialize)]
pub(crate) struct Solved {
    pub(crate) tasks: usize,
    pub(crate) both: usize,
    pub(crate) reference_only: usize,
    pub(crate) other_only: usize,
    /// Exact McNemar test over the tasks that only one side solved; `None` if there are none, or a task has several
    /// samples on a side.
    pub(crate) mcnemar_p: Option<f64>,
}

/// The tasks that one side alone solved, and what as many tasks with as many of them can show.
#[derive(Debug, Serialize)]
pub(crate) struct Discordant {
    pub(crate) reference_only: usize,
    pub(crate) other_only: usize,
    /// Smallest difference in pass rate that the test detects, in points; `None` without discordant tasks.
    pub(crate) detectable_difference: Option<f64>,
}

impl Solved {
    pub(crate) fn new(tasks: &[&str], reference: &ArmSamples, other: &ArmSamples) -> Self {
        let pairs = pairs(tasks, reference, other, &PASS_RATE);
        let count = |first: bool, second: bool| {
            let solved = |rate: f64| rate >= 1.0;
            pairs
                .iter()
                .filter(|(_, pair)| (solved(pair.base), solved(pair.adapter)) == (first, second))
                .count()
        };
        let (reference_only, other_only) = (count(true, false), count(false, true));
        let single = pairs
            .iter()
            .all(|(task, _)| reference.of_task(task).len() == 1 && other.of_task(task).len() == 1);
        Self {
            tasks: pairs.len(),
            both: count(true, true),
            reference_only,
            other_only,
            mcnemar_p: single
                .then(|| exact_mcnemar(reference_only, other_only))
                .flatten(),
        }
    }

    /// Returns the tasks that one side alone solved.
    pub(crate) fn discordant(&self) -> Discordant {
        let detectable = self.detectable_difference();
        Discordant {
            reference_only: self.reference_only,
            other_only: self.other_only,
            detectable_difference: detectable.map(|of| of * PASS_RATE.scale),
        }
    }

    /// Returns the smallest difference in pass rate that a test of this many tasks detects, given how many of them only
    /// one side solves; `None` if there are none.
    pub(crate) fn detectable_difference(&self) -> Option<f64> {
        let discordant = (self.reference_only + self.other_only) as f64;
        minimal_detectable_rate_difference(discordant / self.tasks.max(1) as f64, self.tasks)
    }
}
