//! The errors of collecting, indexing and reading.

use std::io;
use std::path::PathBuf;

/// The reason why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// A path does not exist.
    #[error(
        "`{}` does not exist\nhint: {}paths are relative to {}",
        path.display(), did_you_mean(meant.as_deref()), root.display()
    )]
    NoSuchPath {
        /// The path as given.
        path: PathBuf,
        /// The folder from which relative paths start.
        root: PathBuf,
        /// The existing path that was probably meant.
        meant: Option<String>,
    },
    /// A pattern is not a glob.
    #[error(
        "`{pattern}` is not a pattern of paths: {problem}\nhint: `docs/**/*.md` finds the Markdown files below docs"
    )]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A pattern or folder has no file that can be indexed.
    #[error(
        "no file {wanted} matches `{pattern}`\nhint: patterns start at {}; files that .gitignore names are not indexed",
        root.display()
    )]
    NothingMatches {
        /// The pattern or path as given.
        pattern: String,
        /// The endings of the files that are indexed.
        wanted: &'static str,
        /// The folder from which it starts.
        root: PathBuf,
    },
    /// A package is not installed.
    #[error(
        "no installed package is named `{name}` (from `pip:{name}`)\nhint: expected its import name, in the Python that runs the tests"
    )]
    NoSuchPackage {
        /// The name.
        name: String,
    },
    /// A package has no Python source.
    #[error("the package `{name}` has no Python source in {}\nhint: only source files are read; list its documentation as files instead", path.display())]
    CompiledPackage {
        /// The name.
        name: String,
        /// Where it is installed.
        path: PathBuf,
    },
    /// A file or folder cannot be read.
    #[error("cannot read {}: {cause}\nhint: name files and folders that you may read", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// Nothing was found that a lookup could return.
    #[error(
        "nothing to index: no definition and no text in {n_files} readable file(s){left_out}\nhint: `docs` takes Markdown, reStructuredText and `pip:NAME`; `code` takes folders and files of Python"
    )]
    Empty {
        /// Number of files that were read.
        n_files: usize,
        /// What was left out, as the rest of the sentence.
        left_out: String,
    },
}

/// The reason why lines of a file cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The file is not in the index.
    #[error("`{source_name}` is not in the index{}", meant.as_ref().map_or_else(String::new, |meant| format!("\nhint: did you mean `{meant}`?")))]
    NotInIndex {
        /// The name that was asked for.
        source_name: String,
        /// The name of an indexed file that was probably meant.
        meant: Option<String>,
    },
    /// The lines do not exist.
    #[error(
        "lines {from}-{to} of `{source_name}` do not exist\nhint: it has {n_lines} lines, counted from 1"
    )]
    BadRange {
        /// The file.
        source_name: String,
        /// First line that was asked for.
        from: usize,
        /// Last line that was asked for.
        to: usize,
        /// The number of its lines.
        n_lines: usize,
    },
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`? "))
}
