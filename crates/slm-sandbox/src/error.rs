//! Trouble of the harness itself; what a program does is never an error.

use std::io;
use std::path::PathBuf;

/// The sandbox cannot do its work. A program's own failure is a [`Verdict`](crate::Verdict).
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// No such interpreter, neither as a path nor on the search path.
    #[error(
        "cannot find the Python interpreter `{}`\n\
         hint: install Python 3.8 or newer, or name one by `evaluate.python` or PYTHON",
        python.display()
    )]
    PythonNotFound {
        /// As the user named it.
        python: PathBuf,
    },
    /// The interpreter exists but does not run a one-line program.
    #[error(
        "the Python interpreter `{}` does not start: {detail}\n\
         hint: check that `{} -c 'print(1)'` works, or name another by `evaluate.python` or PYTHON",
        python.display(), python.display()
    )]
    PythonDoesNotStart {
        /// As the user named it, or the program it resolved to.
        python: PathBuf,
        /// The last line it wrote, or the system's error.
        detail: String,
    },
    /// Older than the runner script can use.
    #[error(
        "the Python interpreter `{}` has version {version}, but 3.8 or newer is needed\n\
         hint: name another by `evaluate.python` or PYTHON",
        python.display()
    )]
    PythonTooOld {
        /// As the user named it.
        python: PathBuf,
        /// Its version, such as `2.7.18`.
        version: String,
    },
    /// The process of a program could not be started.
    #[error("cannot start `{}` to run a program: {source}", python.display())]
    Spawn {
        /// The interpreter.
        python: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Level A needs bubblewrap.
    #[error("bubblewrap (`bwrap`) is not installed\nhint: install the package `bubblewrap`")]
    NoBubblewrap,
    /// No level that is allowed works on this machine.
    #[error(
        "no sandbox works on this machine\n{reasons}\n\
         hint: install bubblewrap; or, if generated programs may do all that you may, pass --unsafe-execution"
    )]
    NoLevel {
        /// Why each level does not.
        reasons: String,
    },
    /// A box ended before the runner in it had begun.
    #[error("a box of level {level} does not start: {detail}{}", hint_for(*level))]
    Box {
        /// Its level.
        level: crate::Level,
        /// What it said.
        detail: String,
    },
    /// Inside its box the interpreter is another one than outside.
    #[error(
        "inside the sandbox `{}` is Python {found}, but {expected} outside\n\
         hint: name another interpreter by `evaluate.python` or PYTHON",
        python.display()
    )]
    OtherPython {
        /// The interpreter.
        python: PathBuf,
        /// Version and prefix outside.
        expected: String,
        /// Version and prefix inside.
        found: String,
    },
    /// A temporary file, folder or pipe could not be made, or a started process not be watched.
    #[error("cannot {action}: {source}\nhint: check free space and permissions of {}", std::env::temp_dir().display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// At level B nothing is mounted for the program: it sees files as another user would.
fn hint_for(level: crate::Level) -> &'static str {
    match level {
        crate::Level::B => {
            "\nhint: at level B every user must be able to read the interpreter; name such a one, \
             perhaps /usr/bin/python3, by `evaluate.python` or PYTHON, or install bubblewrap"
        }
        crate::Level::A | crate::Level::C => "",
    }
}

impl SandboxError {
    /// For `map_err`: names what was tried when the system refused.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            source: source.into(),
        }
    }
}
