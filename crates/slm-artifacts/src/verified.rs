//! Cached hashes of verified files, so that large files are not hashed at every start.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::atomic::atomic_write;

/// The hash of a file, with its size and modification time: while these are unchanged, the hash is valid.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashNote {
    sha256: String,
    bytes: u64,
    modified_ns: u128,
}

impl HashNote {
    fn new(file: &Path, sha256: &str) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            sha256: sha256.to_owned(),
            bytes: metadata.len(),
            modified_ns: modified.unwrap_or_default().as_nanos(),
        })
    }

    /// Writes a note that `file` has this SHA-256.
    ///
    /// # Errors
    /// The file is missing, or the note cannot be written.
    pub fn write(note: &Path, file: &Path, sha256: &str) -> io::Result<()> {
        atomic_write(note, serde_json::to_vec(&Self::new(file, sha256)?)?)
    }

    /// Reads a note; `None` if it is missing or unreadable.
    pub fn read(note: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(note).ok()?).ok()
    }

    /// Returns the SHA-256 that the file had when the note was written, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns the SHA-256 of `file` from `note`, if the file has not changed since.
    pub fn verified(note: &Path, file: &Path) -> Option<String> {
        let noted = Self::read(note)?;
        (Self::new(file, &noted.sha256).ok()? == noted).then_some(noted.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_holds_until_the_file_changes() {
        let root = tempfile::tempdir().expect("a folder");
        let (file, note) = (
            root.path().join("blob"),
            root.path().join("notes/blob.json"),
        );
        fs::write(&file, "bytes").expect("writable");
        assert_eq!(HashNote::verified(&note, &file), None);
        HashNote::write(&note, &file, "hash").expect("noted");
        assert_eq!(HashNote::verified(&note, &file).as_deref(), Some("hash"));
        fs::write(&file, "other bytes").expect("writable");
        assert_eq!(HashNote::verified(&note, &file), None);
        let noted = HashNote::read(&note).expect("a note");
        assert_eq!(noted.sha256(), "hash");
    }
}
