//! The hashes by which the hub names content.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Bytes read at once.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;

/// What the bytes of a file have to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContentId {
    /// SHA-256 of the bytes: of every file in large-file storage.
    Sha256(String),
    /// git's name of the bytes as a blob: of every other file.
    Git(String),
}

impl ContentId {
    /// The hash that an entity tag is, if it is one.
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

    /// In hexadecimal digits; the name of the blob in the cache folder.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// git's name for these bytes as a blob, in hexadecimal digits.
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

/// Both hashes of a file, SHA-256 first; `progress` is told the bytes so far.
pub(crate) fn of_file(path: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<(String, String)> {
    let mut file = File::open(path)?;
    let mut git = git_hasher(file.metadata()?.len());
    let mut sha256 = Sha256::new();
    let mut bytes = 0;
    read_all(&mut file, &mut |piece| {
        git.update(piece);
        sha256.update(piece);
        bytes += piece.len() as u64;
        progress(bytes);
    })?;
    Ok((hex(&sha256.finalize()), hex(&git.finalize())))
}

/// SHA-256 of a file, in hexadecimal digits; `progress` is told the bytes so far.
pub(crate) fn sha256_of_file(path: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<String> {
    let mut sha256 = Sha256::new();
    let mut bytes = 0;
    read_all(&mut File::open(path)?, &mut |piece| {
        sha256.update(piece);
        bytes += piece.len() as u64;
        progress(bytes);
    })?;
    Ok(hex(&sha256.finalize()))
}

/// Hands all bytes of a reader over, a piece at a time.
pub(crate) fn read_all(from: &mut impl Read, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => take(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_sha256sum_and_git() {
        // printf 'hello\n' | sha256sum; printf 'hello\n' | git hash-object --stdin
        assert_eq!(
            sha256(b"hello\n"),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(
            git_blob(b"hello\n"),
            "ce013625030ba8dba906f756967f9e9ca394464a"
        );
    }

    #[test]
    fn a_file_has_the_hashes_of_its_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let bytes = vec![7; BUFFER_BYTES + 3];
        std::fs::write(&path, &bytes).expect("a file");
        let mut seen = Vec::new();
        let found = of_file(&path, &mut |bytes| seen.push(bytes)).expect("readable");
        assert_eq!(found, (sha256(&bytes), git_blob(&bytes)));
        assert_eq!(
            sha256_of_file(&path, &mut |_| {}).expect("readable"),
            found.0
        );
        assert_eq!(seen.last(), Some(&(bytes.len() as u64)));
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
