//! Tokenised examples, micro-batches of them, and the order of an epoch.

mod shapes;

use burn::tensor::Tensor;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use slm_model::loss::IGNORE_LABEL;
use slm_model::{Adapter, Decoder};

pub use shapes::StaticShapes;

/// A tokenised example with its loss mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The token ids.
    pub tokens: Vec<u32>,
    /// One mark per token: whether it is supervised, that is, part of the loss.
    pub supervised: Vec<bool>,
}

impl Example {
    /// Creates an example; its first token is never supervised, as nothing precedes it.
    ///
    /// # Panics
    /// The lengths of `tokens` and `supervised` differ.
    pub fn new(tokens: Vec<u32>, mut supervised: Vec<bool>) -> Self {
        assert_eq!(tokens.len(), supervised.len(), "a mark for each token");
        if let Some(first) = supervised.first_mut() {
            *first = false;
        }
        Self { tokens, supervised }
    }

    /// The number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The tokens before the first supervised one.
    pub(crate) fn context(&self) -> &[u32] {
        let learned = self.supervised.iter().position(|&learned| learned);
        &self.tokens[..learned.unwrap_or(self.tokens.len())]
    }

    /// The number of supervised tokens.
    pub(crate) fn n_supervised(&self) -> usize {
        self.supervised.iter().filter(|learned| **learned).count()
    }
}

/// A micro-batch: sequences padded to equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Concatenated sequences, each padded at its end: `n_sequences * length` ids.
    pub tokens: Vec<u32>,
    /// The label of each position: the token that follows, or [`IGNORE_LABEL`].
    pub labels: Vec<i64>,
    /// For each sequence the lengths of its examples, without padding; one each unless they are packed, none for the
    /// filler sequences at the end.
    pub texts: Vec<Vec<usize>>,
    /// The number of tokens without padding.
    pub n_tokens: usize,
}

impl Batch {
    /// Makes a batch with one example per sequence.
    pub fn new(examples: &[&Example]) -> Self {
        let sequences: Vec<Vec<&Example>> = examples.iter().map(|example| vec![*example]).collect();
        Self::packed(&sequences)
    }

    /// Makes a batch of packed sequences, each a concatenation of several examples.
    ///
    /// Padding is known by position, never by a token's id: masking the pad id would mask the end of every answer where
    /// it equals the end-of-turn id. The last token of an example has no label, so that no example is trained to
    /// predict the start of the next.
    pub fn packed(sequences: &[Vec<&Example>]) -> Self {
        let length_of = |sequence: &Vec<&Example>| sequence.iter().map(|e| e.len()).sum::<usize>();
        let length = sequences.iter().map(length_of).max().unwrap_or(0);
        let mut batch = Self {
            tokens: Vec::new(),
            labels: Vec::new(),
            texts: Vec::new(),
            n_tokens: sequences.iter().map(length_of).sum(),
        };
        for (index, sequence) in sequences.iter().enumerate() {
            for Example { tokens, supervised } in sequence.iter().copied() {
                batch.tokens.extend(tokens);
                // Shifted by one: the label of a position is the token after it.
                let next = tokens.iter().zip(supervised).skip(1);
                batch.labels.extend(next.map(
                    |(&id, &learned)| {
                        if learned { i64::from(id) } else { IGNORE_LABEL }
                    },
                ));
                batch.labels.resize(batch.tokens.len(), IGNORE_LABEL);
            }
            batch.tokens.resize((index + 1) * length, 0);
            batch.labels.resize((index + 1) * length, IGNORE_LABEL);
            batch
                .texts
                .push(sequence.iter().map(|example| example.len()).collect());
        }
        batch
    }

    /// The number of sequences, without fillers.
    pub fn n_sequences(&self) -> usize {
        self.texts.iter().filter(|texts| !texts.is_empty()).count()
    }

    /// Tokens of a sequence with its padding.
    pub(crate) fn length(&self) -> usize {
        self.tokens.len() / self.texts.len().max(1)
    }

    /// Tokens of the longest sequence, without padding.
    pub(crate) fn longest(&self) -> usize {
        let lengths = self.texts.iter().map(|texts| texts.iter().sum());
        lengths.max().unwrap_or(0)
    }

    /// The labels of the sequences that are no fillers, which all come first.
    pub(crate) fn labels_of_sequences(&self) -> &[i64] {
        &self.labels[..self.n_sequences() * self.length()]
    }

    /// Adds padding up to `padded` tokens per sequence, and filler sequences without a text up to `sequences`.
    fn resized(self, sequences: usize, padded: usize) -> Self {
        let length = self.length();
        if sequences <= self.texts.len() && padded <= length {
            return self;
        }
        let mut larger = Self {
            tokens: Vec::with_capacity(sequences * padded),
            labels: Vec::with_capacity(sequences * padded),
            ..self
        };
        let rows = self.tokens.chunks(length).zip(self.labels.chunks(length));
        for (index, (tokens, labels)) in rows.enumerate() {
            larger.tokens.extend(tokens);
            larger.tokens.resize((index + 1) * padded, 0);
            larger.labels.extend(labels);
            larger.labels.resize((index + 1) * padded, IGNORE_LABEL);
        }
        larger.tokens.resize(sequences * padded, 0);
        larger.labels.resize(sequences * padded, IGNORE_LABEL);
        larger.texts.resize(sequences, Vec::new());
        larger
    }

    /// Returns the hidden states of all tokens; packed examples are kept apart.
    pub(crate) fn hidden_states(&self, decoder: &Decoder, adapter: Option<&Adapter>) -> Tensor<2> {
        if self.texts.iter().all(|lengths| lengths.len() <= 1) {
            return decoder.hidden_states(&self.tokens, self.texts.len(), adapter);
        }
        decoder.packed_hidden_states(&self.tokens, &self.texts, adapter)
    }

    /// The number of supervised tokens.
    pub fn n_supervised(&self) -> usize {
        self.labels
            .iter()
            .filter(|&&label| label != IGNORE_LABEL)
            .count()
    }
}

/// Packs examples into few sequences of at most `limit` tokens: the longest first, each into the first sequence with
/// room for it.
///
/// # Source
/// First-fit decreasing, which needs at most 11/9 of the optimum plus one: Dósa 2007.
pub fn pack(examples: &[Example], limit: usize) -> Vec<Vec<&Example>> {
    let mut sorted: Vec<&Example> = examples.iter().collect();
    sorted.sort_by_key(|example| std::cmp::Reverse(example.len()));
    let mut sequences: Vec<(usize, Vec<&Example>)> = Vec::new();
    for example in sorted {
        let room = |(used, _): &&mut (usize, Vec<&Example>)| *used + example.len() <= limit;
        match sequences.iter_mut().find(room) {
            Some((used, sequence)) => {
                *used += example.len();
                sequence.push(example);
            }
            None => sequences.push((example.len(), vec![example])),
        }
    }
    sequences
        .into_iter()
        .map(|(_, sequence)| sequence)
        .collect()
}

/// Returns the order of an epoch: every example once, shuffled by seed and epoch alone.
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
        let learned = [vec![false; prompt.len()], vec![true; completion.len()]];
        Example::new([prompt, completion].concat(), learned.concat())
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
    fn packing_fills_sequences_and_no_example_learns_to_begin_the_next() {
        const X: i64 = IGNORE_LABEL;
        let examples = [
            example(&[1], &[2]),
            example(&[3, 4], &[5, 6]),
            example(&[7], &[8, 9]),
        ];
        let sequences = pack(&examples, 6);
        let lengths = |sequence: &Vec<&Example>| sequence.iter().map(|e| e.len()).collect();
        let found: Vec<Vec<usize>> = sequences.iter().map(lengths).collect();
        assert_eq!(found, [vec![4, 2], vec![3]]);
        let batch = Batch::packed(&sequences);
        assert_eq!(batch.tokens, [3, 4, 5, 6, 1, 2, 7, 8, 9, 0, 0, 0]);
        assert_eq!(batch.labels, [X, 5, 6, X, 2, X, 8, 9, X, X, X, X]);
        assert_eq!((batch.n_tokens, batch.n_supervised()), (9, 5));
    }

    #[test]
    fn padding_and_fillers_change_shapes_alone() {
        const X: i64 = IGNORE_LABEL;
        let (long, short) = (example(&[1, 2], &[3]), example(&[4], &[5]));
        let batch = Batch::new(&[&long, &short]);
        assert_eq!(batch.clone().resized(2, 3), batch);
        assert_eq!(batch.clone().in_shape(None), batch);
        let larger = batch.clone().resized(3, 4);
        assert_eq!(larger.tokens, [1, 2, 3, 0, 4, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(larger.labels, [X, 3, X, X, 5, X, X, X, X, X, X, X]);
        assert_eq!(larger.texts, [vec![3], vec![2], vec![]]);
        assert_eq!((larger.n_tokens, larger.n_sequences()), (5, 2));
        assert_eq!((larger.length(), larger.longest()), (4, 3));
        assert_eq!(larger.labels_of_sequences(), &larger.labels[..8]);
    }

    #[test]
    fn a_first_token_is_never_learned() {
        let example = example(&[], &[5, 6]);
        assert_eq!(example.n_supervised(), 1);
        assert_eq!(Batch::new(&[&example]).labels, [6, IGNORE_LABEL]);
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
