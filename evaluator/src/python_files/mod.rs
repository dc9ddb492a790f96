//! Python files that a command is given, read on all cores.

mod find;
mod watch;

use std::io::{self, Read};
use std::path::Path;

use rayon::prelude::*;
use slm_cli::Failure;
use slm_metrics::SyntaxError;

pub(crate) use find::{FoundFile, find};
use watch::Watch;

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 32 << 20;

/// Why a file could not be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read: {0}")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
}

impl FileError {
    /// Returns the error after `path:line:column`, which editors and terminals turn into a link.
    pub(crate) fn at(&self, name: &str) -> String {
        match self {
            Self::Unreadable(_) => format!("{name}: {self}"),
            Self::Syntax(SyntaxError {
                message,
                line,
                column,
            }) => format!("{name}:{line}:{column}: {message}"),
        }
    }
}

/// Reads the files on all cores, and applies `use_text` to the name and the text of each; keeps their order.
pub(crate) fn each<T: Send>(
    found: Vec<FoundFile>,
    use_text: impl Fn(String, Result<String, FileError>) -> T + Sync,
) -> Vec<T> {
    let watch = Watch::new(found.len());
    let results = found
        .into_par_iter()
        .map(|(path, reachable)| {
            let text = || -> Result<String, FileError> {
                reachable?;
                Ok(slm_metrics::decode_python(&read(&path)?)?)
            };
            let result = use_text(path.display().to_string(), text());
            watch.tick();
            result
        })
        .collect();
    watch.finish();
    results
}

/// Prints the error of each file that has one, with the file's name. Called after the results are printed, so that a long
/// table does not hide the errors.
///
/// # Errors
/// [`Failure::Incomplete`] with the numbers, if there is an error; `done` completes "could not be".
pub(crate) fn report_errors<'a>(
    errors: impl Iterator<Item = (&'a str, &'a FileError)>,
    n_files: usize,
    done: &str,
) -> Result<(), Failure> {
    let mut n_failed = 0;
    for (name, error) in errors {
        n_failed += 1;
        slm_cli::note(&format!("error: {}", error.at(name)));
    }
    if n_failed == 0 {
        return Ok(());
    }
    Err(Failure::Incomplete(format!(
        "{n_failed} of {} could not be {done}",
        slm_artifacts::counted(n_files, "file")
    )))
}

/// Reads a file's bytes.
///
/// # Errors
/// The file cannot be read, or exceeds [`MAX_BYTES`]: a syntax tree takes many times the memory of its text.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let mib = MAX_BYTES >> 20;
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than the limit of {mib} MiB"),
        ));
    }
    Ok(bytes)
}
