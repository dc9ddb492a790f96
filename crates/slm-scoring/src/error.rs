//! Why a program could not be scored, or a file of samples not be read. What a program does is never an error.

use std::io;
use std::path::PathBuf;

use slm_sandbox::SandboxError;
use slm_table::TableError;

/// The scorer cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// The sandbox cannot run a program.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The sandbox cannot run the program that computes the expected outputs.
    #[error("cannot run the reference: {0}")]
    Reference(SandboxError),
    /// The reference program fails before its first call.
    #[error("the reference does not run: {0}")]
    ReferenceDoesNotRun(String),
    /// The reference program gives no output at all to compare with.
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
    /// The file or folder holds something that is no sample of these tasks. The text names the place.
    #[error("{0}")]
    Invalid(String),
    /// The system refuses a file of rows.
    #[error(transparent)]
    Table(TableError),
    /// The system refuses a file or folder of programs.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
