//! Why a file of rows cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

use crate::Place;
use crate::line::in_mb;

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
    /// The few lines that git keeps in place of a file in large-file storage.
    #[error(
        "{}: a git-lfs pointer, not the file that it points to\nhint: `git lfs pull` in that repository fetches it",
        path.display()
    )]
    LfsPointer {
        /// As it was asked for.
        path: PathBuf,
    },
    /// A row is not in the format of its file. The rows after it can be read.
    #[error("{place}: {problem}")]
    BadRow {
        /// Where.
        place: Place,
        /// Its kind.
        fault: RowFault,
        /// What was found and what was expected.
        problem: String,
    },
    /// A file is not in its format, and no more of it can be read.
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

/// What is wrong with a row of which the file's format makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    /// No JSON, no object, two fields of one name, or not as many values as the first line has names.
    Broken,
    /// A wanted text that is not UTF-8.
    NotUtf8,
    /// More bytes or values than one row may have.
    TooLarge,
}

impl TableError {
    /// For a row that the caller may leave out.
    pub(crate) fn bad_row(place: Place, fault: RowFault, problem: impl Into<String>) -> Self {
        Self::BadRow {
            place,
            fault,
            problem: problem.into(),
        }
    }

    /// For a line or row of `bytes`, of which at most `most` are read.
    pub(crate) fn too_long(place: Place, bytes: u64, most: usize) -> Self {
        let problem = format!(
            "a row of {}, at most {} are read",
            in_mb(bytes),
            in_mb(most as u64)
        );
        Self::bad_row(place, RowFault::TooLarge, problem)
    }

    /// For an `io::Error` while the row at `place` is read.
    pub(crate) fn reading_row(place: Place, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::FileTooLarge {
            let problem = source.to_string();
            return Self::Malformed { place, problem };
        }
        Self::reading(place.file(), source)
    }

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

/// A name out of a file, for a message.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.escape_debug())
}
