//! Jobs: programs and their tests or calls.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A program and what to run with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Untrusted Python.
    pub program: String,
    /// Trusted Python that runs before the program, in its namespace and in that of the tests: imports, and
    /// classes whose instances are passed between the two by value.
    pub preamble: String,
    /// The tests or calls to run.
    pub work: Work,
    /// A folder outside the box that it may read and never write, at the same path inside: the files of a
    /// repository. Absolute. At level B every user must have the permission to read it; level C has no box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<PathBuf>,
}

/// The tests or calls to run with a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Python snippets that raise if the program is wrong, run in a separate process.
    ///
    /// Names that they do not define refer to the program's: functions and classes are called there, values are
    /// copied. `setup` should import the modules that tests judge with (`math`).
    Asserts {
        /// Runs once before the tests; all of them see the names it binds.
        setup: String,
        /// Name that refers to the program even if Python has a builtin of that name; may be empty.
        entry_point: String,
        /// Each sees the names that `setup` bound, but not those that other tests bind.
        tests: Vec<String>,
    },
    /// Calls of one function, whose results the caller compares.
    Calls {
        /// Name of a function, or `Class().method`.
        entry_point: String,
        /// Made in this order, in one process.
        calls: Vec<Call>,
    },
    /// The program is a script (`__name__` is `__main__`) that reads stdin and prints. Its stderr, such as a
    /// warning, is dropped. It may end by `SystemExit` with any code.
    Script {
        /// Its standard input.
        stdin: String,
    },
    /// Like [`Work::Asserts`], but in the program's own namespace and process: for tests that replace parts of
    /// the program (`unittest.mock`). **A hostile program can forge these verdicts.**
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
    /// CPU seconds that the call may take; the wall limit is four times as long.
    pub cpu_s: f64,
}

impl Work {
    /// Returns the number of tests or calls; 0 for a script.
    pub fn len(&self) -> usize {
        match self {
            Self::Asserts { tests, .. } | Self::SharedProcess { tests, .. } => tests.len(),
            Self::Calls { calls, .. } => calls.len(),
            Self::Script { .. } => 0,
        }
    }

    /// Returns whether the program only has to run to its end.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
