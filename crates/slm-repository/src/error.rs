//! Errors of a repository. What a program or test does is never an error.

use std::io;
use std::path::PathBuf;

use slm_sandbox::SandboxError;

/// A repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The folder does not exist.
    #[error("no folder {}\nhint: name the folder of a Python repository", root.display())]
    NoFolder {
        /// As the user named it.
        root: PathBuf,
    },
    /// The folder contains no Python file.
    #[error(
        "{} contains no Python file\nhint: files that .gitignore names, hidden files and virtual environments are not read",
        root.display()
    )]
    NoPython {
        /// The folder.
        root: PathBuf,
    },
    /// The files take too much space.
    #[error(
        "the files of {} have {bytes} bytes, expected at most {most}\nhint: name data and build outputs in .gitignore, or name a folder below",
        root.display()
    )]
    TooLarge {
        /// The folder.
        root: PathBuf,
        /// Their bytes.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The Python files differ from those of which the tasks were made.
    #[error(
        "the Python files of {} changed since its tasks were made\nhint: run `evaluator tasks` again",
        root.display()
    )]
    Changed {
        /// The folder.
        root: PathBuf,
    },
    /// A task's function is not in its file.
    #[error(
        "the file {file} of the repository contains no `{name}` at the line of its task\nhint: run `evaluator tasks` again"
    )]
    NoFunction {
        /// Path of the file below the root.
        file: String,
        /// `function` or `Class.method`.
        name: String,
    },
    /// A folder cannot be listed.
    #[error("cannot list the repository: {0}")]
    List(#[from] ignore::Error),
    /// A file cannot be read or copied.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The sandbox cannot run a program.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

impl RepositoryError {
    /// For `map_err`: names the action and the path.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
