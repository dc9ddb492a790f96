//! The CPU decoder for generation: plain loops over plain memory, with weights in the dtype on disk.
//!
//! - [`Engine`] runs prefill and decoding for several sequences in a batch
//! - `matrix` is the memory layout of weights, in their dtype on disk
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
mod linear;
mod matrix;
mod pair;

pub use adapter::EngineAdapter;
pub(crate) use linear::{Linear, project};

use crate::config::{Heads, ModelConfig};
use crate::rotary::angles;
use crate::simd::{inverse_rms, swiglu};
use crate::target::Target;
use crate::weights::{Weights, WeightsError};
use attention::Cache;
use linear::Adapted;
use matrix::Matrix;
use pair::{LayerPairs, Pair};

/// Tokens of a prompt per chunk; bounds memory.
const PREFILL_CHUNK: usize = 256;

#[derive(Debug)]
struct Layer {
    input_norm: Vec<f32>,
    post_attention_norm: Vec<f32>,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

/// A frozen causal language model on the CPU, ready to generate.
#[derive(Debug)]
pub struct Engine {
    config: ModelConfig,
    heads: Heads,
    /// One frequency per pair of elements of a head.
    inv_freq: Vec<f32>,
    /// `[vocab_size, hidden_size]`
    embedding: Linear,
    layers: Vec<Layer>,
    norm: Vec<f32>,
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
        let vector = |name: &str| weights.tensor(name).map(|tensor| tensor.values);
        let matrix = |name: &str| -> Result<Linear, WeightsError> {
            Ok(Linear {
                weight: Matrix::load(weights, name)?,
                bias: None,
            })
        };
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            let linear = |target: Target| -> Result<Linear, WeightsError> {
                let module = format!("model.{}", target.module_path(index));
                let has_bias = target.has_bias(&config);
                let bias = has_bias.then(|| vector(&format!("{module}.bias")));
                Ok(Linear {
                    weight: Matrix::load(weights, &format!("{module}.weight"))?,
                    bias: bias.transpose()?,
                })
            };
            let norm = |name: &str| vector(&format!("model.layers.{index}.{name}.weight"));
            layers.push(Layer {
                input_norm: norm("input_layernorm")?,
                post_attention_norm: norm("post_attention_layernorm")?,
                q_proj: linear(Target::QProj)?,
                k_proj: linear(Target::KProj)?,
                v_proj: linear(Target::VProj)?,
                o_proj: linear(Target::OProj)?,
                gate_proj: linear(Target::GateProj)?,
                up_proj: linear(Target::UpProj)?,
                down_proj: linear(Target::DownProj)?,
            });
            progress(index + 1, config.num_hidden_layers);
        }
        let head = (!config.tie_word_embeddings).then(|| matrix("lm_head.weight"));
        Ok(Self {
            heads: Heads::of(&config),
            inv_freq: config.inv_freq(),
            embedding: matrix("model.embed_tokens.weight")?,
            layers,
            norm: vector("model.norm.weight")?,
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
        let of_layer = |layer: &Layer| {
            let linears = [
                &layer.q_proj,
                &layer.k_proj,
                &layer.v_proj,
                &layer.o_proj,
                &layer.gate_proj,
                &layer.up_proj,
                &layer.down_proj,
            ];
            linears
                .map(|linear| linear.weight.bytes())
                .iter()
                .sum::<usize>()
        };
        let head = self.head.as_ref().map_or(0, |head| head.weight.bytes());
        let layers: usize = self.layers.iter().map(of_layer).sum();
        layers + self.embedding.weight.bytes() + head
    }

    /// Creates a KV cache for `slots` sequences.
    pub fn cache(&self, slots: usize) -> EngineCache {
        EngineCache(Cache::new(self.layers.len(), slots, self.heads))
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
        let rotation = Rotation::new(&self.inv_freq, at);
        rayon::scope(|_| {
            for (index, layer) in self.layers.iter().enumerate() {
                let pairs = adapter.map(|adapter| &adapter.layers[index]);
                self.layer(index, layer, pairs, &rotation, at, &mut cache.0, &mut x);
            }
        });
        self.normed(&x, &self.norm)
    }

    /// Runs one decoder layer on the residual stream `x`.
    #[expect(
        clippy::too_many_arguments,
        reason = "the inputs of a layer are all of different kinds"
    )]
    fn layer(
        &self,
        index: usize,
        layer: &Layer,
        pairs: Option<&LayerPairs>,
        rotation: &Rotation,
        at: &[(usize, usize)],
        cache: &mut Cache,
        x: &mut [f32],
    ) {
        let n = at.len();
        let pair = |target: Target| -> Option<&Pair> { pairs.and_then(|pairs| pairs.get(target)) };
        let (q, k, v): (Adapted, Adapted, Adapted) = (
            (&layer.q_proj, pair(Target::QProj)),
            (&layer.k_proj, pair(Target::KProj)),
            (&layer.v_proj, pair(Target::VProj)),
        );
        let normed = self.normed(x, &layer.input_norm);
        let [mut q, mut k, v] = project([q, k, v], &normed, n);
        rotation.apply(&mut q, self.heads.dim);
        rotation.apply(&mut k, self.heads.dim);
        let scale = self.heads.scale();
        for q in &mut q {
            *q *= scale;
        }
        cache.write(index, at, &k, &v, self.heads.dim);
        let attended = cache.attend(index, at, &q, self.heads);
        let [o] = project([(&layer.o_proj, pair(Target::OProj))], &attended, n);
        add(x, &o);

        let normed = self.normed(x, &layer.post_attention_norm);
        let gate = (&layer.gate_proj, pair(Target::GateProj));
        let up = (&layer.up_proj, pair(Target::UpProj));
        let [mut gate, up] = project([gate, up], &normed, n);
        swiglu(&mut gate, &up);
        let [down] = project([(&layer.down_proj, pair(Target::DownProj))], &gate, n);
        add(x, &down);
    }

    /// `RMSNorm`: `x / rms(x) * weight` over each row.
    ///
    /// # Source
    /// Zhang and Sennrich 2019, arXiv:1910.07467.
    fn normed(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut out = x.to_vec();
        for row in out.chunks_exact_mut(weight.len()) {
            let factor = inverse_rms(row, self.config.rms_norm_eps as f32);
            for (value, weight) in row.iter_mut().zip(weight) {
                *value = *value * factor * weight;
            }
        }
        out
    }
}

fn add(to: &mut [f32], values: &[f32]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to += value;
    }
}

/// Cosines and sines of each row's position, shared by all layers.
///
/// # Source
/// Su et al. 2021, arXiv:2104.09864, half-split form; see [`ModelConfig::inv_freq`].
struct Rotation {
    /// Cosine and sine for each row and pair of elements.
    turns: Vec<(f32, f32)>,
    pairs: usize,
}

impl Rotation {
    fn new(inv_freq: &[f32], at: &[(usize, usize)]) -> Self {
        let angles = angles(inv_freq, at.iter().map(|&(_, position)| position));
        Self {
            turns: angles
                .map(|angle| (angle.cos() as f32, angle.sin() as f32))
                .collect(),
            pairs: inv_freq.len(),
        }
    }

    /// Applies the rotary embedding to every head of each row.
    ///
    /// # Shapes
    /// `x`: `[n, heads * dim]`
    fn apply(&self, x: &mut [f32], dim: usize) {
        let n = self.turns.len() / self.pairs;
        let width = x.len() / n;
        for (row, turns) in x
            .chunks_exact_mut(width)
            .zip(self.turns.chunks_exact(self.pairs))
        {
            for head in row.chunks_exact_mut(dim) {
                let (first, second) = head.split_at_mut(self.pairs);
                for ((a, b), &(cos, sin)) in first.iter_mut().zip(second).zip(turns) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}
