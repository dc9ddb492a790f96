//! Wall time by phase, over all starts of a run.

use std::time::Instant;

use anyhow::Result;
use slm_report::PhaseTiming;

/// The wall time of each phase.
#[derive(Default)]
pub(crate) struct Timings {
    pub(crate) phases: Vec<PhaseTiming>,
}

impl Timings {
    /// Runs the work of a phase and adds its wall time.
    pub(crate) fn phase<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work()?;
        self.add(name, started.elapsed().as_secs_f64());
        Ok(result)
    }

    fn add(&mut self, name: &str, seconds: f64) {
        match self.phases.iter_mut().find(|phase| phase.phase == name) {
            Some(phase) => phase.seconds += seconds,
            None => self.phases.push(PhaseTiming {
                phase: name.to_owned(),
                seconds,
            }),
        }
    }

    /// Adds the wall times of earlier starts of the run.
    pub(crate) fn continue_from(&mut self, earlier: Vec<PhaseTiming>) {
        for phase in earlier {
            self.add(&phase.phase, phase.seconds);
        }
    }
}
