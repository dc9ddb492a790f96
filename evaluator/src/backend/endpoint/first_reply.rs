//! Notes once that a server has not replied yet: one that accepts a connection may never answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Shorter waits are not mentioned.
const QUIET_FOR: Duration = Duration::from_secs(3);

/// Whether a server has replied, or its silence was noted.
#[derive(Debug)]
pub(super) struct FirstReply {
    quiet_for: Duration,
    settled: AtomicBool,
}

impl Default for FirstReply {
    fn default() -> Self {
        Self {
            quiet_for: QUIET_FOR,
            settled: AtomicBool::new(false),
        }
    }
}

impl FirstReply {
    /// Sends a request, and calls `note` if it waits long before the first one was settled.
    pub(super) fn watch<T>(&self, note: impl FnOnce() + Send, send: impl FnOnce() -> T) -> T {
        if self.settled.load(Ordering::Relaxed) {
            return send();
        }
        std::thread::scope(|scope| {
            let (replied, wait) = channel::<()>();
            scope.spawn(move || {
                let is_late = wait.recv_timeout(self.quiet_for) == Err(RecvTimeoutError::Timeout);
                if is_late && !self.settled.swap(true, Ordering::Relaxed) {
                    note();
                }
            });
            let result = send();
            drop(replied);
            result
        })
    }

    /// Notes that the server generates, so that later requests may take their time.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Returns how often the wait was mentioned, with requests of these lengths.
    fn said(requests: &[Duration], settles: bool) -> usize {
        let first = FirstReply {
            quiet_for: Duration::from_millis(200),
            ..FirstReply::default()
        };
        let said = AtomicUsize::new(0);
        for length in requests {
            let note = || {
                said.fetch_add(1, Ordering::Relaxed);
            };
            first.watch(note, || std::thread::sleep(*length));
            if settles {
                first.settle();
            }
        }
        said.into_inner()
    }

    #[test]
    fn a_long_wait_before_the_first_reply_is_mentioned_once() {
        let [short, long] = [0, 600].map(Duration::from_millis);
        assert_eq!(said(&[short, short], false), 0);
        assert_eq!(said(&[short, long, long], false), 1);
        assert_eq!(said(&[short, long], true), 0);
    }
}
