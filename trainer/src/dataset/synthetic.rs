//! Random examples for measurements.

use std::path::Path;

use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Examples, StoreWriter};
use crate::batch::Example;

/// Generates `count` examples of `length` random tokens each, all supervised.
///
/// # Errors
/// The temporary file in `folder` cannot be written.
pub(crate) fn examples(
    count: usize,
    length: usize,
    vocab_size: usize,
    seed: u64,
    folder: &Path,
) -> Result<Examples> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut store = StoreWriter::new(folder)?;
    for index in 0..count {
        let draw = |_| rng.random_range(0..vocab_size as u32);
        let tokens: Vec<u32> = (0..length).map(draw).collect();
        store.push(
            &Example::new(tokens, vec![true; length]),
            &format!("drawn {index}"),
        )?;
    }
    Ok(Examples {
        store: store.finish()?,
        train: (0..count as u32).collect(),
        validation: Vec::new(),
        counts: Vec::new(),
        sources: Vec::new(),
    })
}
