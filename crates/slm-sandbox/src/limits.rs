//! Resource limits of a program.

use serde::{Deserialize, Serialize};

/// Maximum number of files and folders that a program may have at one time.
pub(crate) const MOST_FILES: usize = 4 << 10;

/// Total bytes that a program may write at level A; each file has its own limit as well.
pub(crate) const FOLDER_BYTES: u64 = 64 << 20;

/// Limits of one run: a program and all of its tests together.
///
/// The defaults suit programs of benchmark size; a benchmark may set its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// CPU seconds of the process, including about 20 ms for Python's start. The kernel stops a program at the
    /// next whole second, or one second later if it catches the signal; a program that ends earlier is judged
    /// by the exact value.
    pub cpu_s: f64,
    /// Wall seconds after which a program that sleeps or waits is killed.
    pub wall_s: f64,
    /// Address space of each process, in bytes.
    pub memory_bytes: u64,
    /// Maximum size of a file that may be written, in bytes.
    pub file_bytes: u64,
    /// Maximum size of stdout and stderr together, in bytes; a script's stderr is dropped.
    pub output_bytes: u64,
    /// Processes and threads besides those the user already runs (no limit for root).
    pub processes: u64,
    /// Maximum number of open files.
    pub open_files: u64,
}

impl Limits {
    /// Ratio of the wall limit to the CPU limit.
    pub const WALL_PER_CPU: f64 = 4.0;

    /// Returns these limits with `cpu_s` CPU seconds and the wall limit derived from it.
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
