//! What was used: the part of a run's record that names files of the hub.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// A repository in one state, and the files of it that were used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Model or data set.
    pub kind: Kind,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    /// The commit that it was, 40 hexadecimal digits.
    pub commit: String,
    /// The files, by their path in the repository.
    pub files: Vec<FileRecord>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Path in the repository.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}
