//! Estimate of the memory that a training takes, by component.
//!
//! Weights, adapter and optimizer are counted; activations follow a formula whose constants were fitted to
//! measured peaks of this program, so they do not apply to other implementations. Those for a GPU are computed from its
//! operations instead ([`gpu`]).

mod gpu;

use serde::Serialize;
use slm_config::Optim;
use slm_model::ModelConfig;

pub(crate) use gpu::GpuLayers;

/// Bytes of a single-precision value.
const F32: f64 = 4.0;
/// Activation values kept per token and layer, in multiples of `intermediate_size`: gate, up and their product.
const KEPT_INTERMEDIATE: f64 = 3.0;
/// Activation values kept per token and layer, in multiples of `hidden_size`: the residual stream and its norm twice
/// each, and 0.4 for small tensors.
const KEPT_HIDDEN: f64 = 4.4;
/// Activation values kept per token and layer, in multiples of the width of all heads: queries and attention output for
/// the query heads, keys and values for the key-value heads.
const KEPT_HEADS: f64 = 2.0;
/// Values per token that the backward pass of one layer holds in addition, in multiples of `intermediate_size`.
const WORKING_INTERMEDIATE: f64 = 2.5;
/// Values per token that the backward pass of one layer holds in addition, in multiples of `hidden_size`.
const WORKING_HIDDEN: f64 = 2.0;
/// Copies of a chunk of logits: logits, exponentials, and their product with the head.
const LOGIT_COPIES: f64 = 3.0;
/// Bytes of the program itself, with tokenizer and buffers.
const PROGRAM_BYTES: f64 = 100e6;

/// Memory of a training by component, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each name")]
pub(crate) struct Memory {
    /// The frozen weights, in their storage format.
    pub(crate) weights_bytes: u64,
    /// The adapter and its gradients.
    pub(crate) adapter_bytes: u64,
    /// The optimizer's state.
    pub(crate) optimizer_bytes: u64,
    /// The activations that autodiff keeps of one micro-batch.
    pub(crate) activations_bytes: u64,
    /// On a GPU, the backward pass of one layer; on the CPU a part of the activations. It begins after the last chunk of
    /// logits is freed.
    pub(crate) backward_bytes: u64,
    /// One chunk of logits.
    pub(crate) logits_bytes: u64,
    /// On a GPU, the temporaries of the optimizer, which works after the activations are freed.
    pub(crate) update_bytes: u64,
    /// On a GPU, memory that its pool holds and nothing uses.
    pub(crate) pool_bytes: u64,
    /// The program itself; on a GPU, its context there.
    pub(crate) program_bytes: u64,
}

/// Returns the number of values in an optimizer's state for tensors of these rows and columns.
pub(crate) fn optimizer_values(optim: Optim, shapes: &[[usize; 2]]) -> usize {
    let of_a_tensor = |&[rows, columns]: &[usize; 2]| match optim {
        // First and second moments.
        Optim::Adamw => 2 * rows * columns,
        // The mean squares over rows and over columns.
        Optim::Adafactor => rows + columns,
        // The momentum.
        Optim::Lion | Optim::Muon => rows * columns,
    };
    shapes.iter().map(of_a_tensor).sum()
}

/// The quantities that determine the memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryInputs<'a> {
    /// Shape of the base model.
    pub(crate) config: &'a ModelConfig,
    /// How a GPU computes the layers; `None` on the CPU.
    pub(crate) gpu: Option<GpuLayers>,
    /// Bytes of the frozen weights.
    pub(crate) weights_bytes: u64,
    /// The number of layers, from the first on, whose activations are recomputed in the backward pass.
    pub(crate) recomputed_layers: usize,
    /// The number of trainable values.
    pub(crate) trainable: usize,
    /// The number of values in the optimizer's state, see [`optimizer_values`].
    pub(crate) optimizer_values: usize,
    /// Values that the adapter's variant keeps per token, over all layers.
    pub(crate) kept_per_token: usize,
    /// Examples or pairs per micro-batch.
    pub(crate) micro_batch_size: usize,
    /// Sequences of each of them: both answers of a pair are in one micro-batch.
    pub(crate) sequences_per_unit: usize,
    /// Tokens of the longest sequence.
    pub(crate) length: usize,
    /// Tokens whose logits are held at a time.
    pub(crate) loss_chunk_size: usize,
}

impl MemoryInputs<'_> {
    /// Tokens of a micro-batch, with padding.
    pub(crate) fn tokens(&self) -> usize {
        self.micro_batch_size * self.sequences_per_unit * self.length
    }

    /// Computes the estimate.
    pub(crate) fn memory(&self) -> Memory {
        if let Some(layers) = self.gpu {
            return gpu::memory(self, layers);
        }
        let Self {
            config,
            weights_bytes,
            recomputed_layers,
            trainable,
            optimizer_values,
            kept_per_token,
            loss_chunk_size,
            ..
        } = *self;
        let tokens = self.tokens() as f64;
        let heads = config.num_attention_heads + config.num_key_value_heads;
        let kept = KEPT_INTERMEDIATE * config.intermediate_size as f64
            + KEPT_HIDDEN * config.hidden_size as f64
            + KEPT_HEADS * (heads * config.head_dim) as f64;
        let working = WORKING_INTERMEDIATE * config.intermediate_size as f64
            + WORKING_HIDDEN * config.hidden_size as f64;
        let chunk = tokens.min(loss_chunk_size as f64);
        let layers = config.num_hidden_layers;
        let of_a_layer = kept + kept_per_token as f64 / layers as f64;
        // A layer is recomputed when the activations of the layers after it are freed, so one layer counts at least.
        let kept_layers = layers.saturating_sub(recomputed_layers).max(1) as f64;
        let per_token = recomputed_layers as f64 * config.hidden_size as f64
            + kept_layers * of_a_layer
            + working;
        Memory {
            weights_bytes,
            adapter_bytes: 2 * 4 * trainable as u64,
            optimizer_bytes: 4 * optimizer_values as u64,
            activations_bytes: (F32 * tokens * per_token) as u64,
            backward_bytes: 0,
            logits_bytes: (F32 * LOGIT_COPIES * chunk * config.vocab_size as f64) as u64,
            update_bytes: 0,
            pool_bytes: 0,
            program_bytes: PROGRAM_BYTES as u64,
        }
    }

    /// Returns the same inputs with the first layers recomputed.
    pub(crate) fn with_recomputed_layers(&self, recomputed_layers: usize) -> Self {
        Self {
            recomputed_layers,
            ..*self
        }
    }

    /// Returns the smallest number of recomputed layers whose estimate is at most `limit_bytes`; all layers where even
    /// that is too much.
    pub(crate) fn fewest_recomputed_layers(&self, limit_bytes: u64) -> usize {
        let all = self.config.num_hidden_layers;
        let fits = |&n: &usize| self.with_recomputed_layers(n).memory().total() <= limit_bytes;
        (0..all).find(fits).unwrap_or(all)
    }

    /// Returns the largest micro-batch whose estimate is at most `limit_bytes`; 0 if not even one sequence fits.
    pub(crate) fn largest_micro_batch(&self, limit_bytes: u64) -> usize {
        let fits = |n: &usize| {
            let inputs = Self {
                micro_batch_size: *n,
                ..*self
            };
            inputs.memory().total() <= limit_bytes
        };
        (1..=self.micro_batch_size).rev().find(fits).unwrap_or(0)
    }
}

impl Memory {
    /// Returns the sum of all components that are held together: beside the activations the backward pass or the logits, or
    /// none of them but the temporaries of the optimizer.
    pub(crate) fn total(&self) -> u64 {
        let Self {
            weights_bytes,
            adapter_bytes,
            optimizer_bytes,
            activations_bytes,
            backward_bytes,
            logits_bytes,
            update_bytes,
            pool_bytes,
            program_bytes,
        } = self;
        let trained = adapter_bytes + optimizer_bytes;
        let of_a_micro_batch = activations_bytes + backward_bytes.max(logits_bytes);
        let of_a_moment = of_a_micro_batch.max(*update_bytes);
        weights_bytes + trained + of_a_moment + pool_bytes + program_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slm_model::Weights;
    use std::path::Path;

    /// Six layers of the shape of Qwen2.5-0.5B, on which the formula was measured.
    fn six_layers() -> ModelConfig {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../crates/slm-model/tests/it/golden/tiny-qwen2");
        let weights = Weights::open(&folder).expect("golden checkpoint");
        ModelConfig {
            vocab_size: 151_936,
            hidden_size: 896,
            intermediate_size: 4864,
            num_hidden_layers: 6,
            num_attention_heads: 14,
            num_key_value_heads: 2,
            head_dim: 64,
            ..weights.config().clone()
        }
    }

    fn inputs(config: &ModelConfig, micro_batch_size: usize, length: usize) -> MemoryInputs<'_> {
        MemoryInputs {
            config,
            gpu: None,
            weights_bytes: 4 * config.num_parameters() as u64,
            recomputed_layers: 0,
            trainable: 1_000_000,
            optimizer_values: 2_000_000,
            kept_per_token: 0,
            micro_batch_size,
            sequences_per_unit: 1,
            length,
            loss_chunk_size: 256,
        }
    }

    #[test]
    fn activations_are_those_that_were_measured() {
        let config = six_layers();
        for (batch, length, recomputed_layers, measured) in [
            (2, 512, 0, 549e6),
            (1, 2048, 0, 1091e6),
            (2, 512, 6, 167e6),
            (1, 2048, 6, 300e6),
        ] {
            let inputs = inputs(&config, batch, length).with_recomputed_layers(recomputed_layers);
            let ratio = inputs.memory().activations_bytes as f64 / measured;
            assert!((0.9..1.15).contains(&ratio), "{batch} x {length}: {ratio}");
        }
    }

    #[test]
    fn the_largest_micro_batch_fits_and_one_more_does_not() {
        let config = six_layers();
        let inputs = inputs(&config, 64, 512);
        let limit = 6_000_000_000;
        let largest = inputs.largest_micro_batch(limit);
        let total = |micro_batch_size| {
            let inputs = MemoryInputs {
                micro_batch_size,
                ..inputs
            };
            inputs.memory().total()
        };
        assert!(
            total(largest) <= limit && total(largest + 1) > limit,
            "{largest}"
        );
        assert_eq!(inputs.largest_micro_batch(1000), 0);
    }
}
