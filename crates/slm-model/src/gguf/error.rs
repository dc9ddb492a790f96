//! What can be wrong with a GGUF file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::tensor_type::TensorType;

/// What is wrong with a GGUF file, or with what was asked of it.
#[derive(Debug, Error)]
pub enum GgufError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// Another kind of file.
    #[error("{}: no GGUF file: begins with {found}, expected `GGUF`\nhint: a download that failed often leaves a web page behind; look into the file", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// Its first bytes, as far as they print.
        found: String,
    },
    /// Written for machines of the other byte order.
    #[error("{}: a big-endian GGUF file, expected little-endian\nhint: download the ordinary file", path.display())]
    BigEndian {
        /// The file.
        path: PathBuf,
    },
    /// A version of the format from before 2023, or from the future.
    #[error("{}: GGUF version {found}, expected 2 or 3", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file ends before what its header promises.
    #[error("{}: truncated: {what} needs {expected} bytes, found {found}\nhint: download it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What lies beyond the end.
        what: String,
        /// The least length that the file must have.
        expected: u128,
        /// The length that it has.
        found: u64,
    },
    /// The header contradicts itself.
    #[error("{}: corrupt: {what}\nhint: download it again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        what: String,
    },
    /// A packing that cannot be unpacked.
    #[error("{}: tensor `{tensor}` is of type {kind}, which is not supported\nhint: supported are {}; take another quantisation of the model", path.display(), supported_types())]
    UnsupportedType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name of its type.
        kind: String,
    },
    /// A key without which the model cannot be built.
    #[error("{}: metadata key `{key}` is missing", path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A key with a value of another type.
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
    /// No tensor of that name.
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
