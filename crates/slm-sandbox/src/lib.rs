//! Sandboxed execution of generated Python, which is treated as hostile.
//!
//! # Theory of operation
//! **Isolation.** A program runs in a box, as strong as the machine allows ([`Level`]): at level A bubblewrap
//! gives it namespaces that contain only a read-only Python and an empty tmpfs; inside it, and at level B
//! without it, a small [`helper`] switches to an unprivileged user, sets resource limits, restricts the file
//! system (Landlock) and the system calls (seccomp), and then execs Python. Level C has resource limits only
//! and must be requested. A job may name one folder that its box reads, too ([`Job::tree`]).
//! [`Sandbox::self_test`] runs attacks that must fail, and reports print which of them failed.
//!
//! **Verdicts.** A program never learns what is expected of it. Functions are called with inputs and their
//! return values are encoded as text of builtin types ([`Value`]) and compared here; tests that are code run in
//! a second box and reach the program through proxies that evaluate every judgement (`==`, `<`, `in`) on the
//! tests' side. Patching builtins, walking frames, objects that equal everything or an early exit therefore
//! have no effect: the only evidence from a program is what its functions return. [`Work::SharedProcess`] is
//! the documented exception.
//!
//! **Values.** Returned values are hostile, too: frames are limited in bytes by kind, values in depth and
//! number of parts, and texts in reports in length. Comparisons use no recursion and end within a [`Budget`] of
//! steps and CPU time; a value beyond it is a wrong answer with that reason ([`Exceeded`]) and cannot crash the
//! harness.
//!
//! **Time.** Timeouts are decided by CPU time. The wall limit, four times longer, catches a program that
//! sleeps. At most as many runs as processor cores execute at once, and a run that ended in a timeout is
//! repeated once alone ([`Outcome::rerun`]).
//!
//! **Cleanup.** A box dies with the harness, even if the harness is killed: at level A because its first
//! process does, at level B because there is only one process. Folders of a killed harness are removed at the
//! next start.
//!
//! Out of scope: kernel bugs, CPU side channels, unfair scheduling on a loaded machine.

mod conduct;
mod error;
mod folder;
#[cfg(test)]
mod fuzz;
pub mod helper;
mod interpreter;
mod job;
mod judge;
mod launch;
mod level;
mod limits;
mod outcome;
mod parallel;
mod process;
mod runner;
mod self_test;
mod testers;
mod turns;
mod value;
mod wire;

use std::sync::Arc;
use std::thread;

pub use error::SandboxError;
pub use interpreter::Interpreter;
pub use job::{Call, Job, Work};
pub use level::{Level, LevelChoice};
pub use limits::Limits;
pub use outcome::{CallOutcome, Outcome, Returned, TestOutcome, Verdict};
pub use parallel::for_each_parallel;
pub use self_test::{Description, Property};
pub use value::{Budget, Exceeded, Malformed, Node, NodeId, Pairs, Value};

use launch::Launcher;
use testers::Testers;
use turns::Turns;

/// A Python interpreter, and boxes to run programs in.
///
/// Share one instance among all threads (it is `Sync`): it limits the number of concurrent runs and serialises
/// runs that must be alone.
#[derive(Debug)]
pub struct Sandbox {
    launcher: Arc<Launcher>,
    testers: Testers,
    limits: Limits,
    turns: Turns,
    /// Why a stronger level was not used.
    weaker_because: Option<String>,
}

impl Sandbox {
    /// Creates a sandbox of the strongest level that works on this machine, at least level B.
    ///
    /// # Errors
    /// As [`Sandbox::with_level`].
    pub fn new(interpreter: Interpreter, limits: Limits) -> Result<Self, SandboxError> {
        Self::with_level(interpreter, limits, LevelChoice::Strongest)
    }

    /// Creates a sandbox of the chosen level; runs without their own limits use `limits`. Starts a
    /// first box, in which the interpreter must be the same as outside.
    ///
    /// # Errors
    /// [`SandboxError::NoLevel`] if no allowed level works, or the reason why the requested one does not.
    pub fn with_level(
        interpreter: Interpreter,
        limits: Limits,
        choice: LevelChoice,
    ) -> Result<Self, SandboxError> {
        folder::remove_orphans();
        let levels: &[Level] = match choice {
            LevelChoice::Strongest => &[Level::A, Level::B],
            LevelChoice::StrongestOrUnsafe => &[Level::A, Level::B, Level::C],
            LevelChoice::Exactly(Level::A) => &[Level::A],
            LevelChoice::Exactly(Level::B) => &[Level::B],
            LevelChoice::Exactly(Level::C) => &[Level::C],
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let mut reasons = Vec::new();
        for &level in levels {
            match self_test::working_launcher(level, &interpreter) {
                Ok((launcher, testers)) => {
                    return Ok(Self {
                        launcher,
                        testers,
                        limits,
                        turns: Turns::new(workers),
                        weaker_because: reasons.pop().map(|(_, reason): (Level, String)| reason),
                    });
                }
                Err(error) if levels.len() == 1 => return Err(error),
                Err(error) => {
                    let text = error.to_string();
                    let first_line = text.lines().next().unwrap_or_default();
                    reasons.push((level, first_line.to_owned()));
                }
            }
        }
        let lines = reasons
            .iter()
            .map(|(level, reason)| format!("  level {level}: {reason}"));
        Err(SandboxError::NoLevel {
            reasons: lines.collect::<Vec<_>>().join("\n"),
        })
    }

    /// Sets the number of concurrent runs, between one and the number of cores: more would only turn waiting
    /// into timeouts.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.turns = Turns::new(workers.min(self.turns.workers()));
        self
    }

    /// Returns the interpreter that programs run on.
    pub fn interpreter(&self) -> &Interpreter {
        &self.launcher.interpreter
    }

    /// Returns the default limits of a run.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the isolation level.
    pub fn level(&self) -> Level {
        self.launcher.level
    }

    /// Returns why a stronger level was not used; `None` if there is none or it was not requested.
    pub fn weaker_because(&self) -> Option<&str> {
        self.weaker_because.as_deref()
    }

    /// Returns the maximum number of concurrent runs.
    pub fn workers(&self) -> usize {
        self.turns.workers()
    }

    /// Runs `program` and then each of `tests`, Python snippets that raise if the program is wrong (usually one
    /// `assert`), under the limits of this sandbox.
    ///
    /// Like [`Work::Asserts`] without setup or entry point. The limits apply to the program and all of its
    /// tests together. Without tests, a program passes by running to its end.
    ///
    /// # Errors
    /// As [`Sandbox::run`].
    pub fn run_tests(&self, program: &str, tests: &[String]) -> Result<Outcome, SandboxError> {
        let job = Job {
            program: program.to_owned(),
            preamble: String::new(),
            work: Work::Asserts {
                setup: String::new(),
                entry_point: String::new(),
                tests: tests.to_vec(),
            },
            tree: None,
        };
        self.run(&job, &self.limits)
    }

    /// Runs a job as soon as a worker slot is free, and again alone if it ends in a timeout.
    ///
    /// # Errors
    /// Only failures of the harness itself (such as a process that cannot be started). Everything that a
    /// program does is an [`Outcome`].
    pub fn run(&self, job: &Job, limits: &Limits) -> Result<Outcome, SandboxError> {
        let first = {
            let _turn = self.turns.shared();
            self.run_once(job, limits)?
        };
        if !first.is_timeout() {
            return Ok(first);
        }
        let _turn = self.turns.alone();
        let second = self.run_once(job, limits)?;
        Ok(Outcome {
            rerun: true,
            ..second
        })
    }

    fn run_once(&self, job: &Job, limits: &Limits) -> Result<Outcome, SandboxError> {
        let report = conduct::run(&self.launcher, &self.testers, job, limits)?;
        if let Some(detail) = judge::box_trouble(&report) {
            return Err(SandboxError::Box {
                level: self.level(),
                detail,
            });
        }
        Ok(judge::judge(report, job, limits))
    }
}
