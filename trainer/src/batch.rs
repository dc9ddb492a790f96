//! Examples as tokens, and micro-batches of them.

use model::loss::IGNORE_LABEL;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// One training example: the loss is taken over the completion alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Example {
    /// What the model is given.
    pub(crate) prompt: Vec<u32>,
    /// What it should answer, with the end of its turn.
    pub(crate) completion: Vec<u32>,
}

impl Example {
    /// Tokens in all.
    pub(crate) fn len(&self) -> usize {
        self.prompt.len() + self.completion.len()
    }
}

/// Some sequences of equal, padded length, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Sequences one after the other, padded at their ends: `n_sequences * length` ids.
    pub(crate) tokens: Vec<u32>,
    /// For each token the one that should follow it, or [`IGNORE_LABEL`].
    pub(crate) labels: Vec<i64>,
    /// Number of sequences.
    pub(crate) n_sequences: usize,
    /// Tokens that are not padding.
    pub(crate) n_tokens: usize,
}

impl Batch {
    /// Puts examples side by side.
    ///
    /// Padding is known by position, never by a token's id: a pad id that equals the end-of-turn id would
    /// otherwise mask the end of every answer.
    pub(crate) fn new(examples: &[&Example]) -> Self {
        let length = examples
            .iter()
            .map(|example| example.len())
            .max()
            .unwrap_or(0);
        let mut batch = Self {
            tokens: Vec::new(),
            labels: Vec::new(),
            n_sequences: examples.len(),
            n_tokens: 0,
        };
        for example in examples {
            let supervised = example.prompt.len().max(1)..example.len();
            let ids = || example.prompt.iter().chain(&example.completion).copied();
            batch.tokens.extend(ids());
            batch
                .tokens
                .extend(std::iter::repeat_n(0, length - example.len()));
            // Shifted by one: the label of a position is the token after it.
            let next = ids().enumerate().skip(1);
            batch.labels.extend(next.map(|(at, id)| {
                if supervised.contains(&at) {
                    i64::from(id)
                } else {
                    IGNORE_LABEL
                }
            }));
            batch.labels.extend(std::iter::repeat_n(
                IGNORE_LABEL,
                length - example.len() + 1,
            ));
            batch.n_tokens += example.len();
        }
        batch
    }

    /// Tokens that the loss is taken over.
    pub(crate) fn n_supervised(&self) -> usize {
        self.labels
            .iter()
            .filter(|&&label| label != IGNORE_LABEL)
            .count()
    }
}

/// The order of one epoch: every example once, shuffled by seed and epoch alone.
pub(crate) fn epoch_order(n_examples: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch as u64 + 1);
    let mut order: Vec<usize> = (0..n_examples).collect();
    order.shuffle(&mut rng);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(prompt: &[u32], completion: &[u32]) -> Example {
        Example {
            prompt: prompt.to_vec(),
            completion: completion.to_vec(),
        }
    }

    #[test]
    fn labels_are_shifted_and_cover_the_completion_alone() {
        const X: i64 = IGNORE_LABEL;
        let (long, short) = (example(&[1, 2, 3], &[4, 5]), example(&[6], &[7, 8]));
        let batch = Batch::new(&[&long, &short]);
        assert_eq!(batch.tokens, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]);
        assert_eq!(batch.labels, [X, X, 4, 5, X, 7, 8, X, X, X]);
        assert_eq!((batch.n_supervised(), batch.n_tokens), (4, 8));
    }

    #[test]
    fn an_answer_that_ends_with_the_padding_id_keeps_its_end() {
        let example = example(&[1], &[2, 0]);
        assert_eq!(Batch::new(&[&example]).labels, [2, 0, IGNORE_LABEL]);
    }

    #[test]
    fn epochs_differ_and_repeat_for_the_same_seed() {
        let order = epoch_order(50, 1, 0);
        assert_eq!(order, epoch_order(50, 1, 0));
        assert_ne!(order, epoch_order(50, 1, 1));
        assert_ne!(order, epoch_order(50, 2, 0));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
