//! The errors of benchmarks.

use std::io;
use std::path::PathBuf;

use slm_table::TableError;

/// The reason why a benchmark cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// No benchmark has this name.
    #[error("unknown benchmark `{name}`\nhint: {}known benchmarks: {known}", did_you_mean(*meant))]
    Unknown {
        /// The name as the user wrote it.
        name: String,
        /// The known name that was probably meant.
        meant: Option<&'static str>,
        /// The known names, separated by commas.
        known: String,
    },
    /// No data file was given.
    #[error(
        "the benchmark `{name}` needs its data file, {file}\nhint: {}",
        source_of(publisher, file)
    )]
    NoData {
        /// Name of the benchmark.
        name: &'static str,
        /// The publisher's name for the file.
        file: &'static str,
        /// Where it is published.
        publisher: &'static str,
    },
    /// The data file does not exist.
    #[error("no data file {} for the benchmark `{name}`\nhint: {}", path.display(), source_of(publisher, file))]
    NoFile {
        /// Name of the benchmark.
        name: &'static str,
        /// The path that was searched.
        path: PathBuf,
        /// The publisher's name for the file.
        file: &'static str,
        /// Where it is published.
        publisher: &'static str,
    },
    /// The benchmark defines no solved examples for few-shot prompts.
    #[error(
        "the benchmark `{name}` defines no examples for few-shot prompts\nhint: `mbpp` does; the other prompting conventions work for all benchmarks"
    )]
    NoShots {
        /// Name of the benchmark.
        name: String,
    },
    /// A data file was given for built-in tasks.
    #[error("the benchmark `{name}` is built in and reads no file, found {}", path.display())]
    NeedsNoData {
        /// Name of the benchmark.
        name: &'static str,
        /// The given file.
        path: PathBuf,
    },
    /// A data file is not in the benchmark's format.
    #[error("{place}: {problem}")]
    Malformed {
        /// File and line.
        place: String,
        /// The found and the expected content.
        problem: String,
    },
    /// A data file is a copy that lacks fields of the publisher's release.
    #[error(
        "{}: {found}, expected the JSON Lines of the release, with `base_input` and `plus_input`, or the hub's parquet, whose `test` loops over `inputs`\nhint: this benchmark needs {file}; {publisher} publishes it",
        path.display()
    )]
    WantsRelease {
        /// The file.
        path: PathBuf,
        /// The kind of the file.
        found: &'static str,
        /// The publisher's name for the required file.
        file: &'static str,
        /// Where it is published.
        publisher: &'static str,
    },
    /// Two tasks have the same id.
    #[error("{}: two tasks are called `{task_id}`", path.display())]
    Duplicate {
        /// The file with both.
        path: PathBuf,
        /// Their id.
        task_id: String,
    },
    /// A data file contains no task.
    #[error("{}: contains no task{left_out}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was left out, for the message; empty if nothing was.
        left_out: String,
    },
    /// The chosen tasks do not exist.
    #[error("the benchmark `{name}` {problem}")]
    Unselectable {
        /// Name of the benchmark.
        name: String,
        /// What is missing, with a hint.
        problem: String,
    },
    /// A data file cannot be read as rows.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A data file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason of the operating system.
        source: io::Error,
    },
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`? "))
}

/// Where a data file comes from, and how a recipe names it.
fn source_of(publisher: &str, file: &str) -> String {
    if publisher == OWN_REPOSITORY {
        return format!(
            "`evaluator tasks REPO -o {file}` writes it from a repository; name it as `path` beside the benchmark's name"
        );
    }
    if publisher == YOURS {
        return format!(
            "write {file} as docs/guide/evaluating.md describes, and name it as `path` beside the benchmark's name"
        );
    }
    format!("{publisher} publishes {file}; name it as `path` beside the benchmark's name")
}

/// The publisher of a benchmark that `evaluator tasks` writes.
pub(crate) const OWN_REPOSITORY: &str = "your repository";

/// The publisher of a benchmark that the user writes.
pub(crate) const YOURS: &str = "you";
