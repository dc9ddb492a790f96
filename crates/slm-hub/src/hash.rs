//! The hashes by which the hub identifies content.

use std::fs::File;
use std::io;
use std::path::Path;

use sha1::{Digest, Sha1};
use slm_artifacts::{Sha256, hex, read_pieces};

/// The expected hash of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentId {
    /// SHA-256 of the bytes, for every file in large-file storage.
    Sha256(String),
    /// git's blob hash of the bytes, for every other file.
    Git(String),
}

impl ContentId {
    /// Parses an entity tag as a hash, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        match text.len() {
            64 if is_hex => Some(Self::Sha256(text.to_owned())),
            40 if is_hex => Some(Self::Git(text.to_owned())),
            _ => None,
        }
    }

    /// Returns the hexadecimal digits, which are the name of the blob in the cache folder.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }
}

/// Returns git's blob hash of these bytes, in hexadecimal digits.
pub fn git_blob(bytes: &[u8]) -> String {
    let mut hasher = git_hasher(bytes.len() as u64);
    hasher.update(bytes);
    hex(&hasher.finalize())
}

fn git_hasher(bytes: u64) -> Sha1 {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {bytes}\0"));
    hasher
}

/// Returns SHA-256 and git's blob hash of a file; `progress` receives the number of bytes hashed.
pub(crate) fn sha256_and_git_blob(
    path: &Path,
    mut progress: impl FnMut(u64),
) -> io::Result<(String, String)> {
    let mut file = File::open(path)?;
    let mut git = git_hasher(file.metadata()?.len());
    let (mut sha256, mut bytes) = (Sha256::new(), 0);
    read_pieces(&mut file, |piece| {
        git.update(piece);
        sha256.update(piece);
        bytes += piece.len() as u64;
        progress(bytes);
    })?;
    Ok((sha256.hex(), hex(&git.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_have_the_hashes_of_git() {
        // printf 'hello\n' | git hash-object --stdin
        let expected = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(git_blob(b"hello\n"), expected);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").expect("a file");
        let mut seen = Vec::new();
        let found = sha256_and_git_blob(&path, |bytes| seen.push(bytes)).expect("readable");
        assert_eq!(found, (slm_artifacts::sha256("hello\n"), expected.into()));
        assert_eq!(seen, [6]);
    }

    #[test]
    fn an_entity_tag_is_a_hash_by_its_length() {
        let (long, short) = ("a".repeat(64), "0".repeat(40));
        assert_eq!(
            ContentId::parse(&long),
            Some(ContentId::Sha256(long.clone()))
        );
        assert_eq!(
            ContentId::parse(&short),
            Some(ContentId::Git(short.clone()))
        );
        assert_eq!(ContentId::parse("abc-3"), None);
        assert_eq!(ContentId::parse(&"G".repeat(40)), None);
    }
}
