//! Why a file of rows cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::Place;

/// A file of rows cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// There is no such file.
    #[error("{}: no such file", path.display())]
    NotFound {
        /// As it was asked for.
        path: PathBuf,
    },
    /// The system refuses to read it, or a gzip stream in it is broken.
    #[error("{}: cannot read: {source}", path.display())]
    Unreadable {
        /// As it was asked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its name says nothing that is known here.
    #[error(
        "{}: unknown kind of file\nhint: known are .jsonl, .json and .csv (each may end in .gz), and .parquet",
        path.display()
    )]
    UnknownFormat {
        /// As it was asked for.
        path: PathBuf,
    },
    /// A row is not in the format of its file.
    #[error("{place}: {problem}")]
    Malformed {
        /// Where.
        place: Place,
        /// What was found and what was expected.
        problem: String,
    },
    /// Not a parquet file, or one with parts that are unknown here.
    #[error("{}: {problem}", path.display())]
    Parquet {
        /// As it was asked for.
        path: PathBuf,
        /// The reader's reason.
        problem: String,
    },
    /// It cannot be written.
    #[error("{}: cannot write: {problem}", path.display())]
    Unwritable {
        /// As it was asked for.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
}

impl TableError {
    /// For an `io::Error` while `path` is read.
    pub(crate) fn reading(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            Self::NotFound { path }
        } else {
            Self::Unreadable { path, source }
        }
    }

    pub(crate) fn writing(path: &Path, problem: impl ToString) -> Self {
        Self::Unwritable {
            path: path.to_owned(),
            problem: problem.to_string(),
        }
    }
}
