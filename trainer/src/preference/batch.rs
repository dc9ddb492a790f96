//! Micro-batches of pairs and of single answers with labels.

use burn::tensor::Tensor;
use slm_model::loss::LossError;
use slm_model::preference::{SequenceScore, sequence_scores};
use slm_model::{Adapter, Decoder};

use super::loss::Totals;
use crate::batch::{Batch, Example, StaticShapes};

/// A micro-batch of a preference objective.
#[derive(Clone, Debug)]
pub struct PreferenceBatch {
    /// The sequences: of n pairs the n chosen and then the n rejected answers, otherwise one for each answer; then fillers.
    pub batch: Batch,
    /// Log-probability of each sequence under the base model; empty for an objective without reference.
    pub reference: Vec<f64>,
    /// Of single answers, whether each is wanted; empty for pairs.
    pub labels: Vec<bool>,
    /// Of single answers, the prompt of each with the answer to the next one that differs, without those of which no other
    /// prompt is in the micro-batch; `None` for pairs, or if none is left.
    pub mismatched: Option<Batch>,
}

impl PreferenceBatch {
    /// Makes a micro-batch of pairs, each the chosen and the rejected example.
    pub fn of_pairs(pairs: &[(&Example, &Example)], reference: Vec<f64>) -> Self {
        let chosen = pairs.iter().map(|(chosen, _)| *chosen);
        let rejected = pairs.iter().map(|(_, rejected)| *rejected);
        Self {
            batch: Batch::new(&chosen.chain(rejected).collect::<Vec<_>>()),
            reference,
            labels: Vec::new(),
            mismatched: None,
        }
    }

    /// Makes a micro-batch of single answers with their labels; mismatched ones are cut at `limit` tokens.
    pub fn of_answers(
        examples: &[&Example],
        labels: Vec<bool>,
        reference: Vec<f64>,
        limit: usize,
    ) -> Self {
        // Several answers to one prompt match it, so that the next one to another prompt is taken.
        let other = |at: usize| {
            let following = examples[at + 1..].iter().chain(&examples[..at]);
            let mut others = following.filter(|next| next.context() != examples[at].context());
            others.next()
        };
        let mixed: Vec<Example> = (0..examples.len())
            .filter_map(|at| Some(mismatched(examples[at], other(at)?, limit)))
            .collect();
        let mismatched = (!mixed.is_empty()).then(|| Batch::new(&mixed.iter().collect::<Vec<_>>()));
        Self {
            batch: Batch::new(examples),
            reference,
            labels,
            mismatched,
        }
    }

    /// Returns the same micro-batch in one of the static shapes, whose sequences are counted in pairs or single answers;
    /// unchanged for `None`.
    pub fn in_shape(self, shapes: Option<StaticShapes>) -> Self {
        let per_unit = if self.labels.is_empty() { 2 } else { 1 };
        let of_sequences = shapes.map(|shapes| StaticShapes {
            sequences: per_unit * shapes.sequences,
            ..shapes
        });
        Self {
            batch: self.batch.in_shape(of_sequences),
            mismatched: self.mismatched.map(|batch| batch.in_shape(shapes)),
            ..self
        }
    }

    /// The number of pairs, or of single answers.
    pub fn units(&self) -> usize {
        if self.labels.is_empty() {
            self.batch.n_sequences() / 2
        } else {
            self.labels.len()
        }
    }

    /// What the loss of a whole window is divided by, for this part of it.
    pub fn totals(&self) -> Totals {
        let chosen = self.batch.length() * self.units();
        let chosen = &self.batch.labels[..chosen];
        let is_supervised = |label: &&i64| **label != slm_model::loss::IGNORE_LABEL;
        Totals {
            units: self.units(),
            chosen_tokens: chosen.iter().filter(is_supervised).count(),
        }
    }

    /// Computes the mean reward of the mismatched answers divided by beta, at least 0: the divergence from the base model
    /// that rewards are compared with. Without gradient; the base model's part is computed here because the mismatched
    /// sequences differ from epoch to epoch.
    ///
    /// # Errors
    /// [`LossError::NoTargets`] if an answer is empty.
    pub(crate) fn divergence(
        &self,
        decoder: &Decoder,
        adapter: Option<&Adapter>,
        chunk_size: usize,
    ) -> Result<f64, LossError> {
        let Some(batch) = &self.mismatched else {
            return Ok(0.0);
        };
        let frozen = adapter.map(Adapter::frozen);
        let policy = scores(decoder, frozen.as_ref(), batch, chunk_size)?;
        let base = scores(decoder, None, batch, chunk_size)?;
        let differences = policy.iter().zip(&base).map(|(a, b)| a.log_p - b.log_p);
        let mean = differences.sum::<f64>() / policy.len() as f64;
        Ok(mean.max(0.0))
    }
}

/// Computes the score of each sequence of a batch, without gradient.
///
/// # Errors
/// [`LossError::NoTargets`] if a sequence has no supervised token.
pub(crate) fn scores(
    decoder: &Decoder,
    frozen: Option<&Adapter>,
    batch: &Batch,
    chunk_size: usize,
) -> Result<Vec<SequenceScore>, LossError> {
    let hidden: Tensor<2> = batch.hidden_states(decoder, frozen);
    let head = decoder.head(frozen);
    let labels = batch.labels_of_sequences();
    sequence_scores(hidden, &head, labels, batch.n_sequences(), chunk_size)
}

/// Joins the prompt of one example with the answer of another.
fn mismatched(prompt_of: &Example, answer_of: &Example, limit: usize) -> Example {
    let start = |example: &Example| {
        let first = example.supervised.iter().position(|learned| *learned);
        first.unwrap_or(example.tokens.len())
    };
    let (prompt, answer) = (start(prompt_of), start(answer_of));
    let join = |a: &[bool], b: &[bool]| [&a[..prompt], &b[answer..]].concat();
    let mut supervised = join(&prompt_of.supervised, &answer_of.supervised);
    let mut tokens = [&prompt_of.tokens[..prompt], &answer_of.tokens[answer..]].concat();
    // At least the first token of the answer is left.
    let limit = limit.max(prompt + 1);
    tokens.truncate(limit);
    supervised.truncate(limit);
    Example::new(tokens, supervised)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(prompt: &[u32], completion: &[u32]) -> Example {
        let learned = [vec![false; prompt.len()], vec![true; completion.len()]];
        Example::new([prompt, completion].concat(), learned.concat())
    }

    #[test]
    fn each_prompt_meets_the_answer_to_the_next_one() {
        let examples = [
            example(&[1, 2], &[3]),
            example(&[4], &[5, 6]),
            example(&[7, 8], &[9]),
        ];
        let examples: Vec<&Example> = examples.iter().collect();
        let batch = PreferenceBatch::of_answers(&examples, vec![true, false, true], vec![], 64);
        let mixed = batch.mismatched.expect("three answers");
        assert_eq!(mixed.tokens, [1, 2, 5, 6, 4, 9, 0, 0, 7, 8, 3, 0]);
        let short = PreferenceBatch::of_answers(&examples, vec![true; 3], vec![], 3);
        assert_eq!(
            short.mismatched.expect("three answers").tokens,
            [1, 2, 5, 4, 9, 0, 7, 8, 3]
        );
        let alone = PreferenceBatch::of_answers(&examples[..1], vec![true], vec![], 64);
        assert!(alone.mismatched.is_none());
    }

    #[test]
    fn an_answer_to_the_same_prompt_is_no_mismatched_one() {
        let examples = [
            example(&[1, 2], &[3]),
            example(&[1, 2], &[4]),
            example(&[5], &[6, 7]),
        ];
        let examples: Vec<&Example> = examples.iter().collect();
        let of = |n: usize| {
            let batch = PreferenceBatch::of_answers(&examples[..n], vec![true; n], vec![], 64);
            batch.mismatched.map(|batch| batch.tokens)
        };
        let all = [1, 2, 6, 7, 1, 2, 6, 7, 5, 3, 0, 0];
        assert_eq!(of(3).as_deref(), Some(&all[..]));
        assert_eq!(of(2), None, "one prompt alone");
    }

    #[test]
    fn chosen_answers_come_before_rejected_ones_and_alone_count_as_learned() {
        let (a, b) = (example(&[1, 2], &[3]), example(&[1, 2], &[4, 5]));
        let (c, d) = (example(&[6], &[7, 8, 9]), example(&[6], &[9]));
        let batch = PreferenceBatch::of_pairs(&[(&a, &b), (&c, &d)], Vec::new());
        assert_eq!(
            batch.batch.tokens,
            [1, 2, 3, 0, 6, 7, 8, 9, 1, 2, 4, 5, 6, 9, 0, 0]
        );
        let Totals {
            units,
            chosen_tokens,
        } = batch.totals();
        assert_eq!((units, chosen_tokens), (2, 4));
    }
}
