//! The CPU decoder for generation: plain loops over plain memory, with weights in the dtype on disk.
//!
//! - [`Engine`] runs prefill and decoding for several sequences in a batch
//! - `matrix` is the memory layout of weights, in their dtype on disk
//! - `layer` runs a decoder layer; `norm`, `rotation` and `attention` are its parts
//! - `linear` and `attention` distribute the work over the cores
//! - [`kernel::packed`](crate::kernel::packed) unpacks weights inside a product
//! - [`simd`](crate::simd) has the inner loops
//!
//! Every row is computed in a fixed order, independent of the rest of the batch: how requests are batched, how a prompt
//! is split into chunks, and whether its prefix was cached never changes a bit of the result.
//!
//! For gradients and GPUs, see the [`Decoder`](crate::Decoder).

mod adapter;
mod attention;
mod layer;
mod linear;
mod matrix;
mod norm;
mod pair;
mod rotation;

pub use adapter::EngineAdapter;
pub(crate) use linear::{Linear, project};

use crate::config::{Heads, ModelConfig};
use crate::weights::{Weights, WeightsError};
use attention::Cache;
use layer::{Constants, Layer, Pass};
use matrix::Matrix;
use norm::Norm;
use rotation::Frequencies;

/// Tokens of a prompt per chunk; bounds memory.
const PREFILL_CHUNK: usize = 256;

/// A frozen causal language model on the CPU, ready to generate.
#[derive(Debug)]
pub struct Engine {
    config: ModelConfig,
    constants: Constants,
    frequencies: Frequencies,
    /// `[vocab_size, hidden_size]`
    embedding: Linear,
    layers: Vec<Layer>,
    /// The final norm, which also divides the logits.
    norm: Norm,
    /// None if the head is tied to the embedding.
    head: Option<Linear>,
}

/// The KV cache of an [`Engine`].
#[derive(Debug)]
pub struct EngineCache(Cache);

impl Engine {
    /// Loads a model's weights; `progress` is called with `(done, total)` after each layer.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`]: missing, truncated, or of a shape that contradicts the config.
    pub fn load(
        weights: &Weights,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, WeightsError> {
        let config = weights.config().clone();
        let matrix = |name: &str| -> Result<Linear, WeightsError> {
            Ok(Linear {
                weight: Matrix::load(weights, name)?,
                bias: None,
            })
        };
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            layers.push(Layer::load(weights, index)?);
            progress(index + 1, config.num_hidden_layers);
        }
        let head = (!config.tie_word_embeddings).then(|| matrix("lm_head.weight"));
        Ok(Self {
            constants: Constants::of(&config),
            frequencies: Frequencies::of(&config),
            embedding: matrix("model.embed_tokens.weight")?,
            layers,
            // The head is linear.
            norm: Norm::load(weights, "model.norm")?
                .scaled(config.multipliers.logits_divisor.recip() as f32),
            head: head.transpose()?,
            config,
        })
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Size of the weights in bytes.
    pub fn bytes(&self) -> usize {
        let head = self.head.as_ref().map_or(0, |head| head.weight.bytes());
        let layers: usize = self.layers.iter().map(Layer::bytes).sum();
        layers + self.embedding.weight.bytes() + head
    }

    /// Creates a KV cache for `slots` sequences.
    pub fn cache(&self, slots: usize) -> EngineCache {
        EngineCache(Cache::new(
            self.layers.len(),
            slots,
            Heads::of(&self.config),
        ))
    }

    /// Copies the first `n` positions of slot `from`, which has them, to slot `to`, whose content is lost.
    pub fn copy_prefix(&self, cache: &mut EngineCache, from: usize, to: usize, n: usize) {
        cache.0.copy_prefix(from, to, n, self.config.head_dim);
    }

    /// Processes the tokens of a prompt starting at position `start` of a slot that already holds the positions before
    /// it, and returns the logits after the last token.
    ///
    /// # Shapes
    /// `tokens`: at least one; returns `[vocab_size]`
    pub fn prefill(
        &self,
        cache: &mut EngineCache,
        slot: usize,
        start: usize,
        tokens: &[u32],
        adapter: Option<&EngineAdapter>,
    ) -> Vec<f32> {
        assert!(!tokens.is_empty(), "a prompt has at least one token");
        let width = self.config.hidden_size;
        let mut states = Vec::new();
        for (index, chunk) in tokens.chunks(PREFILL_CHUNK).enumerate() {
            let start = start + index * PREFILL_CHUNK;
            let at: Vec<_> = (start..start + chunk.len())
                .map(|position| (slot, position))
                .collect();
            states = self.states(cache, chunk, &at, adapter);
        }
        self.logits(&states[states.len() - width..], adapter)
    }

    /// Appends one token to each of several sequences and returns the logits after it.
    ///
    /// # Shapes
    /// `tokens`: one per entry of `at`, which gives its slot and position; returns `[n, vocab_size]`
    pub fn decode(
        &self,
        cache: &mut EngineCache,
        tokens: &[u32],
        at: &[(usize, usize)],
        adapter: Option<&EngineAdapter>,
    ) -> Vec<f32> {
        self.logits(&self.states(cache, tokens, at, adapter), adapter)
    }

    fn logits(&self, states: &[f32], adapter: Option<&EngineAdapter>) -> Vec<f32> {
        let own = adapter.and_then(|adapter| adapter.head.as_ref());
        let head = own.or(self.head.as_ref()).unwrap_or(&self.embedding);
        let n = states.len() / self.config.hidden_size;
        // Enters the thread pool once: a thread outside it would wait for each piece of work.
        let [logits] = rayon::scope(|_| project([(head, None)], states, n));
        logits
    }

    /// Computes the hidden states after the final norm.
    ///
    /// # Shapes
    /// returns `[n, hidden_size]`
    fn states(
        &self,
        cache: &mut EngineCache,
        tokens: &[u32],
        at: &[(usize, usize)],
        adapter: Option<&EngineAdapter>,
    ) -> Vec<f32> {
        let width = self.config.hidden_size;
        let mut x = vec![0.0; tokens.len() * width];
        let own = adapter.and_then(|adapter| adapter.embedding.as_ref());
        let embedding = own.unwrap_or(&self.embedding);
        for (&token, x) in tokens.iter().zip(x.chunks_exact_mut(width)) {
            embedding.weight.row(token as usize, x);
        }
        let factor = self.config.multipliers.embedding as f32;
        if factor.to_bits() != 1f32.to_bits() {
            for value in &mut x {
                *value *= factor;
            }
        }
        let rotations = self.frequencies.rotations(at);
        let pass = Pass {
            constants: &self.constants,
            rotations: &rotations,
            at,
        };
        rayon::scope(|_| {
            for (index, layer) in self.layers.iter().enumerate() {
                let pairs = adapter.map(|adapter| &adapter.layers[index]);
                layer.forward(index, pairs, &pass, &mut cache.0, &mut x);
            }
        });
        self.norm.apply(&mut x);
        x
    }
}
