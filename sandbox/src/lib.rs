//! Runs generated Python programs against their tests, with limits.
//!
//! # Theory of operation
//! A program and its tests are handed to a fresh Python process, which runs the program as a
//! module and then each test in a copy of that module's namespace. The process has
//! - an empty working folder that is removed afterwards, no standard input, and an environment
//!   that we set completely;
//! - resource limits on CPU time, address space, file size, open files and processes, set between
//!   fork and exec, so that there is no moment without them;
//! - a session of its own, killed as a whole when it ends or when a limit is reached;
//! - a pipe for the results that is neither stdout nor stderr, so that nothing the program prints
//!   can be taken for a result. Every result carries a random nonce, and a run counts only after
//!   the runner has said that it is complete: leaving early is a failure.
//!
//! CPU time decides what a timeout is. The wall limit, four times longer, only catches a program
//! that sleeps; since a starved process looks the same, a run which ends there is repeated once
//! while no other run of the same [`Sandbox`] is under way ([`Outcome::rerun`]).
//!
//! # What this does not hold against
//! **This form is no security boundary**: it contains mistakes, not attacks. A hostile program can
//! - read every file that the user can read, write where the user can write, and use the network;
//! - signal other processes of the user, and leave its session (`setsid`) to outlive the run;
//! - as root, fork without limit and raise its own limits; as anyone, spend the CPU limit anew in
//!   every process it forks, and fill the disk with many files below the size limit;
//! - forge a verdict, since the tests run in its own process: it can walk the stack to the nonce,
//!   or return objects which equal everything.
//!
//! [`Sandbox::description`] tells the same of the running machine, for reports.

mod confinement;
mod description;
mod error;
mod interpreter;
mod limits;
mod outcome;
mod process;
mod protocol;

use std::sync::{PoisonError, RwLock};

pub use description::{Description, Property};
pub use error::SandboxError;
pub use interpreter::Interpreter;
pub use limits::Limits;
pub use outcome::{Outcome, TestOutcome, Verdict};
use process::Kill;

/// A Python interpreter and the limits under which programs run on it.
///
/// Share one among all workers (it is `Sync`): a repeated run is alone only among the runs of the
/// same sandbox.
#[derive(Debug)]
pub struct Sandbox {
    interpreter: Interpreter,
    limits: Limits,
    /// Held for reading by every run, and for writing by one that must be alone.
    turn: RwLock<()>,
}

impl Sandbox {
    /// A sandbox around `interpreter`; nothing is started until a program is run.
    pub fn new(interpreter: Interpreter, limits: Limits) -> Self {
        Self {
            interpreter,
            limits,
            turn: RwLock::new(()),
        }
    }

    /// The interpreter that programs run on.
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// The limits of each run.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The kind of isolation and what it enforces on this machine, for a report.
    pub fn description(&self) -> Description {
        Description::of_this_machine(&self.limits)
    }

    /// Runs `program` and then each of `tests`, a snippet of Python that raises when the program
    /// is wrong (usually one `assert`).
    ///
    /// The program is a module of its own, whose `__name__` is not `__main__`. Each test sees a
    /// shallow copy of its namespace, so that names bound by one test are unknown to the next.
    /// The limits hold for the program and all of its tests together. With no tests, a program
    /// passes by running to its end.
    ///
    /// # Errors
    /// Only the harness's own trouble (the process cannot be started, no temporary file can be
    /// written). Whatever the program does is an [`Outcome`].
    pub fn run_tests(&self, program: &str, tests: &[String]) -> Result<Outcome, SandboxError> {
        // The lock guards turns, not data: a run that panicked leaves nothing half-changed.
        let (first, decided) = {
            let _shared = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            self.run_once(program, tests)?
        };
        if decided {
            return Ok(first);
        }
        let _alone = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        let (second, _) = self.run_once(program, tests)?;
        Ok(Outcome {
            rerun: true,
            ..second
        })
    }

    /// The outcome of one run, and whether it is final: false if the clock alone ended it, which
    /// happens to a program that sleeps and to one that was kept waiting by a busy machine.
    fn run_once(&self, program: &str, tests: &[String]) -> Result<(Outcome, bool), SandboxError> {
        let nonce = protocol::nonce()?;
        let job = protocol::job(&nonce, program, tests);
        let finished = process::run(&self.interpreter, &self.limits, &job, tests.len())?;
        let outcome = outcome::judge(&finished, &nonce, tests.len(), &self.limits);
        let decided = finished.killed != Some(Kill::Wall) || outcome.cpu_s >= self.limits.cpu_s;
        Ok((outcome, decided))
    }
}
