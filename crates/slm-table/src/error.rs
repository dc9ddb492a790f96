//! Errors of reading and writing files of rows.

use std::io;
use std::path::{Path, PathBuf};

use crate::Place;
use crate::line::in_mb;

/// An error of reading or writing a file of rows.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file does not exist.
    #[error("{}: no such file{}", path.display(), searched(path))]
    NotFound {
        /// The path as given by the caller.
        path: PathBuf,
    },
    /// The system cannot read the file, or its gzip stream is broken.
    #[error("{}: cannot read: {source}", path.display())]
    Unreadable {
        /// The path as given by the caller.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The ending of the file's name is unknown.
    #[error(
        "{}: unknown kind of file\nhint: supported endings: .jsonl, .json and .csv (each may be followed by .gz), and .parquet",
        path.display()
    )]
    UnknownFormat {
        /// The path as given by the caller.
        path: PathBuf,
    },
    /// The pointer file that git stores in place of a file in large-file storage.
    #[error(
        "{}: a git-lfs pointer, not the file that it points to\nhint: `git lfs pull` in that repository fetches it",
        path.display()
    )]
    LfsPointer {
        /// The path as given by the caller.
        path: PathBuf,
    },
    /// A row does not match the format of its file. The following rows can be read.
    #[error("{place}: {problem}")]
    BadRow {
        /// The position of the row.
        place: Place,
        /// The kind of fault.
        fault: RowFault,
        /// What was found and what was expected.
        problem: String,
    },
    /// A file does not match its format, and cannot be read any further.
    #[error("{place}: {problem}")]
    Malformed {
        /// The position of the fault.
        place: Place,
        /// What was found and what was expected.
        problem: String,
    },
    /// The file is not a parquet file, or uses unsupported features of the format.
    #[error("{}: {problem}", path.display())]
    Parquet {
        /// The path as given by the caller.
        path: PathBuf,
        /// The reader's reason.
        problem: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot write: {problem}", path.display())]
    Unwritable {
        /// The path as given by the caller.
        path: PathBuf,
        /// The reason.
        problem: String,
    },
}

/// The kind of fault of a row that does not match the file's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    /// Not JSON, not an object, two fields of the same name, or another number of values than the header.
    Broken,
    /// A requested text is not UTF-8.
    NotUtf8,
    /// The row exceeds the limit of bytes or values.
    TooLarge,
}

impl TableError {
    /// Makes the error for a row that the caller may skip.
    pub(crate) fn bad_row(place: Place, fault: RowFault, problem: impl Into<String>) -> Self {
        Self::BadRow {
            place,
            fault,
            problem: problem.into(),
        }
    }

    /// Makes the error for a line or row of `bytes`, above the limit `most`.
    pub(crate) fn too_long(place: Place, bytes: u64, most: usize) -> Self {
        let problem = format!(
            "a row of {}, at most {} are read",
            in_mb(bytes),
            in_mb(most as u64)
        );
        Self::bad_row(place, RowFault::TooLarge, problem)
    }

    /// Makes the error for an `io::Error` during the reading of the row at `place`.
    pub(crate) fn reading_row(place: Place, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::FileTooLarge {
            let problem = source.to_string();
            return Self::Malformed { place, problem };
        }
        Self::reading(place.file(), source)
    }

    /// Makes the error for an `io::Error` during the reading of `path`.
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

/// Quotes a name from a file for a message.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.escape_debug())
}

/// A hint with the place that a relative path was searched at.
fn searched(path: &Path) -> String {
    match std::path::absolute(path) {
        Ok(absolute) if path.is_relative() => format!("\nhint: searched {}", absolute.display()),
        _ => String::new(),
    }
}
