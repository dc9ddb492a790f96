//! Runs generated Python, which is hostile until shown otherwise, in boxes.
//!
//! # Theory of operation
//! **Walls.** A program runs in a box of its own, as strong as the machine allows ([`Level`]): at
//! level A bubblewrap gives it namespaces in which nothing exists but a read-only Python and an
//! empty folder in memory; inside of it, and at level B without it, a small [`helper`] becomes an
//! unprivileged user, sets resource limits, and shuts the file system (Landlock) and the system
//! calls (seccomp) before it becomes Python. Level C has limits only and must be asked for.
//! [`Sandbox::self_test`] tries what must fail, and reports print what it found.
//!
//! **Verdicts.** A program never learns what is expected of it. Functions are called with inputs
//! and their values come out as text of builtin types ([`Value`]), to be compared here; tests that
//! are code run in a second box and reach the program through stand-ins that decide every
//! judgement (`==`, `<`, `in`) on their own side. Patching builtins, walking frames, objects which
//! equal everything or an early exit then have nothing to act on: what a program says is only ever
//! what its functions return. [`Work::SharedProcess`] is the exception and says so.
//!
//! **Values.** What comes out is hostile, too: frames have a bound on their bytes by kind, values on
//! their levels and parts, and texts in reports on their length. Comparisons use no recursion and
//! end within a [`Budget`] of steps and of CPU time; a value beyond it is a wrong answer with that
//! reason ([`Exceeded`]), never the end of the harness.
//!
//! **Time.** CPU time decides what a timeout is. The wall limit, four times longer, catches a
//! program that sleeps. No more runs than processor cores are under way, and a run that ended in a
//! timeout is repeated once alone ([`Outcome::rerun`]).
//!
//! **Ends.** A box dies with the harness, even one that is killed: at level A its first process
//! does, at B there is only one process, which does. Folders of a killed harness are removed at
//! the next start.
//!
//! Not held against: bugs of the kernel, CPU side channels, unfair sharing of a loaded machine.

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
pub use self_test::{Description, Property};
pub use value::{Budget, Exceeded, Malformed, Node, NodeId, Pairs, Value};

use launch::Launcher;
use testers::Testers;
use turns::Turns;

/// A Python interpreter, and boxes to run programs on it.
///
/// Share one among all threads (it is `Sync`): the number of runs at once, and runs that must be
/// alone, are counted by it.
#[derive(Debug)]
pub struct Sandbox {
    launcher: Arc<Launcher>,
    testers: Testers,
    limits: Limits,
    turns: Turns,
    /// Why a stronger level was not taken.
    weaker_because: Option<String>,
}

impl Sandbox {
    /// The strongest boxes that work on this machine, at least of level B.
    ///
    /// # Errors
    /// As [`Sandbox::with_level`].
    pub fn new(interpreter: Interpreter, limits: Limits) -> Result<Self, SandboxError> {
        Self::with_level(interpreter, limits, LevelChoice::Strongest)
    }

    /// Boxes of a level, each with `limits` unless a run has its own. A first box is started, in
    /// which the interpreter must be the same as outside.
    ///
    /// # Errors
    /// [`SandboxError::NoLevel`] if no allowed level works, or what stands against the one asked
    /// for.
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

    /// The same boxes with so many runs at once, at least one and no more than the machine has
    /// cores: more would only make timeouts out of waiting.
    #[must_use]
    pub fn with_workers(mut self, workers: usize) -> Self {
        self.turns = Turns::new(workers.min(self.turns.workers()));
        self
    }

    /// The interpreter that programs run on.
    pub fn interpreter(&self) -> &Interpreter {
        &self.launcher.interpreter
    }

    /// The limits of a run that has none of its own.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How strong the walls are.
    pub fn level(&self) -> Level {
        self.launcher.level
    }

    /// Why a stronger level was not taken; `None` if there is none or it was not asked for.
    pub fn weaker_because(&self) -> Option<&str> {
        self.weaker_because.as_deref()
    }

    /// Most runs at once.
    pub fn workers(&self) -> usize {
        self.turns.workers()
    }

    /// Runs `program` and then each of `tests`, a snippet of Python that raises when the program
    /// is wrong (usually one `assert`), under the limits of this sandbox.
    ///
    /// As [`Work::Asserts`] without setup or entry point. The limits hold for the program and all
    /// of its tests together. With no tests, a program passes by running to its end.
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
        };
        self.run(&job, &self.limits)
    }

    /// Runs a job, once there is a free turn; a second time, alone, if it ends in a timeout.
    ///
    /// # Errors
    /// Only the harness's own trouble (a process cannot be started). Whatever a program does is an
    /// [`Outcome`].
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
