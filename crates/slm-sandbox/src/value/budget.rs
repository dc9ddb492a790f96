//! Limits on the cost of a comparison.

use std::time::Duration;

/// Limits a walk through values, so that no value of a program can stall the judge.
///
/// Steps decide: the same two values get the same verdict on every machine. Two values of one shape take one
/// step for each part; the rest of the budget is for parts that the two share differently. CPU time of the
/// thread is a second limit, which a busy machine does not affect.
#[derive(Debug)]
pub struct Budget {
    steps: u64,
    /// CPU time of this thread at which the budget ends.
    end: Duration,
    /// Steps until the clock is read again.
    until_clock: u64,
}

/// Why a value could not be judged; it then counts as wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Nested too deeply; Python raises `RecursionError` at this depth, too.
    #[error(
        "it is nested more than {} levels deep, or contains itself",
        Budget::LEVELS
    )]
    Depth,
    /// Too many steps, usually because parts are shared many times.
    #[error("its parts are shared so often that comparing them takes too many steps")]
    Steps,
    /// The CPU time limit.
    #[error("comparing it takes more than {} s of CPU time", Budget::SECONDS)]
    Time,
}

impl Budget {
    /// Maximum nesting levels, as in Python.
    pub const LEVELS: u32 = 1000;
    /// CPU seconds for one comparison.
    pub const SECONDS: u64 = 2;
    /// Steps for each part of the two values, in addition to [`Self::LEAST_STEPS`].
    const STEPS_A_PART: u64 = 16;
    /// Steps for values of few parts.
    const LEAST_STEPS: u64 = 1 << 16;
    /// Steps between two reads of the clock.
    const CLOCK_STEPS: u64 = 1 << 14;

    /// Returns the budget for values with this many parts together.
    pub fn for_parts(parts: usize) -> Self {
        Self {
            steps: Self::LEAST_STEPS + Self::STEPS_A_PART * parts as u64,
            end: thread_cpu_time() + Duration::from_secs(Self::SECONDS),
            until_clock: Self::CLOCK_STEPS,
        }
    }

    /// Subtracts steps.
    ///
    /// # Errors
    /// [`Exceeded`] if fewer steps remain.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exceeded> {
        self.steps = self.steps.checked_sub(steps).ok_or(Exceeded::Steps)?;
        match self.until_clock.checked_sub(steps) {
            Some(left) => self.until_clock = left,
            None if thread_cpu_time() > self.end => return Err(Exceeded::Time),
            None => self.until_clock = Self::CLOCK_STEPS,
        }
        Ok(())
    }

    /// Like [`Budget::spend`] for text or bytes of this length, which compare quickly.
    ///
    /// # Errors
    /// As [`Budget::spend`].
    pub fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exceeded> {
        // A text is one part regardless of its length, which the frame limit already bounds.
        const BYTES_A_CLOCK: u64 = 1 << 20;
        if bytes as u64 >= BYTES_A_CLOCK && thread_cpu_time() > self.end {
            return Err(Exceeded::Time);
        }
        self.spend(1)
    }
}

/// Returns the CPU time of this thread; zero where the system does not report it.
#[expect(
    unsafe_code,
    reason = "std and rustix's features in use have no clock of a thread"
)]
fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a live local.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    match code {
        0 => Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32),
        _ => Duration::ZERO,
    }
}
