//! Ctrl-C: the first one asks the training to save and stop, the second ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit code of a process that the second signal ends.
const INTERRUPTED: i32 = 130;

/// Knows whether the user asked to stop.
#[derive(Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes Ctrl-C and a polite kill (SIGINT, SIGTERM) from now on; before, they end the process at once.
    pub(crate) fn watch() -> Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the second signal finds the flag that the first has set.
            flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&requested))
                .and_then(|_| flag::register(signal, Arc::clone(&requested)))
                .context("cannot listen for Ctrl-C")?;
        }
        Ok(Self(requested))
    }

    /// Whether the training should stop after the current step.
    pub(crate) fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
