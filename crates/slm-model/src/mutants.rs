//! Damaged copies of files, for tests of their readers.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bytes that overwrite, or are inserted between, bytes of a text.
const INSERTED: [&[u8]; 8] = [
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"0",
    b"null",
    b"[[[[[[[[",
    b"\"",
    b"\xf0\x9f",
];

/// Copies of `whole` with one to three mutations each: bytes changed, truncated, repeated or inserted.
pub(crate) fn mutants(whole: &[u8], seed: u64, n: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(move |_| {
        let mut bytes = whole.to_vec();
        for _ in 0..rng.random_range(1..4) {
            if bytes.is_empty() {
                break;
            }
            let at = rng.random_range(0..bytes.len());
            let end = bytes.len().min(at + 8);
            let inserted = INSERTED[rng.random_range(0..INSERTED.len())];
            match rng.random_range(0..8) {
                0 | 1 => bytes[at] = rng.random(),
                2 => bytes[at] ^= 1 << rng.random_range(0..8),
                3 => bytes.truncate(at.max(1)),
                4 => bytes[at..end].fill(0xff),
                5 => {
                    let repeated = bytes[at..end].to_vec();
                    bytes.splice(end..end, repeated);
                }
                6 => {
                    bytes.splice(at..=at, inserted.iter().copied());
                }
                _ => {
                    // Digits are likely sizes and offsets.
                    let digits = (at..bytes.len()).find(|&i| bytes[i].is_ascii_digit());
                    if let Some(at) = digits {
                        bytes[at] = b'0' + rng.random_range(0..10);
                    }
                }
            }
        }
        bytes
    })
}
