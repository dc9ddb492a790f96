//! Errors of the harness itself; what a program does is never an error.

use std::io;
use std::path::PathBuf;

/// A failure of the sandbox. A program's own failure is a [`Verdict`](crate::Verdict).
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The interpreter was found neither as a path nor on the search path.
    #[error(
        "cannot find the Python interpreter `{}`\n\
         hint: install Python 3.8 or newer, or set `evaluate.python` or the environment variable PYTHON to its path",
        python.display()
    )]
    PythonNotFound {
        /// As the user named it.
        python: PathBuf,
    },
    /// The interpreter exists but does not run a one-line program.
    #[error(
        "the Python interpreter `{}` does not start: {detail}\n\
         hint: check that `{} -c 'print(1)'` works, or set `evaluate.python` or the variable PYTHON to another",
        python.display(), python.display()
    )]
    PythonDoesNotStart {
        /// As the user named it, or the program it resolved to.
        python: PathBuf,
        /// The last line it wrote, or the system's error.
        detail: String,
    },
    /// The interpreter is older than the runner scripts support.
    #[error(
        "the Python interpreter `{}` has version {version}, expected 3.8 or newer\n\
         hint: set `evaluate.python` or the environment variable PYTHON to another interpreter",
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
    /// No allowed level works on this machine.
    #[error(
        "no sandbox works on this machine\n{reasons}\n\
         hint: install bubblewrap; or pass --unsafe-execution to run generated programs with your own privileges"
    )]
    NoLevel {
        /// Why each level does not work.
        reasons: String,
    },
    /// A box ended before its runner began.
    #[error("a box of level {level} does not start: {detail}{}", hint_for(*level))]
    Box {
        /// Its level.
        level: crate::Level,
        /// What it printed.
        detail: String,
    },
    /// The folder that a box may read cannot be shown to it.
    #[error(
        "a program cannot be given the folder {}: expected an absolute path of a folder that does not contain /tmp",
        tree.display()
    )]
    Tree {
        /// The folder.
        tree: PathBuf,
    },
    /// Inside its box the interpreter differs from the one outside.
    #[error(
        "inside the sandbox `{}` is Python {found}, expected {expected} as outside\n\
         hint: set `evaluate.python` or the environment variable PYTHON to another interpreter",
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
    /// A temporary file, folder or pipe could not be created, or a started process could not be watched.
    #[error("cannot {action}: {source}\nhint: check free space and permissions of {}", std::env::temp_dir().display())]
    Io {
        /// The action that failed.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

/// Explains level B, where nothing is mounted for the program: it sees files as another user would.
fn hint_for(level: crate::Level) -> &'static str {
    match level {
        crate::Level::B => {
            "\nhint: at level B every user must be able to read the interpreter; set `evaluate.python` or the \
             environment variable PYTHON to such a one, perhaps /usr/bin/python3, or install bubblewrap"
        }
        crate::Level::A | crate::Level::C => "",
    }
}

impl SandboxError {
    /// For `map_err`: names the action that the system refused.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io {
            action,
            source: source.into(),
        }
    }
}
