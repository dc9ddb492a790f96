//! A progress bar for long work alone.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use slm_cli::Progress;

/// Shorter work shows no progress bar.
const QUIET_FOR: Duration = Duration::from_secs(2);

/// A progress bar that appears only when the work takes longer than [`QUIET_FOR`].
pub(super) struct Watch {
    started: Instant,
    total: u64,
    state: Mutex<WatchState>,
}

#[derive(Default)]
struct WatchState {
    done: u64,
    shown: Option<Progress>,
}

impl Watch {
    pub(super) fn new(total: usize) -> Self {
        Self {
            started: Instant::now(),
            total: total as u64,
            state: Mutex::default(),
        }
    }

    /// Counts one more file as done.
    pub(super) fn tick(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += 1;
        if self.started.elapsed() < QUIET_FOR {
            return;
        }
        let done = state.done;
        let shown = &mut state.shown;
        shown
            .get_or_insert_with(|| Progress::new("counting", self.total, "files"))
            .set(done, "");
    }

    pub(super) fn finish(self) {
        let state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(progress) = state.shown {
            progress.finish();
        }
    }
}
