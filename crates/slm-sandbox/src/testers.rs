//! Processes that run tests, kept warm from one run to the next.
//!
//! Tests are trusted code, and what reaches them of a program is values rebuilt from builtin
//! types. So a tester may serve many runs: it forks for each, and a run that did not end cleanly
//! takes its tester with it. That spares half of the processes of a run.

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
    /// Each request names where the process goes.
    requests: mpsc::Sender<mpsc::Sender<Started>>,
    are_reused: bool,
}

impl Testers {
    pub(crate) fn new(launcher: Arc<Launcher>) -> Self {
        // At level B nothing can fork.
        let are_reused = launcher.level != Level::B;
        let (requests, incoming) = mpsc::channel::<mpsc::Sender<Started>>();
        // A box dies with the thread that started it, and the threads of runs come and go.
        thread::spawn(move || {
            for answer in incoming {
                let limits = Limits {
                    // A tester sets this for each run anew.
                    cpu_s: f64::INFINITY,
                    ..Limits::default()
                };
                // Nobody waits any more if this fails.
                let _ = answer.send(Process::start(&launcher, Role::Tester, &limits));
            }
        });
        Self {
            idle: Mutex::default(),
            requests,
            are_reused,
        }
    }

    /// A tester that waits for a job.
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

    /// Whether a tester takes more than one job.
    pub(crate) fn are_reused(&self) -> bool {
        self.are_reused
    }

    /// Keeps a tester for another run.
    pub(crate) fn give_back(&self, process: Process) {
        self.lock().push(process);
    }

    /// A list is whole at every moment, so a panic elsewhere leaves it usable.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
