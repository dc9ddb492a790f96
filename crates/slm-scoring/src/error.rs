//! Errors of scoring and of reading samples. What a program does is never an error.

use std::io;
use std::path::PathBuf;

use slm_repository::RepositoryError;
use slm_sandbox::SandboxError;
use slm_table::TableError;

/// A failure of the scorer itself.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// The sandbox cannot run a program.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The repository of a task cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The sandbox cannot run the program that computes the expected outputs.
    #[error("cannot run the reference: {0}")]
    Reference(SandboxError),
    /// The reference program fails before its first call.
    #[error("the reference does not run: {0}")]
    ReferenceDoesNotRun(String),
    /// The reference program returns no output to compare with.
    #[error("the reference fails on every input: {0}")]
    ReferenceFails(String),
    /// A file of scores cannot be opened or read.
    #[error("cannot open {}", path.display())]
    OpenCache {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A score cannot be written to its file.
    #[error(
        "cannot write {}\nhint: free space and run the same command again",
        path.display()
    )]
    WriteCache {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Samples cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// The file or folder contains something that is not a sample of these tasks. The text names the place.
    #[error("{0}")]
    Invalid(String),
    /// A table file cannot be read.
    #[error(transparent)]
    Table(TableError),
    /// A file or folder of programs cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
