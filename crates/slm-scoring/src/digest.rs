//! Hashes of texts, by which scores and expected outputs are kept.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// SHA-256 over texts, each with its length, so that no two lists of texts look alike. In hex.
pub(crate) fn sha256_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let digits = hash.finalize();
    digits.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
