//! The learning rate schedule, a pure function of the step, so that a resumed run needs no state for it.

use slm_config::LrSchedulerType;

/// The learning rate over a run of known length.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The shape after the warmup.
    pub kind: LrSchedulerType,
    /// The peak learning rate.
    pub peak: f64,
    /// The number of linear warmup steps from 0.
    pub warmup_steps: usize,
    /// The number of steps of the whole run.
    pub total_steps: usize,
}

impl Schedule {
    /// Returns the warmup steps of a run: `ceil(ratio * total)`, rounded as in transformers.
    pub(crate) fn warmup_steps(ratio: f64, total_steps: usize) -> usize {
        (ratio * total_steps as f64).ceil() as usize
    }

    /// Returns the learning rate of step `step`, counted from 0. With a warmup the first step's rate is 0.
    ///
    /// # Source
    /// transformers' `get_{constant,linear,cosine}_schedule_with_warmup`; the cosine is that of Loshchilov and
    /// Hutter 2016, arXiv:1608.03983, without restarts.
    pub fn learning_rate(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let rest = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / rest as f64).min(1.0);
        self.peak
            * match self.kind {
                LrSchedulerType::Constant => 1.0,
                LrSchedulerType::Linear => 1.0 - progress,
                LrSchedulerType::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: LrSchedulerType, expected: [f64; 6]) {
        let schedule = Schedule {
            kind,
            peak: 2.0,
            warmup_steps: 2,
            total_steps: 6,
        };
        for (step, expected) in expected.into_iter().enumerate() {
            let found = schedule.learning_rate(step);
            assert!(
                (found - expected).abs() < 1e-12,
                "{kind:?} step {step}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn schedules_equal_transformers() {
        let half = std::f64::consts::FRAC_1_SQRT_2;
        check(LrSchedulerType::Constant, [0.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
        check(LrSchedulerType::Linear, [0.0, 1.0, 2.0, 1.5, 1.0, 0.5]);
        check(
            LrSchedulerType::Cosine,
            [0.0, 1.0, 2.0, 1.0 + half, 1.0, 1.0 - half],
        );
    }

    #[test]
    fn a_run_without_warmup_starts_at_the_peak() {
        let schedule = Schedule {
            kind: LrSchedulerType::Cosine,
            peak: 1.0,
            warmup_steps: 0,
            total_steps: 1,
        };
        assert!((schedule.learning_rate(0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_warmup_of_any_ratio_has_at_least_one_step() {
        assert_eq!(Schedule::warmup_steps(0.0, 100), 0);
        assert_eq!(Schedule::warmup_steps(0.01, 10), 1);
        assert_eq!(Schedule::warmup_steps(0.1, 100), 10);
    }
}
