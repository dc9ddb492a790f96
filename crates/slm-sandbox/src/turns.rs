//! Scheduling of runs: up to `workers` at once, or one alone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Limits the number of concurrent runs to `workers`, and lets a run be alone.
#[derive(Debug)]
pub(crate) struct Turns {
    workers: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Runs that wait to be alone; no other run begins meanwhile.
    waiting_alone: usize,
    is_alone: bool,
}

/// A worker slot, released when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Waits for a slot next to other runs.
    pub(crate) fn shared(&self) -> Turn<'_> {
        let is_full = |state: &mut State| {
            state.running >= self.workers || state.waiting_alone > 0 || state.is_alone
        };
        let mut state = self
            .changed
            .wait_while(self.lock(), is_full)
            .unwrap_or_else(PoisonError::into_inner);
        state.running += 1;
        Turn(self)
    }

    /// Waits until no other run holds a slot, and takes one exclusively.
    pub(crate) fn alone(&self) -> Turn<'_> {
        let mut state = self.lock();
        state.waiting_alone += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| state.running > 0)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting_alone -= 1;
        state.running = 1;
        state.is_alone = true;
        Turn(self)
    }

    /// The state is consistent at every moment, so a panic elsewhere leaves it usable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        state.is_alone = false;
        drop(state);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn no_more_than_the_workers_run_and_one_alone_is_alone() {
        let (turns, running) = (Turns::new(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            for i in 0..24 {
                let (turns, running) = (&turns, &running);
                scope.spawn(move || {
                    let limit = if i % 6 == 0 { 1 } else { 3 };
                    let _turn = if limit == 1 {
                        turns.alone()
                    } else {
                        turns.shared()
                    };
                    assert!(running.fetch_add(1, Ordering::SeqCst) < limit);
                    thread::sleep(Duration::from_millis(2));
                    assert!(running.fetch_sub(1, Ordering::SeqCst) <= limit);
                });
            }
        });
    }
}
