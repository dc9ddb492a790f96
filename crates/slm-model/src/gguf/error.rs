//! Errors of GGUF files.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::tensor_type::TensorType;

/// An invalid GGUF file, or an impossible request to one.
#[derive(Debug, Error)]
pub enum GgufError {
    /// A system call failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a GGUF file.
    #[error("{}: not a GGUF file: begins with {found}, expected `GGUF`\nhint: a failed download often leaves a web page; inspect the file", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// Its first bytes, escaped.
        found: String,
    },
    /// The file is big-endian.
    #[error("{}: a big-endian GGUF file, expected little-endian\nhint: download the little-endian file", path.display())]
    BigEndian {
        /// The file.
        path: PathBuf,
    },
    /// A version from before 2023, or a future one.
    #[error("{}: GGUF version {found}, expected 2 or 3", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file is shorter than its header requires.
    #[error("{}: truncated: {what} needs {expected} bytes, found {found}\nhint: download it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part beyond the end of the file.
        what: String,
        /// The minimum length of the file in bytes.
        expected: u128,
        /// The actual length in bytes.
        found: u64,
    },
    /// The header is inconsistent.
    #[error("{}: corrupt: {what}\nhint: download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The inconsistency.
        what: String,
    },
    /// A tensor type that cannot be unpacked.
    #[error("{}: tensor `{tensor}` is of type {kind}, which is not supported\nhint: supported types: {}; use another quantisation of the model", path.display(), supported_types())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name of its type.
        kind: String,
    },
    /// A required metadata key is missing.
    #[error("{}: metadata key `{key}` is missing", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A metadata key has a value of another type.
    #[error("{}: metadata key `{key}` holds {found}, expected {expected}", path.display())]
    WrongType {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// There is no tensor of that name.
    #[error("{}: tensor `{tensor}` is missing", path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
}

fn supported_types() -> String {
    let names: Vec<_> = TensorType::ALL.iter().map(|kind| kind.name()).collect();
    names.join(", ")
}
