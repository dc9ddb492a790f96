//! Processes that run tests, reused from one run to the next.
//!
//! Tests are trusted code, and only values rebuilt from builtin types reach them from a program. So a tester
//! may serve many runs: it forks for each, and a run that did not end cleanly ends its tester, too. This saves
//! half of the process starts.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::launch::Launcher;
use crate::process::Process;
use crate::runner::Role;
use crate::{Level, Limits, SandboxError};

type Started = Result<Process, SandboxError>;

/// Idle testers, and the thread that starts new ones.
#[derive(Debug)]
pub(crate) struct Testers {
    idle: Mutex<Vec<Process>>,
    /// Each request contains the channel for the started process.
    requests: mpsc::Sender<mpsc::Sender<Started>>,
    are_reused: bool,
}

impl Testers {
    pub(crate) fn new(launcher: Arc<Launcher>) -> Self {
        // Level B forbids fork.
        let are_reused = launcher.level != Level::B;
        let (requests, incoming) = mpsc::channel::<mpsc::Sender<Started>>();
        // A box dies with the thread that started it, and the threads of runs are short-lived.
        thread::spawn(move || {
            for answer in incoming {
                let limits = Limits {
                    // A tester sets this limit for each run.
                    cpu_s: f64::INFINITY,
                    ..Limits::default()
                };
                // Fails only if nobody waits any more.
                let _ = answer.send(Process::start(&launcher, Role::Tester, &limits, None));
            }
        });
        Self {
            idle: Mutex::default(),
            requests,
            are_reused,
        }
    }

    /// Returns an idle tester, or starts one.
    pub(crate) fn take(&self) -> Started {
        let idle = self.lock().pop();
        if let Some(process) = idle {
            return Ok(process);
        }
        let (answer, process) = mpsc::channel();
        let stopped = || SandboxError::io("start a process")(std::io::Error::other("stopped"));
        self.requests.send(answer).map_err(|_| stopped())?;
        process.recv().map_err(|_| stopped())?
    }

    /// Returns whether a tester serves more than one job.
    pub(crate) fn are_reused(&self) -> bool {
        self.are_reused
    }

    /// Returns a tester to the pool.
    pub(crate) fn give_back(&self, process: Process) {
        self.lock().push(process);
    }

    /// The list is consistent at every moment, so a panic elsewhere leaves it usable.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
