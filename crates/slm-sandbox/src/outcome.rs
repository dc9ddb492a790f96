//! What became of a program.

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// What became of a program and its tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The whole run in one word.
    pub verdict: Verdict,
    /// Why it is not `passed`: the first failing test with its values, the exception with its line
    /// in the program, or the limit that was reached. Empty when passed.
    pub detail: String,
    /// One for each test, in their order; empty for [`Work::Calls`](crate::Work::Calls) and [`Work::Script`](crate::Work::Script).
    pub tests: Vec<TestOutcome>,
    /// One for each call of [`Work::Calls`](crate::Work::Calls), in their order.
    pub calls: Vec<CallOutcome>,
    /// What the program printed, stdout and stderr together, up to the limit; of a [`Work::Script`](crate::Work::Script)
    /// stdout alone.
    #[serde(skip)]
    pub output: Vec<u8>,
    /// CPU seconds of the program's process, Python's start included. Told by that process where
    /// a box hides it, so a hostile program may make it look smaller.
    pub cpu_s: f64,
    /// Seconds on the clock.
    pub wall_s: f64,
    /// Peak of resident memory in bytes, told as [`Outcome::cpu_s`] is; 0 where unknown.
    pub peak_memory_bytes: u64,
    /// Whether this is the second run, alone, after the first had ended in a timeout.
    pub rerun: bool,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestOutcome {
    /// Whether it came to its end without an exception.
    pub passed: bool,
    /// How it ended, in one word; `None` if the run was over before its turn.
    pub verdict: Option<Verdict>,
    /// Empty when passed; else the test's text and what happened.
    pub message: String,
    /// CPU seconds of the process that ran the test.
    pub cpu_s: f64,
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// What came out.
    pub returned: Returned,
    /// CPU seconds that it took.
    pub cpu_s: f64,
}

/// What came out of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// A value, rebuilt from builtin types.
    Value(Value),
    /// An exception.
    Raised {
        /// [`Verdict::Error`], or [`Verdict::Memory`] or [`Verdict::Violation`] by its type.
        verdict: Verdict,
        /// Type, text and line.
        message: String,
    },
    /// The call's own limit was reached.
    Timeout,
    /// The run was over before its turn.
    NotRun,
}

/// The outcome of a run in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every test came to its end, every call returned, the script ended.
    Passed,
    /// The first test that did not pass failed an assertion.
    Failed,
    /// An exception, or the process ended before its tests were over.
    Error,
    /// The CPU limit was reached, or the wall limit, and again in a second run alone.
    Timeout,
    /// Memory ran out.
    Memory,
    /// More was printed or returned than allowed.
    OutputLimit,
    /// It did what the sandbox forbids: a forbidden system call, too large a file or too many,
    /// foreign text among the results.
    Violation,
    /// The program is not Python.
    Unparsable,
}

impl Outcome {
    /// Share of the tests that passed, in 0..=1; `None` without tests.
    pub fn pass_ratio(&self) -> Option<f64> {
        let passed = self.tests.iter().filter(|test| test.passed).count();
        (!self.tests.is_empty()).then(|| passed as f64 / self.tests.len() as f64)
    }

    /// Whether any limit of time was reached.
    pub(crate) fn is_timeout(&self) -> bool {
        let any_call = || {
            self.calls
                .iter()
                .any(|call| call.returned == Returned::Timeout)
        };
        self.verdict == Verdict::Timeout || any_call()
    }
}
