//! What a comparison may cost.

use std::time::Duration;

/// How far a walk through values may go, so that no answer of a program holds up the judge.
///
/// Steps decide: the same two values get the same verdict on every machine. Two values of one
/// shape take a step a part; the rest is for parts that the two share differently. The time is a
/// second net, in CPU time of the thread, so that a busy machine does not count.
#[derive(Debug)]
pub struct Budget {
    steps: u64,
    /// CPU time of this thread at which it ends.
    end: Duration,
    /// Steps after which the clock is read again.
    until_clock: u64,
}

/// Why a value could not be judged; the answer then counts as wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// Python gives up here, too, with `RecursionError`.
    #[error(
        "it is nested more than {} levels deep, or contains itself",
        Budget::LEVELS
    )]
    Depth,
    /// Parts that are shared many times over, mostly.
    #[error("its parts are shared so often that comparing them takes too many steps")]
    Steps,
    /// The second net.
    #[error("comparing it takes more than {} s of CPU time", Budget::SECONDS)]
    Time,
}

impl Budget {
    /// Most levels, as Python has them.
    pub const LEVELS: u32 = 1000;
    /// CPU seconds of one comparison.
    pub const SECONDS: u64 = 2;
    /// Steps a part of the two values, and for values of few parts.
    const STEPS_A_PART: u64 = 16;
    const LEAST_STEPS: u64 = 1 << 16;
    const CLOCK_STEPS: u64 = 1 << 14;

    /// For values of this many parts together.
    pub fn for_parts(parts: usize) -> Self {
        Self {
            steps: Self::LEAST_STEPS + Self::STEPS_A_PART * parts as u64,
            end: thread_cpu_time() + Duration::from_secs(Self::SECONDS),
            until_clock: Self::CLOCK_STEPS,
        }
    }

    /// Takes steps off.
    ///
    /// # Errors
    /// [`Exceeded`] if there are not that many left.
    pub fn spend(&mut self, steps: u64) -> Result<(), Exceeded> {
        self.steps = self.steps.checked_sub(steps).ok_or(Exceeded::Steps)?;
        match self.until_clock.checked_sub(steps) {
            Some(left) => self.until_clock = left,
            None if thread_cpu_time() > self.end => return Err(Exceeded::Time),
            None => self.until_clock = Self::CLOCK_STEPS,
        }
        Ok(())
    }

    /// As [`Budget::spend`] for a text or bytes of this length, which are quickly compared.
    ///
    /// # Errors
    /// As [`Budget::spend`].
    pub fn spend_bytes(&mut self, bytes: usize) -> Result<(), Exceeded> {
        // A text is one part however long it is, and its length was paid for on its way.
        const BYTES_A_CLOCK: u64 = 1 << 20;
        if bytes as u64 >= BYTES_A_CLOCK && thread_cpu_time() > self.end {
            return Err(Exceeded::Time);
        }
        self.spend(1)
    }
}

/// CPU time of this thread; zero where the system does not tell.
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
