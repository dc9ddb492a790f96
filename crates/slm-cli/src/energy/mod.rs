//! Measures the energy of the machine while a command works.
//!
//! - `counter` adds up a counter that may begin again at 0
//! - `rapl` finds those of the processors, `nvml` that of a GPU
//!
//! A thread reads the counters every few seconds, since one of a processor begins again at 0 after minutes.

mod counter;
mod nvml;
mod rapl;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slm_artifacts::{Energy, EnergyPart, MeasuredEnergy};
use slm_model::DeviceChoice;

use crate::environment::powercap;
use counter::Counter;

/// Interval between two readings.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The energy since it was started, of the parts of the machine that a command uses.
#[derive(Debug)]
pub struct EnergyMeter(Arc<Shared>);

/// What a command uses beside the machine's processors.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnergyUse {
    /// The device that it has opened.
    pub device: Option<DeviceChoice>,
    /// Whether a server answers, whose energy is not measured.
    pub has_server: bool,
}

impl EnergyMeter {
    /// Starts to measure the processors, and what else a command uses.
    pub fn of(used: EnergyUse) -> Self {
        let server = used.has_server.then(|| Part {
            part: EnergyPart::Server,
            counters: Err("a server answered, whose energy is not measured".to_owned()),
        });
        let parts = [processors(&powercap())].into_iter();
        let parts = parts.chain(used.device.and_then(gpu_of)).chain(server);
        Self::start(parts.collect())
    }

    fn start(parts: Vec<Part>) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                parts,
                sum: Energy::default(),
                read: Instant::now(),
                is_over: false,
            }),
            over: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        // Without the thread, a time between two readings that is too long is counted as unread.
        let _ = std::thread::Builder::new()
            .name("energy".to_owned())
            .spawn(move || of_thread.read_on());
        Self(shared)
    }

    /// Returns the energy since the start.
    pub fn read(&self) -> Energy {
        let mut state = self.0.state();
        state.read_now();
        state.sum.clone()
    }
}

impl Drop for EnergyMeter {
    fn drop(&mut self) {
        self.0.state().is_over = true;
        self.0.over.notify_all();
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread when the meter is dropped.
    over: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the counters until the meter is dropped.
    fn read_on(&self) {
        let mut state = self.state();
        while !state.is_over {
            let waited = self.over.wait_timeout(state, READ_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.read_now();
        }
    }
}

struct State {
    parts: Vec<Part>,
    sum: Energy,
    /// The time of the last reading.
    read: Instant,
    is_over: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.sum.fmt(f)
    }
}

impl State {
    fn read_now(&mut self) {
        let now = Instant::now();
        let seconds = now.duration_since(self.read).as_secs_f64();
        self.read = now;
        self.advance(seconds);
    }

    /// Adds the energy since the last reading, `seconds` ago.
    fn advance(&mut self, seconds: f64) {
        for Part { part, counters } in &mut self.parts {
            let measured = self.sum.0.entry(*part).or_default();
            match counters {
                Ok(counters) => add(counters, seconds, measured),
                Err(reason) => measured.lose(seconds, reason),
            }
        }
    }
}

/// A part of the machine.
struct Part {
    part: EnergyPart,
    /// Its counters, or why there are none.
    counters: Result<Vec<Counter>, String>,
}

/// Adds the energy of all counters of a part. Where one cannot be read, that of the others is a lower bound.
fn add(counters: &mut [Counter], seconds: f64, measured: &mut MeasuredEnergy) {
    let mut lost = None;
    for counter in counters {
        match counter.advance(seconds) {
            Ok(joules) => measured.gain(joules),
            Err(reason) => lost = lost.or(Some(reason)),
        }
    }
    match lost {
        None => measured.seconds += seconds,
        Some(reason) => measured.lose(seconds, &reason),
    }
}

fn processors(powercap: &Path) -> Part {
    Part {
        part: EnergyPart::Processors,
        counters: rapl::packages(powercap),
    }
}

/// Returns the GPU of a device; `None` for the CPU.
fn gpu_of(device: DeviceChoice) -> Option<Part> {
    let counters = match device {
        DeviceChoice::Cpu | DeviceChoice::CubeCpu => return None,
        DeviceChoice::Cuda(index) => nvml::gpu(index).map(|counter| vec![counter]),
        _ => Err("the energy of a GPU is read with `--device cuda` only".to_owned()),
    };
    Some(Part {
        part: EnergyPart::Gpu,
        counters,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rapl::tests::{set, write};
    use slm_artifacts::Amount;

    const LARGEST: u64 = 262_143_328_850;

    fn state(root: &Path) -> State {
        State {
            parts: vec![processors(root)],
            sum: Energy::default(),
            read: Instant::now(),
            is_over: false,
        }
    }

    #[test]
    fn a_night_of_returns_to_0_is_added_up() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        write(root, "intel-rapl:0", "package-0", 0, LARGEST);
        write(root, "intel-rapl:1", "package-1", 0, LARGEST);
        let mut state = state(root);
        // Eight hours at 150 W and 50 W, read every minute: the first returns to 0 16 times.
        for reading in 1..=480u64 {
            set(root, "intel-rapl:0", (reading * 9_000_000_000) % LARGEST);
            set(root, "intel-rapl:1", (reading * 3_000_000_000) % LARGEST);
            state.advance(60.0);
        }
        let Amount::Known(joules) = state.sum.joules() else {
            panic!("{:?}", state.sum);
        };
        // 200 W for 8 hours are 1.6 kWh.
        let kwh = joules / slm_artifacts::JOULES_PER_KWH;
        assert!((kwh - 1.6).abs() < 1e-9, "{kwh}");
        assert!((state.sum.0[&EnergyPart::Processors].seconds - 28_800.0).abs() < 1e-6);
    }

    #[test]
    fn a_counter_that_vanishes_midway_leaves_a_lower_bound_and_its_reason() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        write(root, "intel-rapl:0", "package-0", 0, LARGEST);
        write(root, "intel-rapl:1", "package-1", 0, LARGEST);
        let mut state = state(root);
        set(root, "intel-rapl:0", 600_000_000);
        set(root, "intel-rapl:1", 200_000_000);
        state.advance(10.0);
        assert_eq!(state.sum.joules(), Amount::Known(800.0));
        let before = state.sum.clone();
        std::fs::remove_file(root.join("intel-rapl:1/energy_uj")).expect("removed");
        set(root, "intel-rapl:0", 1_000_000_000);
        state.advance(5.0);
        assert_eq!(state.sum.joules(), Amount::AtLeast(1200.0));
        let phase = state.sum.since(&before);
        assert_eq!(phase.joules(), Amount::AtLeast(400.0));
        let reasons = phase.unread_by_reason();
        let (reason, seconds) = reasons.first_key_value().expect("a reason");
        assert!(reason.ends_with("energy_uj: it does not exist"), "{reason}");
        assert!((seconds - 5.0).abs() < 1e-9);
    }

    #[test]
    fn without_counters_the_energy_is_unknown_and_the_server_of_a_run_as_well() {
        let root = tempfile::tempdir().expect("a folder");
        let mut none = state(root.path());
        none.advance(10.0);
        assert_eq!(none.sum.joules(), Amount::Unknown);
        assert_eq!(none.sum.unread_by_reason().len(), 1);
        let meter = EnergyMeter::of(EnergyUse {
            device: None,
            has_server: true,
        });
        let energy = meter.read();
        assert_eq!(energy.0[&EnergyPart::Server].joules, None);
        let unread: Vec<&str> = energy.0[&EnergyPart::Server]
            .unread
            .keys()
            .map(|text| &**text)
            .collect();
        assert_eq!(unread, ["a server answered, whose energy is not measured"]);
    }

    #[test]
    fn a_device_has_the_parts_that_it_uses() {
        assert!(gpu_of(DeviceChoice::Cpu).is_none());
        let other = gpu_of(DeviceChoice::Wgpu).expect("a GPU");
        let reason = other.counters.err().expect("not read");
        assert_eq!(
            reason,
            "the energy of a GPU is read with `--device cuda` only"
        );
    }

    #[test]
    fn the_meter_reads_while_it_exists() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        write(root, "intel-rapl:0", "package-0", 0, LARGEST);
        let meter = EnergyMeter::start(vec![processors(root)]);
        set(root, "intel-rapl:0", 3_000_000);
        assert_eq!(meter.read().joules(), Amount::Known(3.0));
        let shared = Arc::downgrade(&meter.0);
        drop(meter);
        let begun = Instant::now();
        while shared.strong_count() > 0 && begun.elapsed() < READ_EVERY {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(shared.strong_count(), 0, "the thread has ended");
    }
}
