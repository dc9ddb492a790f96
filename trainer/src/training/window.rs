//! The examples of each optimizer step.

use anyhow::Result;
use slm_model::Decoder;

use super::Training;
use crate::batch::{Batch, Example, epoch_order, pack};

/// The examples of one optimizer step.
pub(super) struct Window {
    /// The micro-batches.
    pub(super) batches: Vec<Batch>,
    /// Their indices in the store.
    pub(super) examples: Vec<u32>,
}

/// The order of the examples in one epoch.
#[derive(Default)]
pub(super) struct EpochOrder {
    epoch: Option<usize>,
    places: Vec<usize>,
}

impl Training<'_> {
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
        let length_step = decoder.length_step();
        if order.epoch != Some(epoch) {
            order.epoch = Some(epoch);
            order.places = epoch_order(self.examples.train.len(), train.seed, epoch);
        }
        let start = within * train.examples_per_step();
        let end = (start + train.examples_per_step()).min(order.places.len());
        let places = order.places[start..end].iter();
        let indices: Vec<u32> = places.map(|&place| self.examples.train[place]).collect();
        let mut examples = indices
            .iter()
            .map(|&index| self.examples.store.get(index as usize))
            .collect::<Result<Vec<Example>>>()?;
        let batches = if self.recipe.data.packing {
            let sequences = pack(&examples, self.recipe.data.max_seq_length);
            let batches = sequences.chunks(train.micro_batch_size);
            let batches = batches.map(Batch::packed);
            batches.map(|batch| batch.padded_to(length_step)).collect()
        } else {
            // The window's gradient does not depend on how it is divided, so examples of similar length share a batch
            // to reduce padding.
            examples.sort_by_key(Example::len);
            let examples: Vec<&Example> = examples.iter().collect();
            let batches = examples.chunks(train.micro_batch_size).map(Batch::new);
            batches.map(|batch| batch.padded_to(length_step)).collect()
        };
        Ok(Window {
            batches,
            examples: indices,
        })
    }
}
