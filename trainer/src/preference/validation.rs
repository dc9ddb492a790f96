//! The preference loss on held-out pairs or answers.

use anyhow::Result;
use slm_artifacts::HeldOutPreferences;
use slm_model::{Adapter, Decoder};

use super::batch::{PreferenceBatch, scores};
use super::figures::{PreferenceSums, held_out};
use super::loss::{Scored, Totals, loss_and_derivatives};
use super::objective::Objective;
use super::reference::Reference;
use crate::batch::{Example, StaticShapes};
use crate::dataset::{Examples, Units};

/// The examples of a preference objective and how they are divided into micro-batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preferences<'a> {
    /// The examples.
    pub(crate) examples: &'a Examples,
    /// The objective.
    pub(crate) objective: Objective,
    /// The base model's log-probabilities, for an objective with reference.
    pub(crate) reference: Option<&'a Reference>,
    /// Pairs or answers in a micro-batch.
    pub(crate) micro_batch_size: usize,
    /// Tokens whose logits are held at a time.
    pub(crate) chunk_size: usize,
    /// Tokens at which mismatched sequences are cut.
    pub(crate) max_seq_length: usize,
}

/// The result of a validation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PreferenceValidation {
    /// Mean loss over the pairs or answers.
    pub(crate) loss: f64,
    /// The sums of their figures.
    pub(crate) sums: PreferenceSums,
    /// The accuracy with its interval; `None` for no pairs or answers.
    pub(crate) held_out: Option<HeldOutPreferences>,
}

impl Preferences<'_> {
    /// Makes the micro-batch of these units.
    ///
    /// # Errors
    /// The examples cannot be read, or one of them has no reference.
    pub(crate) fn batch(&self, decoder: &Decoder, units: &[u32]) -> Result<PreferenceBatch> {
        let members = |unit: &u32| self.examples.units.examples(*unit);
        // Of pairs, all chosen answers come before the rejected ones.
        let first = units.iter().map(|unit| members(unit).start);
        let second = units.iter().filter_map(|unit| members(unit).nth(1));
        let indices: Vec<usize> = first.chain(second).collect();
        let read = indices.iter().map(|&index| self.examples.store.get(index));
        let read = read.collect::<Result<Vec<Example>>>()?;
        let reference = match self.reference {
            Some(reference) => indices
                .iter()
                .map(|&index| reference.log_p(index))
                .collect::<Result<_>>()?,
            None => Vec::new(),
        };
        let batch = match &self.examples.units {
            Units::Pairs => {
                let (chosen, rejected) = read.split_at(units.len());
                let pairs: Vec<_> = chosen.iter().zip(rejected).collect();
                PreferenceBatch::of_pairs(&pairs, reference)
            }
            Units::Labelled(labels) => {
                let labels = units.iter().map(|&unit| labels[unit as usize]).collect();
                let read: Vec<&Example> = read.iter().collect();
                PreferenceBatch::of_answers(&read, labels, reference, self.max_seq_length)
            }
            Units::Rows => anyhow::bail!("the examples are neither pairs nor labelled answers"),
        };
        let shapes = StaticShapes {
            sequences: self.micro_batch_size,
            limit: self.max_seq_length,
            packing: false,
        };
        Ok(batch.in_shape(shapes.on(decoder)))
    }
}

/// Measures the loss on the units at `indices`, micro-batch by micro-batch, in a fixed order; no gradients are computed.
///
/// `progress` receives the number of tokens processed, without padding.
///
/// # Errors
/// The examples cannot be read, or one of them has no reference.
pub(crate) fn validate_preferences(
    decoder: &Decoder,
    adapter: Option<&Adapter>,
    preferences: Preferences,
    indices: &[u32],
    mut progress: impl FnMut(usize),
) -> Result<PreferenceValidation> {
    let Preferences {
        examples,
        objective,
        micro_batch_size,
        chunk_size,
        ..
    } = preferences;
    let frozen = adapter.map(Adapter::frozen);
    let mut sorted = indices.to_vec();
    sorted.sort_by_key(|&unit| (examples.longest(unit), unit));
    let totals = Totals {
        units: sorted.len(),
        chosen_tokens: sorted
            .iter()
            .map(|&unit| {
                examples
                    .store
                    .n_supervised(examples.units.examples(unit).start)
            })
            .sum(),
    };
    let (mut loss, mut sums, mut done) = (0.0, PreferenceSums::default(), 0);
    let mut right = Vec::with_capacity(sorted.len());
    for units in sorted.chunks(micro_batch_size) {
        let batch = preferences.batch(decoder, units)?;
        let divergence = batch.divergence(decoder, frozen.as_ref(), chunk_size)?;
        let scores = scores(decoder, frozen.as_ref(), &batch.batch, chunk_size)?;
        let scored = Scored {
            scores: &scores,
            reference: &batch.reference,
            labels: &batch.labels,
            divergence,
        };
        let part = loss_and_derivatives(objective, &scored, totals);
        loss += part.loss;
        sums.add(part.sums);
        right.extend(part.right);
        done += batch.batch.n_tokens;
        progress(done);
    }
    let tasks = sorted.iter().map(|&unit| examples.groups[unit as usize]);
    Ok(PreferenceValidation {
        loss,
        sums,
        held_out: held_out(sums, &right, &tasks.collect::<Vec<_>>()),
    })
}
