//! SHA-256 of bytes, files and streams, in lower-case hexadecimal. The only module that uses the crate `sha2`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::Digest;

/// Bytes of one read from a file.
const BUFFER_BYTES: usize = 1 << 20;

/// An incremental SHA-256, also usable as a writer.
#[derive(Clone, Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// Appends bytes, and returns the hash for chaining.
    #[must_use]
    pub fn chain(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.update(bytes);
        self
    }

    /// Returns the hash as bytes.
    pub fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }

    /// Returns the hash in lower-case hexadecimal.
    pub fn hex(self) -> String {
        hex(&self.digest())
    }
}

impl Write for Sha256 {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the SHA-256 of bytes, in lower-case hexadecimal.
///
/// ```
/// // printf abc | sha256sum
/// assert!(slm_artifacts::sha256("abc").starts_with("ba7816bf8f01cfea"));
/// ```
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::new().chain(bytes).hex()
}

/// Returns the SHA-256 of texts, in lower-case hexadecimal. Each text is prefixed by its length, so that no two
/// lists of texts have the same bytes.
pub fn sha256_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.hex()
}

/// Returns the SHA-256 of a file's bytes, in lower-case hexadecimal.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_of_file(path: &Path) -> io::Result<String> {
    sha256_of_reader(&mut File::open(path)?, |_| {})
}

/// Returns the SHA-256 of all bytes of a reader, in lower-case hexadecimal; `progress` receives the total bytes read.
///
/// # Errors
/// The reader fails.
pub fn sha256_of_reader(from: &mut impl Read, mut progress: impl FnMut(u64)) -> io::Result<String> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    read_pieces(from, |piece| {
        hash.update(piece);
        bytes += piece.len() as u64;
        progress(bytes);
    })?;
    Ok(hash.hex())
}

/// Reads a reader to its end and passes its bytes to `take`, one piece at a time.
///
/// # Errors
/// The reader fails.
pub fn read_pieces(from: &mut impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
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

/// Returns bytes as lower-case hexadecimal, two digits each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf abc | sha256sum`
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn bytes_pieces_and_files_have_the_hash_of_sha256sum() {
        assert_eq!(sha256("abc"), ABC);
        assert_eq!(Sha256::new().chain("a").chain("bc").hex(), ABC);
        let mut writer = Sha256::new();
        writer.write_all(b"abc").expect("written");
        assert_eq!(hex(&writer.digest()), ABC);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").expect("a file");
        assert_eq!(sha256_of_file(&path).expect("readable"), ABC);
        assert!(sha256_of_file(&folder.path().join("none")).is_err());
    }

    #[test]
    fn lists_of_texts_that_join_to_the_same_text_have_different_hashes() {
        assert_ne!(sha256_of_texts(["ab", "c"]), sha256_of_texts(["a", "bc"]));
    }

    #[test]
    fn progress_ends_with_the_length_of_the_stream() {
        let bytes = vec![7; BUFFER_BYTES + 3];
        let mut seen = Vec::new();
        let found = sha256_of_reader(&mut &bytes[..], |bytes| seen.push(bytes)).expect("readable");
        assert_eq!(found, sha256(&bytes));
        assert_eq!(seen, [BUFFER_BYTES as u64, bytes.len() as u64]);
    }
}
