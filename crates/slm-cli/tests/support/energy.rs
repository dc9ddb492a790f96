//! A counter of a processor's energy for tests, as Linux shows one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::Project;

/// Its power, in watts.
const WATTS: f64 = 50.0;
/// Its largest value, in microjoules.
const LARGEST: u64 = 262_143_328_850;
/// Its first value: it begins again at 0 a second later.
const BEGIN: u64 = LARGEST - 50_000_000;

/// A counter in the folder `powercap` of a project, which counts until it is dropped.
pub(crate) struct TickingCounter {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TickingCounter {
    /// Starts to count, shortly before its return to 0.
    pub(crate) fn start(project: &Project) -> Self {
        let folder = "powercap/intel-rapl:0";
        project.write(&format!("{folder}/name"), "package-0\n");
        project.write(
            &format!("{folder}/max_energy_range_uj"),
            format!("{LARGEST}\n"),
        );
        project.write(&format!("{folder}/energy_uj"), format!("{BEGIN}\n"));
        let (file, part) = (
            project.path(&format!("{folder}/energy_uj")),
            project.path(&format!("{folder}/next")),
        );
        let is_over = Arc::<AtomicBool>::default();
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || count(&seen, &(file, part)));
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

fn count(is_over: &AtomicBool, (file, part): &(PathBuf, PathBuf)) {
    let began = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let spent = (began.elapsed().as_secs_f64() * WATTS * 1e6) as u64;
        let microjoules = (BEGIN + spent) % LARGEST;
        // Renamed, so that no reader sees half of it.
        fs::write(part, format!("{microjoules}\n")).expect("written");
        fs::rename(part, file).expect("renamed");
        thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for TickingCounter {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
