//! The few shapes of micro-batches on devices that tune a kernel for each shape.

use slm_config::Recipe;
use slm_model::Decoder;

use super::Batch;

/// Lengths to which sequences are padded, in tokens; above the last, multiples of [`LONG_STEP`].
const LENGTHS: [usize; 5] = [256, 512, 1024, 1536, 2048];
/// Step of the lengths above [`LENGTHS`], in tokens.
const LONG_STEP: usize = 512;
/// The longest length of a recipe is rounded up to a multiple of this number of tokens.
const LIMIT_STEP: usize = 128;

/// The shapes that the micro-batches of a training have on a device that tunes a kernel for each shape.
///
/// Such a device compiles and measures several kernels for each new shape of a product, which takes seconds. With five
/// shapes at most (for sequences of up to 2,048 tokens) all of them occur in the first steps. Sequences get padding at
/// their end, and micro-batches get empty filler sequences at theirs; neither changes a loss, a gradient or a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticShapes {
    /// Sequences of a full micro-batch.
    pub sequences: usize,
    /// Tokens of the longest sequence, as set in the recipe.
    pub limit: usize,
    /// Whether sequences are packed.
    pub packing: bool,
}

impl StaticShapes {
    /// The shapes of a recipe's training.
    pub(crate) fn of_recipe(recipe: &Recipe) -> Self {
        Self {
            sequences: recipe.train.micro_batch_size,
            limit: recipe.data.max_seq_length,
            packing: recipe.data.packing,
        }
    }

    /// The shapes of batches of up to this many sequences that are not packed, as a validation has them.
    pub(crate) fn without_packing(self, sequences: usize) -> Self {
        Self {
            sequences,
            packing: false,
            ..self
        }
    }

    /// Returns these shapes for a device that tunes a kernel for each shape, and `None` for any other.
    pub(crate) fn on(self, decoder: &Decoder) -> Option<Self> {
        (!decoder.is_on_cpu()).then_some(self)
    }

    /// Returns the sequences and the length of the micro-batch that holds `sequences` sequences of at most `length`
    /// tokens; neither is smaller than given.
    ///
    /// Without packing, only the last micro-batch of an epoch is short, so that it is filled up. With packing, the
    /// number of sequences varies from step to step. It is then a power of two or that of a full micro-batch, and all
    /// but the smallest micro-batches have the longest length, which packed sequences reach anyway.
    pub fn of(self, sequences: usize, length: usize) -> (usize, usize) {
        if !self.packing {
            return (self.sequences.max(sequences), self.padded(length));
        }
        let least = self.sequences.div_ceil(8).next_power_of_two();
        let filled = sequences.next_power_of_two().max(least);
        let filled = filled.min(self.sequences).max(sequences);
        let half = self.padded(self.limit / 2);
        if filled <= least && length <= half {
            (filled, half)
        } else {
            (filled, self.padded(self.limit.max(length)))
        }
    }

    /// Returns the length to which a sequence of `length` tokens is padded.
    fn padded(self, length: usize) -> usize {
        let fits = |bucket: &usize| *bucket >= length;
        let bucket = LENGTHS.into_iter().find(fits);
        let bucket = bucket.unwrap_or_else(|| length.next_multiple_of(LONG_STEP));
        // An answer that was joined with another prompt may be longer than the recipe's limit.
        let limit = self.limit.max(length).next_multiple_of(LIMIT_STEP);
        bucket.min(limit)
    }
}

impl Batch {
    /// Returns the batch in one of the static shapes, with padding and filler sequences where needed; unchanged for
    /// `None`.
    pub fn in_shape(self, shapes: Option<StaticShapes>) -> Self {
        let n = self.texts.len();
        let Some(shapes) = shapes.filter(|_| n > 0) else {
            return self;
        };
        let (sequences, length) = shapes.of(n, self.length());
        self.resized(sequences, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn shapes(sequences: usize, limit: usize, packing: bool) -> StaticShapes {
        StaticShapes {
            sequences,
            limit,
            packing,
        }
    }

    /// All shapes of micro-batches with any number of sequences of any length.
    fn all(shapes: StaticShapes) -> BTreeSet<(usize, usize)> {
        let lengths = (1..=shapes.limit).step_by(7).chain([shapes.limit]);
        let every = lengths.flat_map(|length| (1..=shapes.sequences).map(move |n| (n, length)));
        every
            .map(|(n, length)| {
                let (filled, padded) = shapes.of(n, length);
                assert!(filled >= n && padded >= length, "{n} x {length}");
                (filled, padded)
            })
            .collect()
    }

    #[test]
    fn a_training_of_mixed_lengths_has_at_most_five_shapes() {
        for packing in [false, true] {
            for sequences in [1, 2, 3, 4, 7, 8, 9, 12, 16, 24, 64] {
                for limit in [1, 100, 256, 600, 1000, 1024, 1536, 2000, 2048] {
                    let found = all(shapes(sequences, limit, packing));
                    assert!(found.len() <= 5, "{sequences} x {limit}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn lengths_are_padded_to_buckets_and_not_beyond_the_recipes_limit() {
        let of = |limit, length| shapes(4, limit, false).of(4, length).1;
        for (limit, length, padded) in [
            (2048, 1, 256),
            (2048, 257, 512),
            (2048, 1025, 1536),
            (2048, 2048, 2048),
            (600, 550, 640),
            (100, 90, 128),
            (8192, 2049, 2560),
            (5000, 5000, 5120),
            (1024, 1030, 1152),
        ] {
            assert_eq!(of(limit, length), padded, "{length} of {limit}");
        }
    }

    #[test]
    fn a_window_of_few_packed_sequences_is_not_filled_to_a_whole_micro_batch() {
        let packed = shapes(8, 2048, true);
        assert_eq!(packed.of(1, 900), (1, 1024));
        assert_eq!(packed.of(1, 1100), (1, 2048));
        assert_eq!(packed.of(2, 2000), (2, 2048));
        assert_eq!(packed.of(5, 2000), (8, 2048));
        assert_eq!(shapes(12, 2048, true).of(9, 2000), (12, 2048));
    }
}
