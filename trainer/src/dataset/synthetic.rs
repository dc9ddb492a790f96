//! Random examples for measurements.

use std::path::Path;

use anyhow::Result;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use slm_config::Objective;

use super::store::StoreWriter;
use super::{Examples, Units};
use crate::batch::Example;

/// Generates `count` units of an objective, whose examples have `length` random tokens each. All are supervised; of a
/// preference objective, all but the first, which is the prompt.
///
/// # Errors
/// The temporary file in `folder` cannot be written.
pub(crate) fn examples(
    objective: Objective,
    (count, length): (usize, usize),
    vocab_size: usize,
    seed: u64,
    folder: &Path,
) -> Result<Examples> {
    let (units, per_unit) = match objective {
        Objective::Sft => (Units::Rows, 1),
        Objective::Dpo | Objective::Orpo | Objective::Simpo => (Units::Pairs, 2),
        Objective::Kto => {
            let labels = (0..count).map(|index| index.is_multiple_of(2));
            (Units::Labelled(labels.collect()), 1)
        }
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut store = StoreWriter::new(folder)?;
    for index in 0..per_unit * count {
        let draw = |_| rng.random_range(0..vocab_size as u32);
        let tokens: Vec<u32> = (0..length).map(draw).collect();
        let mut supervised = vec![true; length];
        supervised[0] = objective == Objective::Sft;
        store.push(&Example::new(tokens, supervised), &format!("drawn {index}"))?;
    }
    Ok(Examples {
        store: store.finish()?,
        units,
        groups: (0..count as u64).collect(),
        train: (0..count as u32).collect(),
        validation: Vec::new(),
        counts: Vec::new(),
        sources: Vec::new(),
        datasets: Vec::new(),
    })
}
