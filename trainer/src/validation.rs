//! Loss on examples that are not trained on.

use anyhow::Result;
use serde::Serialize;
use slm_model::loss::summed_cross_entropy;
use slm_model::{Adapter, Decoder};

use crate::batch::{Batch, Example, StaticShapes};
use crate::dataset::Store;

/// The result of a validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Validation {
    /// Mean cross-entropy, in nats per supervised token.
    pub(crate) loss: f64,
    /// `exp(loss)`.
    pub(crate) perplexity: f64,
    /// The supervised tokens, over which the mean is taken.
    pub(crate) supervised_tokens: usize,
    /// The examples with these tokens.
    pub(crate) examples: usize,
}

/// Measures the loss on the examples at `indices`, in batches of the given shapes, so that the logits of all of them are
/// never held together; no gradients are computed.
///
/// `progress` receives the number of tokens processed, without padding.
///
/// The sum is accumulated in double precision over batches in a fixed order, so that the same adapter gives the same
/// bits.
///
/// # Errors
/// The examples cannot be read.
pub(crate) fn validate(
    decoder: &Decoder,
    adapter: Option<&Adapter>,
    store: &Store,
    indices: &[u32],
    (shapes, chunk_size): (StaticShapes, usize),
    mut progress: impl FnMut(usize),
) -> Result<Validation> {
    let frozen = adapter.map(Adapter::frozen);
    // Examples of similar length share a batch to reduce padding.
    let mut sorted = indices.to_vec();
    sorted.sort_by_key(|&index| (store.n_tokens(index as usize), index));
    let head = decoder.head(frozen.as_ref());
    let (mut sum, mut supervised_tokens, mut done) = (0.0, 0, 0);
    let on_device = shapes.on(decoder);
    for indices in sorted.chunks(shapes.sequences) {
        let examples = indices
            .iter()
            .map(|&index| store.get(index as usize))
            .collect::<Result<Vec<Example>>>()?;
        let batch = Batch::new(&examples.iter().collect::<Vec<_>>());
        let batch = batch.in_shape(on_device);
        let hidden = batch.hidden_states(decoder, frozen.as_ref());
        let loss = summed_cross_entropy(hidden, &head, &batch.labels, chunk_size);
        sum += f64::from(loss.into_scalar::<f32>());
        supervised_tokens += batch.n_supervised();
        done += examples.iter().map(Example::len).sum::<usize>();
        progress(done);
    }
    let loss = sum / supervised_tokens as f64;
    Ok(Validation {
        loss,
        perplexity: loss.exp(),
        supervised_tokens,
        examples: indices.len(),
    })
}
