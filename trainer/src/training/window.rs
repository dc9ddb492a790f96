//! The examples of each optimizer step.

use anyhow::Result;
use slm_model::Decoder;

use super::Training;
use crate::batch::{Batch, Example, StaticShapes, epoch_order, pack};
use crate::preference::PreferenceBatch;

/// The examples of one optimizer step.
pub(super) struct Window {
    /// The micro-batches.
    pub(super) batches: Batches,
    /// Indices in the store of their examples; of pairs, of the chosen ones.
    pub(super) examples: Vec<usize>,
}

/// The micro-batches of one optimizer step.
pub(super) enum Batches {
    /// Of examples to learn.
    Examples(Vec<Batch>),
    /// Of pairs or labelled answers.
    Preferences(Vec<PreferenceBatch>),
}

impl Batches {
    /// The micro-batches without what they are compared with.
    fn each(&self) -> Vec<&Batch> {
        match self {
            Self::Examples(batches) => batches.iter().collect(),
            Self::Preferences(batches) => batches.iter().map(|part| &part.batch).collect(),
        }
    }

    /// The number of tokens without padding.
    pub(super) fn n_tokens(&self) -> usize {
        self.each().into_iter().map(|batch| batch.n_tokens).sum()
    }

    /// The number of supervised tokens.
    pub(super) fn n_supervised(&self) -> usize {
        self.each().into_iter().map(Batch::n_supervised).sum()
    }

    /// The number of supervised tokens, pairs or answers over which the loss is a mean.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Examples(_) => self.n_supervised(),
            Self::Preferences(batches) => batches.iter().map(PreferenceBatch::units).sum(),
        }
    }
}

/// What an optimizer step takes on a device that tunes a kernel for each shape.
#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    /// Sequences and length of each micro-batch, with fillers and padding.
    pub(crate) micro_batches: Vec<(usize, usize)>,
    /// Tokens without padding.
    pub(crate) tokens: usize,
}

/// Returns the lengths of the sequences into which [`pack`] puts examples of these lengths.
fn packed_lengths(ascending: &[usize], limit: usize) -> Vec<usize> {
    let mut sequences: Vec<usize> = Vec::new();
    for &length in ascending.iter().rev() {
        match sequences.iter_mut().find(|used| **used + length <= limit) {
            Some(used) => *used += length,
            None => sequences.push(length),
        }
    }
    sequences
}

/// The order of the examples in one epoch.
#[derive(Default)]
pub(super) struct EpochOrder {
    epoch: Option<usize>,
    places: Vec<usize>,
}

impl Training<'_> {
    /// The shapes of the micro-batches on devices that tune a kernel for each shape.
    pub(super) fn shapes(&self) -> StaticShapes {
        StaticShapes::of_recipe(self.recipe)
    }

    /// Returns the units of the first steps, perhaps with repetitions.
    pub(crate) fn units_of_steps(&self, steps: usize) -> Vec<u32> {
        let mut units = Vec::new();
        for epoch in 0..steps.div_ceil(self.steps_per_epoch) {
            let order = epoch_order(self.examples.train.len(), self.recipe.train.seed, epoch);
            let left = steps - epoch * self.steps_per_epoch;
            let read = left.saturating_mul(self.recipe.train.examples_per_step());
            let places = order.into_iter().take(read);
            units.extend(places.map(|place| self.examples.train[place]));
        }
        units
    }

    /// Returns what up to `most` optimizer steps of the first epoch take on a device that tunes a kernel for each shape.
    pub(crate) fn planned_steps(&self, most: usize) -> Vec<PlannedStep> {
        let train = &self.recipe.train;
        let order = epoch_order(self.examples.train.len(), train.seed, 0);
        let windows = order.chunks(train.examples_per_step()).take(most);
        let planned = |places: &[usize]| {
            let units = places.iter().map(|&place| self.examples.train[place]);
            PlannedStep {
                micro_batches: self.planned_shapes(units.clone()),
                tokens: units.map(|unit| self.examples.n_tokens(unit)).sum(),
            }
        };
        windows.map(planned).collect()
    }

    /// Returns the sequences and lengths of the micro-batches of a window of units.
    fn planned_shapes(&self, units: impl Iterator<Item = u32>) -> Vec<(usize, usize)> {
        let shapes = self.shapes();
        let per_unit = self.optimizer.objective.sequences_per_unit();
        let mut lengths: Vec<usize> = units.map(|unit| self.examples.longest(unit)).collect();
        lengths.sort_unstable();
        if shapes.packing {
            lengths = packed_lengths(&lengths, shapes.limit);
        }
        let micro_batches = lengths.chunks(shapes.sequences);
        let shape = |lengths: &[usize]| {
            let longest = lengths.iter().max().copied().unwrap_or(0);
            let (sequences, length) = shapes.of(lengths.len(), longest);
            (per_unit * sequences, length)
        };
        micro_batches.map(shape).collect()
    }

    /// Returns the micro-batches of one optimizer step, a pure function of the step. `order` caches the order of the
    /// epoch, because shuffling a million examples takes longer than a small step.
    pub(super) fn window(
        &self,
        decoder: &Decoder,
        step: usize,
        order: &mut EpochOrder,
    ) -> Result<Window> {
        let (epoch, within) = (step / self.steps_per_epoch, step % self.steps_per_epoch);
        let train = &self.recipe.train;
        let shapes = self.shapes().on(decoder);
        if order.epoch != Some(epoch) {
            order.epoch = Some(epoch);
            order.places = epoch_order(self.examples.train.len(), train.seed, epoch);
        }
        let start = within * train.examples_per_step();
        let end = (start + train.examples_per_step()).min(order.places.len());
        let places = order.places[start..end].iter();
        let mut indices: Vec<u32> = places.map(|&place| self.examples.train[place]).collect();
        let first = |&unit: &u32| self.examples.units.examples(unit).start;
        let stored = indices.iter().map(first).collect();
        if let Some(preferences) = self.preferences() {
            // As below.
            indices.sort_by_key(|&unit| self.examples.longest(unit));
            let batches = indices.chunks(train.micro_batch_size);
            let batches = batches.map(|units| preferences.batch(decoder, units));
            return Ok(Window {
                batches: Batches::Preferences(batches.collect::<Result<_>>()?),
                examples: stored,
            });
        }
        let mut examples = indices
            .iter()
            .map(|&index| self.examples.store.get(index as usize))
            .collect::<Result<Vec<Example>>>()?;
        let batches = if self.recipe.data.packing {
            let sequences = pack(&examples, self.recipe.data.max_seq_length);
            let batches = sequences.chunks(train.micro_batch_size);
            let batches = batches.map(Batch::packed);
            batches.map(|batch| batch.in_shape(shapes)).collect()
        } else {
            // The window's gradient does not depend on how it is divided, so examples of similar length share a batch
            // to reduce padding.
            examples.sort_by_key(Example::len);
            let examples: Vec<&Example> = examples.iter().collect();
            let batches = examples.chunks(train.micro_batch_size).map(Batch::new);
            batches.map(|batch| batch.in_shape(shapes)).collect()
        };
        Ok(Window {
            batches: Batches::Examples(batches),
            examples: stored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_sequences_are_those_that_are_packed() {
        let lengths = [3, 5, 8, 13, 21, 34, 34, 55, 60];
        let examples: Vec<Example> = lengths
            .iter()
            .map(|&n| Example::new(vec![1; n], vec![true; n]))
            .collect();
        for limit in [60, 64, 100, 300] {
            let packed = pack(&examples, limit);
            let expected = packed
                .iter()
                .map(|sequence| sequence.iter().map(|example| example.len()).sum::<usize>());
            assert_eq!(
                packed_lengths(&lengths, limit),
                expected.collect::<Vec<_>>(),
                "{limit}"
            );
        }
    }
}
