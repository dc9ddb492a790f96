//! Estimates the remaining time of a task.

use std::time::{Duration, Instant};

/// Counts units of work and the time that they took, apart from pauses such as validations.
#[derive(Debug)]
pub(crate) struct Estimate {
    started: Instant,
    /// Units finished before the start of this run.
    before: u64,
    done: u64,
    total: u64,
    /// When the latest unit was finished, or a pause after it.
    changed: Instant,
    /// Time spent on the finished units.
    worked: Duration,
    /// Time since the start that was not spent on units.
    paused: Duration,
    /// Number of expected pauses, and the duration of each.
    to_come: (u64, Duration),
    /// Whether all units take the same time, except the first, which may be slower.
    uniform: bool,
    /// The first finished units and the time that they took.
    first: Option<(u64, Duration)>,
}

impl Estimate {
    /// Starts at `now` with `before` of `total` units finished.
    pub(crate) fn new(before: u64, total: u64, now: Instant) -> Self {
        Self {
            started: now,
            before,
            done: before,
            total,
            changed: now,
            worked: Duration::ZERO,
            paused: Duration::ZERO,
            to_come: (0, Duration::ZERO),
            uniform: false,
            first: None,
        }
    }

    /// Declares that all units take the same time, except the first, which is excluded as soon as there are others.
    pub(crate) fn set_uniform(&mut self) {
        self.uniform = true;
    }

    /// Changes the total.
    pub(crate) fn set_total(&mut self, total: u64) {
        self.total = total;
    }

    /// Records that `done` units are finished at `now`.
    pub(crate) fn set(&mut self, done: u64, now: Instant) {
        // Units finished in an earlier run may be counted again, one by one.
        if done > self.done.max(self.before) {
            self.changed = now;
            self.worked = now.duration_since(self.started).saturating_sub(self.paused);
            self.first.get_or_insert((done - self.before, self.worked));
        }
        self.done = done;
    }

    /// Records that the time before `now`, `pause` long, was not spent on units.
    pub(crate) fn exclude(&mut self, pause: Duration, now: Instant) {
        self.paused += pause;
        self.changed = now;
    }

    /// Expects this number of pauses, each of this length.
    pub(crate) fn expect(&mut self, pauses: u64, each: Duration) {
        self.to_come = (pauses, each);
    }

    /// Returns the time until all units are done; `None` before the first unit is finished, and without a total.
    pub(crate) fn time_left(&self, now: Instant) -> Option<Duration> {
        let left = self.total.checked_sub(self.done)?;
        let done = self.done.saturating_sub(self.before);
        if done == 0 {
            return None;
        }
        let unit = match self.first {
            Some((n, took)) if self.uniform && done > n => {
                self.worked.saturating_sub(took).div_f64((done - n) as f64)
            }
            _ => self.worked.div_f64(done as f64),
        };
        let (pauses, each) = self.to_come;
        let estimate = unit.mul_f64(left as f64) + each.mul_f64(pauses as f64);
        // The current unit or pause may be slower than the earlier ones; the remaining units still take their time.
        let under_way = if pauses > 0 { unit.max(each) } else { unit };
        let since = now.duration_since(self.changed).min(under_way);
        Some(estimate.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the seconds left at `now`, rounded.
    fn left(estimate: &Estimate, now: Instant) -> Option<u64> {
        Some(estimate.time_left(now)?.as_secs_f64().round() as u64)
    }

    #[test]
    fn nothing_is_known_before_the_first_unit_is_finished() {
        let t = Instant::now();
        let at = |s| t + Duration::from_secs(s);
        let mut estimate = Estimate::new(0, 25, t);
        estimate.set(0, at(30));
        assert_eq!(left(&estimate, at(60)), None);
        estimate.set(1, at(60));
        assert_eq!(left(&estimate, at(60)), Some(24 * 60));
        // During the next unit the time runs down, but not below that of the remaining units.
        assert_eq!(left(&estimate, at(90)), Some(24 * 60 - 30));
        assert_eq!(left(&estimate, at(900)), Some(23 * 60));
    }

    #[test]
    fn units_that_were_finished_before_have_no_part_in_the_rate() {
        let t = Instant::now();
        let at = |s| t + Duration::from_secs(s);
        let mut estimate = Estimate::new(30, 40, t);
        assert_eq!(left(&estimate, at(5)), None);
        estimate.set(35, at(60));
        assert_eq!(left(&estimate, at(60)), Some(60));
        // A log of finished units that is read again is counted from 0.
        let mut again = Estimate::new(30, 40, t);
        for done in 1..=30 {
            again.set(done, at(1));
            assert_eq!(left(&again, at(1)), None, "{done}");
        }
        again.set(35, at(61));
        assert_eq!(left(&again, at(61)), Some(61));
        let mut unknown = Estimate::new(0, 0, t);
        unknown.set(5, at(60));
        assert_eq!(left(&unknown, at(60)), None);
    }

    #[test]
    fn a_slow_first_step_does_not_set_the_rate_of_a_training() {
        let t = Instant::now();
        let at = |s| t + Duration::from_secs(s);
        let mut estimate = Estimate::new(0, 12, t);
        estimate.set_uniform();
        estimate.set(1, at(100));
        assert_eq!(left(&estimate, at(100)), Some(1100), "all that is known");
        estimate.set(2, at(102));
        assert_eq!(left(&estimate, at(102)), Some(20));
    }

    /// Three minutes: 20 steps of 6 s, validations of 20 s before the first and after every tenth step.
    #[test]
    fn validations_count_by_their_own_length_and_leave_the_rate_alone() {
        let t = Instant::now();
        let at = |s| t + Duration::from_secs(s);
        let pause = Duration::from_secs(20);
        let mut estimate = Estimate::new(0, 20, t);
        estimate.exclude(pause, at(20));
        estimate.expect(2, pause);
        let mut now = 20;
        for step in 1..=20 {
            now += 6;
            estimate.set(step, at(now));
            let truth = |now: u64| 20 + 20 * 6 + 2 * 20 - now;
            assert_eq!(left(&estimate, at(now)), Some(truth(now)), "step {step}");
            if step % 10 == 0 {
                now += 20;
                estimate.exclude(pause, at(now));
                estimate.expect(u64::from(step < 20), pause);
                assert_eq!(left(&estimate, at(now)), Some(truth(now)), "step {step}");
            }
        }
        assert_eq!(left(&estimate, at(now)), Some(0));
    }
}
