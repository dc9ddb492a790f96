//! Log-probabilities of whole sequences, and a backward pass with one coefficient for each: for preference objectives.
//!
//! A preference loss depends on the log-probability of each sequence as a whole, so that its gradient is known only after
//! the forward pass. [`ScoredBatch`] keeps the gradient of each token's loss that the chunks have already computed, and
//! scales the tokens of a sequence by the derivative of the loss with respect to the sequence's log-probability: one
//! forward and one backward pass, no second model in memory.

use burn::tensor::{Tensor, TensorData};

use crate::head::Head;
use crate::loss::{LossError, Supervised};

/// The log-probability of a sequence's supervised tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SequenceScore {
    /// Sum over the supervised tokens, in nats.
    pub log_p: f64,
    /// The number of supervised tokens.
    pub tokens: usize,
}

impl SequenceScore {
    /// Returns the mean over the supervised tokens, in nats.
    pub fn mean(self) -> f64 {
        self.log_p / self.tokens as f64
    }
}

/// Sequences with their scores, ready for the backward pass.
#[derive(Debug)]
pub struct ScoredBatch {
    scores: Vec<SequenceScore>,
    /// Tracked hidden states of the supervised tokens, `[positions, hidden_size]`.
    supervised: Tensor<2>,
    /// Gradient of each supervised token's cross-entropy with respect to its hidden state, `[positions, hidden_size]`.
    gradient: Tensor<2>,
    /// The sequence of each position.
    sequence_of: Vec<usize>,
}

impl ScoredBatch {
    /// Computes the scores of `sequences` sequences of equal length, with the gradient of each token.
    ///
    /// Logits are computed for `chunk_size` supervised tokens at a time, as in
    /// [`chunked_cross_entropy`](crate::loss::chunked_cross_entropy). Reads the scores from the device.
    ///
    /// # Shapes
    /// - `hidden`: `[sequences * length, hidden_size]`, after the final norm, in single precision; `head`: of
    ///   `[vocab_size, hidden_size]`
    /// - `labels`: one per row of `hidden`, already shifted by one; `IGNORE_LABEL` has no weight. Further rows of `hidden`,
    ///   of filler sequences, are not read
    ///
    /// # Errors
    /// [`LossError::NoTargets`] if a sequence has no supervised token; [`LossError::TrainedHead`] if the head is trained,
    /// whose gradient would have to be accumulated before the coefficients are known.
    pub fn new(
        hidden: Tensor<2>,
        head: &Head,
        labels: &[i64],
        sequences: usize,
        chunk_size: usize,
    ) -> Result<Self, LossError> {
        if head.trained().is_some() {
            return Err(LossError::TrainedHead);
        }
        let learned = Supervised::of(labels, chunk_size, &hidden.device().inner());
        if learned.n == 0 {
            return Err(LossError::NoTargets);
        }
        let supervised = learned.states(hidden);
        let states = supervised.clone().inner();
        let mut losses = Vec::new();
        let gradient = learned.gradient_rows(&states, head, |part| {
            losses.push(part.losses());
        });
        let sequence_of = sequence_of(&learned, labels, sequences);
        let scores = sums(losses, &learned, &sequence_of, sequences)?;
        Ok(Self {
            scores,
            supervised,
            gradient,
            sequence_of,
        })
    }

    /// The score of each sequence.
    pub fn scores(&self) -> &[SequenceScore] {
        &self.scores
    }

    /// Returns a tensor whose backward pass gives exactly the gradients of a loss with these derivatives; its value is
    /// meaningless. `[1]`
    ///
    /// # Shapes
    /// `derivatives`: of the loss with respect to each sequence's `log_p`
    ///
    /// # Panics
    /// The number of derivatives differs from that of the sequences.
    pub fn backward_seed(self, derivatives: &[f64]) -> Tensor<1> {
        assert_eq!(
            derivatives.len(),
            self.scores.len(),
            "a derivative for each sequence"
        );
        // The rows are gradients of the cross-entropy, which is minus the log-probability.
        let factors = self
            .sequence_of
            .iter()
            .map(|&sequence| -derivatives[sequence] as f32);
        let factors: Vec<f32> = factors.collect();
        let shape = [factors.len(), 1];
        let device = self.gradient.device();
        let factors = Tensor::<2>::from_data(TensorData::new(factors, shape), &device);
        (self.supervised * (self.gradient * factors)).sum()
    }
}

/// Computes the scores of `sequences` sequences of equal length, without a gradient.
///
/// # Shapes
/// as in [`ScoredBatch::new`]; `hidden` plain
///
/// # Errors
/// [`LossError::NoTargets`] if a sequence has no supervised token.
pub fn sequence_scores(
    hidden: Tensor<2>,
    head: &Head,
    labels: &[i64],
    sequences: usize,
    chunk_size: usize,
) -> Result<Vec<SequenceScore>, LossError> {
    let learned = Supervised::of(labels, chunk_size, &hidden.device());
    if learned.n == 0 {
        return Err(LossError::NoTargets);
    }
    let states = learned.states(hidden);
    let mut losses = Vec::new();
    learned.losses(&states, head, |part| losses.push(part));
    let sequence_of = sequence_of(&learned, labels, sequences);
    sums(losses, &learned, &sequence_of, sequences)
}

/// Returns the sequence of each position.
fn sequence_of(learned: &Supervised, labels: &[i64], sequences: usize) -> Vec<usize> {
    let length = labels.len() / sequences;
    learned.rows.iter().map(|row| row / length).collect()
}

/// Sums the losses of each sequence's positions in double precision, in the order of its tokens, so that the sum does not
/// depend on the other sequences of the batch.
fn sums(
    losses: Vec<Tensor<2>>,
    learned: &Supervised,
    sequence_of: &[usize],
    sequences: usize,
) -> Result<Vec<SequenceScore>, LossError> {
    let losses: Vec<f32> = Tensor::cat(losses, 0)
        .into_data()
        .try_into_vec()
        .unwrap_or_else(|error| unreachable!("losses of single precision: {error:?}"));
    let mut scores = vec![SequenceScore::default(); sequences];
    for (&loss, &sequence) in losses.iter().zip(sequence_of).take(learned.n) {
        // Rounding may leave a loss below 0, though no probability exceeds 1. NaN is not below 0 and stays.
        let loss = if loss < 0.0 { 0.0 } else { loss };
        scores[sequence].log_p -= f64::from(loss);
        scores[sequence].tokens += 1;
    }
    if scores.iter().any(|score| score.tokens == 0) {
        return Err(LossError::NoTargets);
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::IGNORE_LABEL;
    use burn::tensor::{Device, Distribution, activation::log_softmax};

    const X: i64 = IGNORE_LABEL;
    /// Three sequences of four tokens.
    const LABELS: [i64; 12] = [X, 3, 0, X, 10, 7, 1, X, X, X, 4, X];

    fn noise(rows: usize, columns: usize) -> Tensor<2> {
        Tensor::random(
            [rows, columns],
            Distribution::Normal(0.0, 1.0),
            &Device::flex(),
        )
    }

    /// Sums of log-probabilities by full logits, `[3]`, with autodiff.
    fn full(hidden: &Tensor<2>, head: &Tensor<2>) -> Tensor<1> {
        let log_p = log_softmax(hidden.clone().matmul(head.clone().transpose()), 1);
        let of_sequence = |sequence: usize| {
            let rows = 4 * sequence..4 * (sequence + 1);
            let terms = rows.filter(|&row| LABELS[row] != X).map(|row| {
                let at = LABELS[row] as usize;
                log_p.clone().narrow(0, row, 1).narrow(1, at, 1).sum()
            });
            terms.reduce(|a, b| a + b).expect("supervised tokens")
        };
        Tensor::cat((0..3).map(of_sequence).collect(), 0)
    }

    #[test]
    fn scores_and_gradients_equal_full_logits_at_every_chunk_size() {
        let (hidden, head) = (noise(12, 6), noise(11, 6));
        let derivatives = [0.5, -2.0, 0.125];
        let tracked = hidden.clone().autodiff().require_grad();
        let expected = full(&tracked, &head.clone().autodiff());
        let values: Vec<f32> = expected
            .clone()
            .inner()
            .into_data()
            .try_into_vec()
            .expect("f32");
        let weights = Tensor::<1>::from_data([0.5, -2.0, 0.125], &Device::flex()).autodiff();
        let mut gradients = (expected * weights).sum().backward();
        let expected_gradient = tracked.grad_remove(&mut gradients).expect("tracked");
        let projection = Head::from(head);
        for chunk_size in [1, 2, 5, 100] {
            let tracked = hidden.clone().autodiff().require_grad();
            let scored = ScoredBatch::new(tracked.clone(), &projection, &LABELS, 3, chunk_size)
                .expect("supervised tokens");
            let plain = sequence_scores(hidden.clone(), &projection, &LABELS, 3, chunk_size);
            assert_eq!(scored.scores(), plain.expect("supervised tokens"));
            let tokens: Vec<usize> = scored.scores().iter().map(|score| score.tokens).collect();
            assert_eq!(tokens, [2, 3, 1]);
            for (score, expected) in scored.scores().iter().zip(&values) {
                let difference = score.log_p - f64::from(*expected);
                assert!(difference.abs() < 1e-5, "{score:?} for {expected}");
            }
            let mut gradients = scored.backward_seed(&derivatives).backward();
            let gradient = tracked.grad_remove(&mut gradients).expect("tracked");
            let difference = (gradient - expected_gradient.clone())
                .abs()
                .max()
                .into_scalar::<f32>();
            assert!(difference < 1e-5, "chunk {chunk_size}: {difference}");
        }
    }

    #[test]
    fn no_probability_exceeds_one_by_rounding_and_nan_stays() {
        let learned = Supervised::of(&[3, 1, 2, 0], 4, &Device::flex());
        let losses = [[-1e-6], [0.0], [f32::NAN], [1.0]];
        let losses = vec![Tensor::<2>::from_data(losses, &Device::flex())];
        let scores = sums(losses, &learned, &[0, 0, 1, 1], 2).expect("supervised tokens");
        assert_eq!(scores[0].log_p.to_bits(), 0.0_f64.to_bits());
        assert!(scores[1].log_p.is_nan());
    }

    #[test]
    fn a_sequence_without_a_supervised_token_and_a_trained_head_are_refused() {
        let head = Head::from(noise(11, 6));
        let labels = [3, 1, X, X];
        let hidden = noise(4, 6);
        let scores = sequence_scores(hidden.clone(), &head, &labels, 2, 4);
        assert_eq!(scores, Err(LossError::NoTargets));
        let trained = Head::from(noise(11, 6).autodiff().require_grad());
        let tracked = hidden.autodiff().require_grad();
        let refused = ScoredBatch::new(tracked, &trained, &[3, 1, 2, X], 2, 4);
        assert_eq!(refused.err(), Some(LossError::TrainedHead));
    }
}
