//! Wall time and energy by phase, over all starts of a run.
//!
//! Ctrl-C ends the process within a phase, and so may anything else. The times are therefore saved every few seconds in
//! the run's folder, in a file that the next start reads and the end of the run removes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use slm_artifacts::{Energy, atomic_write};
use slm_cli::{EnergyMeter, EnergyUse};
use slm_model::DeviceChoice;
use slm_report::PhaseTiming;

/// The file of the times of an unfinished run in its folder.
const UNFINISHED: &str = "timings.json";

/// Interval between two saves: an interrupted start loses at most this at its end.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// The wall time and the energy of each phase.
#[derive(Default)]
pub(crate) struct Timings(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread that saves when the times are dropped.
    over: Condvar,
}

#[derive(Default)]
struct State {
    /// Those of finished phases, and of all phases of earlier starts.
    phases: Vec<PhaseTiming>,
    running: Option<Running>,
    /// `None` for times without energy.
    energy: Option<EnergyUse>,
    meter: Option<EnergyMeter>,
    /// `None` before the run's folder is known.
    file: Option<PathBuf>,
    is_over: bool,
}

/// A phase at its beginning.
struct Running {
    phase: String,
    began: Instant,
    /// The meter's sum then.
    energy: Option<Energy>,
}

impl Timings {
    /// Times with their energy; `has_server` if a server answers some of the calls.
    pub(crate) fn with_energy(has_server: bool) -> Self {
        let timings = Self::default();
        timings.0.state().energy = Some(EnergyUse {
            device: None,
            has_server,
        });
        timings
    }

    /// Starts to measure energy, if these times have one: of a device, or beside the server that answers instead of one.
    pub(crate) fn measure(&mut self, device: Option<DeviceChoice>) {
        let mut state = self.0.state();
        state.meter = state.energy.map(|used| {
            EnergyMeter::of(EnergyUse {
                device,
                has_server: used.has_server || device.is_none(),
            })
        });
    }

    /// Runs the work of a phase and adds its wall time and energy, also if it fails.
    pub(crate) fn phase<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.0.state().begin(name);
        let result = work();
        self.0.state().end();
        result
    }

    /// Adds the times of earlier starts of the run in a folder: those of its unfinished start, else `recorded`. From now on,
    /// the times are saved there.
    ///
    /// # Errors
    /// The file of an unfinished start is not this program's, or cannot be written.
    pub(crate) fn continue_in(&mut self, folder: &Path, recorded: Vec<PhaseTiming>) -> Result<()> {
        let file = folder.join(UNFINISHED);
        let earlier = if file.is_file() {
            let cannot = || {
                format!(
                    "{}: not the times of a run\nhint: remove it; the report then lacks the time before this start",
                    file.display()
                )
            };
            let text = std::fs::read(&file).with_context(cannot)?;
            serde_json::from_slice(&text).with_context(cannot)?
        } else {
            recorded
        };
        let mut state = self.0.state();
        for phase in &earlier {
            add(&mut state.phases, phase);
        }
        state.file = Some(file);
        state.save()?;
        drop(state);
        let shared = Arc::clone(&self.0);
        // Without the thread, an interrupted start loses its times.
        let _ = std::thread::Builder::new()
            .name("timings".to_owned())
            .spawn(move || shared.save_on());
        Ok(())
    }

    /// Returns the times of all phases.
    pub(crate) fn phases(&self) -> Vec<PhaseTiming> {
        self.0.state().phases.clone()
    }

    /// Removes the file of the unfinished run: its description has the times.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn finish(self) -> Result<()> {
        let file = self.0.state().file.take();
        match file {
            Some(file) if file.exists() => std::fs::remove_file(&file)
                .with_context(|| format!("cannot remove {}", file.display())),
            _ => Ok(()),
        }
    }
}

impl Drop for Timings {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        // After a failure; a finished run has no file any more.
        let _ = state.save();
        self.0.over.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save_on(&self) {
        let mut state = self.state();
        loop {
            let waited = self.over.wait_timeout(state, SAVE_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.is_over {
                return;
            }
            // A full disk ends the run where it writes an answer; here it loses a time at most.
            let _ = state.save();
        }
    }
}

impl State {
    fn measured(&self) -> Option<Energy> {
        self.meter.as_ref().map(EnergyMeter::read)
    }

    fn begin(&mut self, name: &str) {
        self.running = Some(Running {
            phase: name.to_owned(),
            began: Instant::now(),
            energy: self.measured(),
        });
    }

    fn end(&mut self) {
        let running = self.running_until_now();
        self.running = None;
        if let Some(phase) = running {
            add(&mut self.phases, &phase);
        }
    }

    /// The phase that runs, until now.
    fn running_until_now(&self) -> Option<PhaseTiming> {
        let running = self.running.as_ref()?;
        let now = self.measured();
        Some(PhaseTiming {
            phase: running.phase.clone(),
            seconds: running.began.elapsed().as_secs_f64(),
            energy: now
                .zip(running.energy.as_ref())
                .map(|(now, before)| now.since(before)),
        })
    }

    /// Saves the times until now, if the folder is known.
    fn save(&self) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut phases = self.phases.clone();
        if let Some(running) = self.running_until_now() {
            add(&mut phases, &running);
        }
        let text = serde_json::to_string_pretty(&phases)? + "\n";
        atomic_write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn add(phases: &mut Vec<PhaseTiming>, more: &PhaseTiming) {
    match phases.iter_mut().find(|phase| phase.phase == more.phase) {
        Some(phase) => phase.add(more),
        None => phases.push(more.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_seconds(timings: &Timings) -> Vec<(String, f64)> {
        let phases = timings.phases().into_iter();
        phases.map(|of| (of.phase, of.seconds)).collect()
    }

    #[test]
    fn the_times_of_a_start_that_was_killed_within_a_phase_are_added_to_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let metered = || {
            let mut timings = Timings::with_energy(false);
            timings.measure(Some(DeviceChoice::Cpu));
            timings
        };
        let mut first = metered();
        first.continue_in(folder.path(), Vec::new()).expect("begun");
        first.phase("load model", || Ok(())).expect("done");
        first.0.state().begin("generate base single");
        std::thread::sleep(Duration::from_millis(20));
        // What the thread does every few seconds; then the process is killed.
        first.0.state().save().expect("saved");
        let mut second = metered();
        second
            .continue_in(folder.path(), Vec::new())
            .expect("continued");
        second
            .phase("generate base single", || {
                std::thread::sleep(Duration::from_millis(20));
                Ok(())
            })
            .expect("done");
        let found = names_and_seconds(&second);
        let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["load model", "generate base single"]);
        assert!(found[1].1 >= 0.04, "{found:?}");
        assert!(second.phases().iter().all(|phase| phase.energy.is_some()));
        second.finish().expect("removed");
        assert!(!folder.path().join(UNFINISHED).exists());
    }

    #[test]
    fn a_phase_that_fails_has_a_time() {
        let mut timings = Timings::default();
        let failed: Result<()> = timings.phase("hidden tests", || anyhow::bail!("no disk"));
        assert!(failed.is_err());
        assert_eq!(names_and_seconds(&timings).len(), 1);
        assert_eq!(timings.phases()[0].energy, None, "without a meter");
    }

    #[test]
    fn a_finished_run_that_is_started_again_keeps_its_times() {
        let folder = tempfile::tempdir().expect("a folder");
        let recorded = PhaseTiming {
            phase: "hidden tests".to_owned(),
            seconds: 8.0,
            energy: None,
        };
        let mut timings = Timings::default();
        let begun = timings.continue_in(folder.path(), vec![recorded.clone()]);
        begun.expect("begun");
        // Killed before anything else: the description has been written without times by then.
        drop(timings);
        let mut timings = Timings::default();
        timings
            .continue_in(folder.path(), Vec::new())
            .expect("continued");
        assert_eq!(timings.phases(), [recorded]);
        std::fs::write(folder.path().join(UNFINISHED), "{").expect("written");
        let error = Timings::default().continue_in(folder.path(), Vec::new());
        let error = error.expect_err("refused").to_string();
        assert!(
            error.contains("timings.json: not the times of a run"),
            "{error}"
        );
    }
}
