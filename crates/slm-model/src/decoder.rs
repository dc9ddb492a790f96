//! The decoder of all families: embedding, layers, final norm and head.

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::attention::{AttentionMask, DecodeStep, ForwardMode, SequenceMasks, causal_mask};
use crate::config::{ModelConfig, PerBase, RopeBase, Target};
use crate::device::is_cpu;
use crate::forward_pass::Shared;
use crate::forward_shapes::ForwardShapes;
use crate::frozen::{FrozenWeight, WeightFormat, computed_in};
use crate::fused::Kernels;
use crate::head::Head;
use crate::kv_cache::KvCache;
use crate::layer::{Fusable, Layer, Loader, can_be_fused};
use crate::lora::{Adapter, LoraSettings, SavedModule};
use crate::norm::Norm;
use crate::rotary::Rotary;
use crate::weights::{Weights, WeightsError};

/// Tokens per prefill chunk; bounds the memory of its attention scores.
const PREFILL_CHUNK: usize = 256;
/// Chunks are padded to a multiple of this, so that a device sees few shapes.
const PREFILL_STEP: usize = 64;

/// A frozen causal language model on one device.
///
/// Its weights are outside autodiff. What is trained is passed as an [`Adapter`] to each call, so that base model and
/// adapters share one copy of the weights.
#[derive(Clone, Debug)]
pub struct Decoder {
    config: ModelConfig,
    /// `[vocab_size, hidden_size]`
    embedding: FrozenWeight,
    layers: Vec<Layer>,
    /// The final norm, which also divides the logits.
    norm: Norm,
    /// The windows of the layers, each once; `None` for those without one.
    windows: Vec<Option<usize>>,
    /// `[vocab_size, hidden_size]`; a clone of the embedding if the two are tied.
    head: FrozenWeight,
    device: Device,
    /// The dtype of hidden states between layers and of products.
    kind: DType,
    /// The number of layers with gradient checkpointing, counted from the first.
    checkpointed_layers: usize,
    /// Whether layers over full sequences are one autograd function each.
    fuses_layers: bool,
    kernels: Kernels,
    shapes: Arc<ForwardShapes>,
}

impl Decoder {
    /// Loads a model's weights onto `device` in single precision; `progress` is called with `(done, total)` after each
    /// layer.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`]: missing, truncated, or of a shape that contradicts the config.
    pub fn load(
        weights: &Weights,
        device: &Device,
        progress: impl FnMut(usize, usize),
    ) -> Result<Self, WeightsError> {
        Self::load_as(weights, WeightFormat::F32, device, progress)
    }

    /// As [`Self::load`], with matrices in the given format, which the device must support.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_as(
        weights: &Weights,
        format: WeightFormat,
        device: &Device,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Self, WeightsError> {
        let config = weights.config().clone();
        let kind = computed_in(format, device);
        let loader = Loader {
            weights,
            format,
            device,
        };
        let embedding = loader.matrix("model.embed_tokens.weight")?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            layers.push(loader.layer(index)?);
            progress(index + 1, config.num_hidden_layers);
        }
        let norm = loader.final_norm()?;
        let head = if config.tie_word_embeddings {
            embedding.clone()
        } else {
            loader.matrix("lm_head.weight")?
        };
        let kernels = Kernels::checked(device, kind, &config);
        Ok(Self {
            windows: config.windows(),
            config,
            embedding,
            layers,
            norm,
            head,
            device: device.clone(),
            kind,
            checkpointed_layers: 0,
            fuses_layers: !is_cpu(device),
            kernels,
            shapes: Arc::new(ForwardShapes::new()),
        })
    }

    /// Enables gradient checkpointing on the first `checkpointed_layers` layers: only their inputs are kept and the
    /// forward pass is rerun in backward (about 1.5x the time, a tenth of the activation memory).
    ///
    /// The first layers, because the activations of the others are freed before backward reaches them. A number above
    /// that of the layers means all. On the CPU no bit of a result changes.
    #[must_use]
    pub fn with_gradient_checkpointing(mut self, checkpointed_layers: usize) -> Self {
        self.checkpointed_layers = checkpointed_layers;
        self
    }

    /// The same with or without fused layers, and with other kernels.
    #[cfg(test)]
    pub(crate) fn with_fused_layers(mut self, fuses_layers: bool, kernels: Kernels) -> Self {
        self.fuses_layers = fuses_layers;
        self.kernels = kernels;
        self.shapes = Arc::new(ForwardShapes::new());
        self
    }

    /// Whether the weights are on the CPU. Any other device launches a kernel for each operation and tunes it for each
    /// shape, so that a training there should have few operations and few shapes.
    pub fn is_on_cpu(&self) -> bool {
        is_cpu(&self.device)
    }

    /// Size of the matrices in bytes.
    pub fn weight_bytes(&self) -> usize {
        let weights = |layer: usize| {
            let targets = self.config.targets().iter();
            targets.map(move |&target| self.weight(layer, target).bytes())
        };
        let linears = (0..self.layers.len()).flat_map(weights);
        let tied = self.config.tie_word_embeddings;
        let head = if tied { 0 } else { self.head.bytes() };
        linears.sum::<usize>() + self.embedding.bytes() + head
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The (plain) device that holds the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The fused kernels, each with whether it is used and, if not, why; none on the CPU.
    pub fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    /// Returns the output projection: the adapter's if it changes it, otherwise the base model's.
    pub fn head(&self, adapter: Option<&Adapter>) -> Head {
        let module = SavedModule::LmHead;
        let own = adapter.and_then(|adapter| {
            let whole = adapter.saved_module(module);
            whole.or_else(|| adapter.vocabulary.weight(module, || self.head.dense()))
        });
        match own {
            Some(own) => Head::from(own),
            None => Head::frozen(self.head.clone(), self.kernels.clone()),
        }
    }

    /// Initializes a new adapter for this model, which leaves its output unchanged.
    ///
    /// By default A is uniform in ±1/sqrt(in) and B zero, as in PEFT; magnitudes start as the norms of the weight's
    /// rows.
    /// `device` decides whether the parameters can be trained (an autodiff device) or only used.
    ///
    /// The settings must have passed [`LoraSettings::check`].
    pub fn init_adapter(&self, settings: &LoraSettings, seed: u64, device: &Device) -> Adapter {
        let weight = |layer, target| self.weight(layer, target);
        let saved_module = |module| self.saved_module(module);
        Adapter::init(settings, &self.config, weight, saved_module, seed, device)
    }

    /// Returns the frozen weight of a module that an adapter may train in full.
    pub(crate) fn saved_module(&self, module: SavedModule) -> &FrozenWeight {
        match module {
            SavedModule::EmbedTokens => &self.embedding,
            SavedModule::LmHead => &self.head,
        }
    }

    /// Returns the frozen weight of a linear layer, `[out, in]`.
    pub(crate) fn weight(&self, layer: usize, target: Target) -> &FrozenWeight {
        match self.layers[layer].weight(target) {
            Some(weight) => weight,
            None => unreachable!("{} has no {}", self.config.family, target.name()),
        }
    }

    /// Computes the hidden states after the final norm for full sequences, without a cache: the training path.
    ///
    /// Padding must be at the end of a sequence, where causal attention hides it from all real tokens.
    ///
    /// # Shapes
    /// `tokens`: `batch` concatenated sequences of equal length; returns
    /// `[batch * length, hidden_size]`, tracked if the adapter is
    pub fn hidden_states(
        &self,
        tokens: &[u32],
        batch: usize,
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let length = tokens.len() / batch;
        assert_eq!(tokens.len(), batch * length, "sequences of unequal length");
        let masks = self.shapes.causal(batch, length, &self.windows);
        let rotary = self.rotary_of_sequence(length);
        self.forward(tokens, rotary, &ForwardMode::Full(&masks), None, adapter)
    }

    /// As [`Self::hidden_states`], for sequences packed from several texts.
    ///
    /// Each text has positions from 0 and attends only to itself, so its states equal those in a separate
    /// sequence.
    ///
    /// # Shapes
    /// `tokens` as in [`Self::hidden_states`]; `texts`: the lengths of the texts of each sequence, in order; their sum
    /// may be less than the sequence's length, the rest being padding
    pub fn packed_hidden_states(
        &self,
        tokens: &[u32],
        texts: &[Vec<usize>],
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let batch = texts.len();
        let length = tokens.len() / batch;
        assert_eq!(tokens.len(), batch * length, "sequences of unequal length");
        let mut positions = Vec::with_capacity(tokens.len());
        for lengths in texts {
            let padding = length - lengths.iter().sum::<usize>();
            for &length in lengths.iter().chain([&padding]) {
                positions.extend(0..length);
            }
        }
        let mask = Arc::new(AttentionMask::packed(texts, length));
        let masks = Arc::new(SequenceMasks::new(&mask, &self.windows));
        let rotary = if is_cpu(&self.device) {
            self.rotary(&positions)
        } else {
            let whole = self.rotary_of_sequence(length);
            whole.map(|rotary| Arc::new(rotary.select(&positions)))
        };
        self.forward(tokens, rotary, &ForwardMode::Full(&masks), None, adapter)
    }

    /// Returns the rotary tables for positions from 0 to `length`.
    fn rotary_of_sequence(&self, length: usize) -> PerBase<Arc<Rotary>> {
        let (config, device, kernels) = (&self.config, &self.device, &self.kernels);
        self.tables(|base| self.shapes.rotary(config, base, length, device, kernels))
    }

    /// Returns the rotary tables for `positions`.
    fn rotary(&self, positions: &[usize]) -> PerBase<Arc<Rotary>> {
        let (config, device, kernels) = (&self.config, &self.device, &self.kernels);
        self.tables(|base| Arc::new(Rotary::new(config, base, positions, device, kernels)))
    }

    /// Makes the tables of the bases that the layers have.
    fn tables(&self, make: impl Fn(RopeBase) -> Arc<Rotary>) -> PerBase<Arc<Rotary>> {
        PerBase::new(&self.config, make)
    }

    /// Computes the logits of every position of full sequences, without a cache.
    ///
    /// # Shapes
    /// `tokens` as in [`Self::hidden_states`]; returns `[batch * length, vocab_size]`
    pub fn logits(&self, tokens: &[u32], batch: usize, adapter: Option<&Adapter>) -> Tensor<2> {
        let states = self.hidden_states(tokens, batch, adapter);
        self.head(adapter).logits(states)
    }

    /// Writes a prompt to a slot of the cache and returns the logits after its last token.
    ///
    /// # Shapes
    /// `prompt`: at least one token; returns `[1, vocab_size]`
    pub fn prefill(
        &self,
        cache: &mut KvCache,
        slot: usize,
        prompt: &[u32],
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        assert!(!prompt.is_empty(), "a prompt has at least one token");
        assert!(
            prompt.len() <= cache.capacity(),
            "prompt longer than the cache"
        );
        let mut last = None;
        for (index, chunk) in prompt.chunks(PREFILL_CHUNK).enumerate() {
            let start = index * PREFILL_CHUNK;
            let room = cache.capacity() - start;
            // The padding follows all real tokens, which therefore do not see it, and is overwritten before any later
            // token does.
            let n = chunk.len().next_multiple_of(PREFILL_STEP).min(room);
            let mut filled = chunk.to_vec();
            filled.resize(n, 0);
            let positions: Vec<usize> = (start..start + n).collect();
            let mask =
                |&window: &Option<usize>| (window, causal_mask(n, start, window, &self.device));
            let masks: Vec<_> = self.windows.iter().map(mask).collect();
            let mode = ForwardMode::Prefill {
                slot,
                start,
                masks: &masks,
            };
            let states = self.forward(
                &filled,
                self.rotary(&positions),
                &mode,
                Some(cache),
                adapter,
            );
            last = Some(states.narrow(0, chunk.len() - 1, 1));
        }
        match last {
            Some(state) => self.head(adapter).logits(state),
            None => unreachable!("a prompt has at least one chunk"),
        }
    }

    /// Appends one token to each of several sequences and returns the logits after it.
    ///
    /// # Shapes
    /// `tokens`: one per entry of `at`, which gives its slot and position, no slot twice; returns `[n, vocab_size]`
    pub fn decode(
        &self,
        cache: &mut KvCache,
        tokens: &[u32],
        at: &[(usize, usize)],
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let (slots, capacity) = (cache.slots(), cache.capacity());
        let heads = self.config.num_key_value_heads;
        let windows = &self.windows;
        let step = DecodeStep::new(at, windows, slots, capacity, heads, &self.device);
        let mut of_rows = vec![0; step.positions.len()];
        for (&token, &(slot, _)) in tokens.iter().zip(at) {
            of_rows[slot] = token;
        }
        let mode = ForwardMode::Decode(&step);
        let rotary = self.rotary(&step.positions);
        let states = self.forward(&of_rows, rotary, &mode, Some(cache), adapter);
        self.head(adapter).logits(step.named_rows(states))
    }

    /// Computes the hidden states after the final norm, in single precision.
    fn forward(
        &self,
        tokens: &[u32],
        rotary: PerBase<Arc<Rotary>>,
        mode: &ForwardMode,
        mut cache: Option<&mut KvCache>,
        adapter: Option<&Adapter>,
    ) -> Tensor<2> {
        let has_noise = adapter.is_some_and(|adapter| adapter.noise.is_some());
        let noisy = adapter.filter(|_| has_noise && !is_cpu(&self.device));
        let noisy = noisy.map(|adapter| adapter.with_kernels(&self.kernels));
        let adapter = noisy.as_ref().or(adapter);
        let mut x = self.embedded(tokens, adapter);
        if let (Some(noise), ForwardMode::Full(masks)) = (adapter.and_then(|a| a.noise), mode) {
            let shape = [tokens.len(), self.config.hidden_size];
            let noise = noise.of_embeddings(shape, masks.length(), &self.device);
            if let Some(noise) = noise {
                // The noise is added to the output of the embedding's module, as in transformers.
                let noise = if self.config.family.scales_in_embedding {
                    noise
                } else {
                    self.scaled(noise)
                };
                x = x + noise.cast(self.kind);
            }
        }
        let shared = Shared {
            eps: self.config.rms_norm_eps,
            rotary,
            kernels: self.kernels.clone(),
            residual: self.config.multipliers.residual as f32,
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let cache = cache.as_mut().map(|cache| &mut cache.layers[index]);
            let adapter = adapter.map(|adapter| adapter.layer(index));
            let recompute = index < self.checkpointed_layers;
            let is_fused = self.fuses_layers && can_be_fused(adapter);
            let fusable = is_fused.then(|| Fusable::of(layer, &shared)).flatten();
            x = match (mode, fusable) {
                (ForwardMode::Full(masks), Some(fusable)) => {
                    fusable.run(x, &shared, masks, adapter, recompute)
                }
                (ForwardMode::Full(masks), None) if recompute => {
                    layer.checkpointed(x, &shared, masks, adapter)
                }
                _ => layer.forward(x, &shared, mode, cache, adapter),
            };
        }
        self.norm.forward(&self.kernels, x, shared.eps)
    }

    /// Returns the tokens' rows of the embedding, tracked if the embedding is trained.
    fn embedded(&self, tokens: &[u32], adapter: Option<&Adapter>) -> Tensor<2> {
        let own = adapter.and_then(|adapter| adapter.saved_module(SavedModule::EmbedTokens));
        if let Some(own) = own {
            let ids: Vec<i64> = tokens.iter().map(|&id| i64::from(id)).collect();
            let data = TensorData::new(ids, [tokens.len()]);
            let ids = Tensor::<1, Int>::from_data(data, &self.device);
            return self.scaled(own.select(0, ids)).cast(self.kind);
        }
        let rows: Vec<usize> = tokens.iter().map(|&id| id as usize).collect();
        let base = || self.embedding.rows(&rows).cast(DType::F32);
        let changed = adapter.map(|adapter| &adapter.vocabulary);
        let changed = changed.and_then(|changes| changes.embedded(tokens, &self.device, base));
        let x = match changed {
            Some(changed) => self.scaled(changed).cast(self.kind),
            None => self.scaled(self.embedding.rows(&rows)),
        };
        let trained = adapter.is_some_and(Adapter::is_tracked);
        if trained && !is_cpu(&self.device) && !x.is_autodiff() {
            // This gradient is unused, but without it burn 0.22's GPU backends compute others wrong:
            // https://github.com/tracel-ai/burn/issues/5162
            return x.autodiff().require_grad();
        }
        x
    }

    /// Multiplies embeddings by their factor.
    fn scaled(&self, x: Tensor<2>) -> Tensor<2> {
        let factor = self.config.multipliers.embedding as f32;
        if factor.to_bits() == 1f32.to_bits() {
            x
        } else {
            x * factor
        }
    }
}
