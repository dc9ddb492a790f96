//! Why a benchmark cannot be used.

use std::io;
use std::path::PathBuf;

use slm_table::TableError;

/// A benchmark cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// Nothing has this name.
    #[error("unknown benchmark `{name}`\nhint: known are {known}")]
    Unknown {
        /// As the user wrote it.
        name: String,
        /// The names that there are, with commas.
        known: String,
    },
    /// No file of tasks was named.
    #[error("the benchmark `{name}` needs its data file, {file}\nhint: {publisher} publishes it")]
    NoData {
        /// Name of the benchmark.
        name: &'static str,
        /// The publisher's name for the file.
        file: &'static str,
        /// Where it is published.
        publisher: &'static str,
    },
    /// The file of tasks is not there.
    #[error("no data file {} for the benchmark `{name}`\nhint: {publisher} publishes {file}", path.display())]
    NoFile {
        /// Name of the benchmark.
        name: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// The publisher's name for the file.
        file: &'static str,
        /// Where it is published.
        publisher: &'static str,
    },
    /// No solved examples go before this benchmark's requests.
    #[error(
        "the benchmark `{name}` defines no examples to show before its tasks\nhint: `mbpp` does; the other ways to ask work for all"
    )]
    NoShots {
        /// Name of the benchmark.
        name: String,
    },
    /// A file was named for tasks that are built in.
    #[error("the benchmark `{name}` is built in and reads no file, found {}", path.display())]
    NeedsNoData {
        /// Name of the benchmark.
        name: &'static str,
        /// The file that was named.
        path: PathBuf,
    },
    /// A file of tasks is not in its format.
    #[error("{place}: {problem}")]
    Malformed {
        /// File and line.
        place: String,
        /// What was found and what was expected.
        problem: String,
    },
    /// A file of tasks is a copy that lacks what only the publisher's release holds.
    #[error(
        "{}: {found}, expected the lines of JSON of the release, with `base_input` and `plus_input`\nhint: this benchmark wants {file}; {publisher} publishes it",
        path.display()
    )]
    WantsRelease {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// The publisher's name for the file that is needed.
        file: &'static str,
        /// Where it is published.
        publisher: &'static str,
    },
    /// Two tasks have one name.
    #[error("{}: two tasks are called `{task_id}`", path.display())]
    Duplicate {
        /// The file that holds both.
        path: PathBuf,
        /// Their name.
        task_id: String,
    },
    /// A file of tasks holds none.
    #[error("{}: no task in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file of tasks cannot be read as rows.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file of tasks cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
