//! How much a program may use.

use serde::{Deserialize, Serialize};

/// Most files and folders that a program may have at one time.
pub(crate) const MOST_FILES: usize = 4 << 10;

/// Bytes that a program may write in all at level A; each file has its own limit beside this.
pub(crate) const FOLDER_BYTES: u64 = 64 << 20;

/// Limits of one run: a program and all of its tests together.
///
/// The defaults suit programs of benchmark size; a benchmark may set its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// CPU seconds of the process, Python's start of some 20 ms included. The kernel stops a
    /// program at the next whole second, or one later if it resists; one that ends before is
    /// judged by the exact value.
    pub cpu_s: f64,
    /// Seconds on the clock, after which a program that sleeps or waits is ended.
    pub wall_s: f64,
    /// Address space of each process, in bytes.
    pub memory_bytes: u64,
    /// Largest file that may be written, in bytes.
    pub file_bytes: u64,
    /// What stdout and stderr may hold together, in bytes; a script's stderr is not kept.
    pub output_bytes: u64,
    /// Processes and threads beside those the user already runs (no bound for root).
    pub processes: u64,
    /// Highest number of open files.
    pub open_files: u64,
}

impl Limits {
    /// How many times the CPU limit the clock may run.
    pub const WALL_PER_CPU: f64 = 4.0;

    /// These limits with `cpu_s` CPU seconds, and the wall limit that belongs to it.
    #[must_use]
    pub fn with_cpu_s(self, cpu_s: f64) -> Self {
        Self {
            cpu_s,
            wall_s: Self::WALL_PER_CPU * cpu_s,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_s: 10.0,
            wall_s: 10.0 * Self::WALL_PER_CPU,
            memory_bytes: 2 << 30,
            file_bytes: 16 << 20,
            output_bytes: 1 << 20,
            processes: 32,
            open_files: 64,
        }
    }
}
