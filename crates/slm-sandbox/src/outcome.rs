//! Outcomes of runs, tests and calls.

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// Outcome of a program and its tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Verdict of the whole run.
    pub verdict: Verdict,
    /// Why it is not `passed`: the first failing test with its values, the exception with its line in the
    /// program, or the limit that was reached. Empty if passed.
    pub detail: String,
    /// One for each test, in order; empty for [`Work::Calls`](crate::Work::Calls) and
    /// [`Work::Script`](crate::Work::Script).
    pub tests: Vec<TestOutcome>,
    /// One for each call of [`Work::Calls`](crate::Work::Calls), in order.
    pub calls: Vec<CallOutcome>,
    /// stdout and stderr of the program together, up to the limit; stdout only for
    /// [`Work::Script`](crate::Work::Script).
    #[serde(skip)]
    pub output: Vec<u8>,
    /// CPU seconds of the program's process, including Python's start. Reported by that process where a box
    /// hides it, so a hostile program can understate it.
    pub cpu_s: f64,
    /// Wall seconds.
    pub wall_s: f64,
    /// Peak resident memory in bytes, reported like [`Outcome::cpu_s`]; 0 if unknown.
    pub peak_memory_bytes: u64,
    /// Whether this is the second run, alone, after a timeout in the first.
    pub rerun: bool,
}

/// Outcome of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// Whether it ran to its end without an exception.
    pub passed: bool,
    /// Verdict of the test; `None` if the run ended before its turn.
    pub verdict: Option<Verdict>,
    /// Empty if passed; else the test's text and what happened.
    pub message: String,
    /// CPU seconds of the process that ran the test.
    pub cpu_s: f64,
}

/// Outcome of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// Result of the call.
    pub returned: Returned,
    /// CPU seconds that it took.
    pub cpu_s: f64,
}

/// Result of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// A value, rebuilt from builtin types.
    Value(Value),
    /// The call raised an exception.
    Raised {
        /// [`Verdict::Error`], or [`Verdict::Memory`] or [`Verdict::Violation`] depending on the exception.
        verdict: Verdict,
        /// Type, text and line.
        message: String,
    },
    /// The call's own time limit was reached.
    Timeout,
    /// The run ended before its turn.
    NotRun,
}

/// Verdict of a run or a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every test ran to its end, every call returned, or the script ended.
    Passed,
    /// The first test that did not pass failed an assertion.
    Failed,
    /// An exception, or the process ended before its tests were done.
    Error,
    /// The CPU or wall limit was reached, also in a second run alone.
    Timeout,
    /// Memory was exhausted.
    Memory,
    /// The printed or returned data exceeded its limit.
    OutputLimit,
    /// It did what the sandbox forbids: a forbidden system call, too large a file or too many files, foreign
    /// text in the result channel.
    Violation,
    /// The program is not valid Python.
    Unparsable,
}

impl Outcome {
    /// Returns the share of tests that passed, in 0..=1; `None` without tests.
    pub fn pass_ratio(&self) -> Option<f64> {
        let passed = self.tests.iter().filter(|test| test.passed).count();
        (!self.tests.is_empty()).then(|| passed as f64 / self.tests.len() as f64)
    }

    /// Returns whether any time limit was reached.
    pub(crate) fn is_timeout(&self) -> bool {
        let any_call = || {
            self.calls
                .iter()
                .any(|call| call.returned == Returned::Timeout)
        };
        self.verdict == Verdict::Timeout || any_call()
    }
}
