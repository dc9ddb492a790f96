//! What is to be run.

use serde::{Deserialize, Serialize};

/// A program and what to do with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Untrusted Python.
    pub program: String,
    /// Trusted Python that comes before the program, in its namespace and in that of the tests:
    /// imports, and classes whose instances then travel between the two by value.
    pub preamble: String,
    /// What is asked of the program.
    pub work: Work,
}

/// What is asked of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Snippets of Python that raise when the program is wrong, run in a process of their own.
    ///
    /// Names that they do not define stand for the program's: functions and classes are called
    /// there, values are copied. What tests judge with (`math`) `setup` should import.
    Asserts {
        /// Runs once before the tests; what it binds all of them see.
        setup: String,
        /// Name that the tests use even if Python has a builtin of that name; may be empty.
        entry_point: String,
        /// Each sees what `setup` bound, and not what other tests bind.
        tests: Vec<String>,
    },
    /// Calls of one function, whose results come out to be compared by the caller.
    Calls {
        /// Name of a function, or `Class().method`.
        entry_point: String,
        /// In this order, in one process.
        calls: Vec<Call>,
    },
    /// The program is a script (`__name__` is `__main__`) that reads its input and prints. What it
    /// writes to stderr, such as a warning, is dropped. It may end by `SystemExit` with any code.
    Script {
        /// Its standard input.
        stdin: String,
    },
    /// As [`Work::Asserts`], but in the program's own namespace and process: for tests that replace
    /// parts of the program (`unittest.mock`). **A hostile program can forge these verdicts.**
    SharedProcess {
        /// Runs once after the program, in its namespace.
        setup: String,
        /// Each runs in a copy of that namespace.
        tests: Vec<String>,
    },
}

/// One call of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// A Python expression for the tuple of arguments: literals, `set`, `frozenset`, `complex`,
    /// `range`, `bytearray`, `inf` and `nan`.
    pub arguments: String,
    /// CPU seconds that the call may take; on the clock four times as long.
    pub cpu_s: f64,
}

impl Work {
    /// Number of tests, calls or inputs.
    pub fn len(&self) -> usize {
        match self {
            Self::Asserts { tests, .. } | Self::SharedProcess { tests, .. } => tests.len(),
            Self::Calls { calls, .. } => calls.len(),
            Self::Script { .. } => 0,
        }
    }

    /// Whether the program only has to come to its end.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
