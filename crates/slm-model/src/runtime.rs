//! A model loaded for generation: the [`Engine`] on the CPU, the [`Decoder`] on any other device.

use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::device::is_cpu;
use crate::engine::{Engine, EngineAdapter, EngineCache};
use crate::frozen::WeightFormat;
use crate::fused::Kernels;
use crate::kv_cache::KvCache;
use crate::lora::Adapter;
use crate::sampling::greedy;
use crate::weights::{Weights, WeightsError};

/// A base model that is ready to generate.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a program has one or a few")]
pub enum Runtime {
    /// On the CPU, with weights in the dtype on disk.
    Engine(Engine),
    /// On a burn device.
    Device(Decoder),
}

/// An adapter for a [`Runtime`] of the same kind.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a run has one of them")]
pub enum RuntimeAdapter {
    /// For [`Runtime::Engine`].
    Engine(EngineAdapter),
    /// For [`Runtime::Device`].
    Device(Adapter),
}

/// The KV cache of a [`Runtime`].
#[derive(Debug)]
pub enum RuntimeCache {
    /// Of [`Runtime::Engine`].
    Engine(EngineCache),
    /// Of [`Runtime::Device`].
    Device(KvCache),
}

impl Runtime {
    /// Loads a model's weights onto `device` in its native format; `progress` is called with `(done, total)` after each
    /// layer.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub fn load(
        weights: &Weights,
        device: &Device,
        progress: impl FnMut(usize, usize),
    ) -> Result<Self, WeightsError> {
        Self::load_as(weights, WeightFormat::native(device), device, progress)
    }

    /// As [`Self::load`], with matrices in the given format. The CPU ignores it and keeps the format on disk.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_as(
        weights: &Weights,
        format: WeightFormat,
        device: &Device,
        progress: impl FnMut(usize, usize),
    ) -> Result<Self, WeightsError> {
        Ok(if is_cpu(device) {
            Self::Engine(Engine::load(weights, progress)?)
        } else {
            Self::Device(Decoder::load_as(weights, format, device, progress)?)
        })
    }

    /// The fused kernels of the device, each with whether it is used; `None` on the CPU.
    pub fn kernels(&self) -> Option<&Kernels> {
        match self {
            Self::Engine(_) => None,
            Self::Device(decoder) => Some(decoder.kernels()),
        }
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        match self {
            Self::Engine(engine) => engine.config(),
            Self::Device(decoder) => decoder.config(),
        }
    }

    /// Prepares an adapter for the model's device; `weights` are the model's.
    ///
    /// # Errors
    /// A weight of the base model that `DoRA` needs cannot be read.
    pub fn adapter(
        &self,
        adapter: Adapter,
        weights: &Weights,
    ) -> Result<RuntimeAdapter, WeightsError> {
        Ok(match self {
            Self::Engine(_) => RuntimeAdapter::Engine(EngineAdapter::new(&adapter, weights)?),
            Self::Device(_) => RuntimeAdapter::Device(adapter),
        })
    }

    /// Creates a KV cache for `slots` sequences of `capacity` tokens.
    pub fn cache(&self, slots: usize, capacity: usize) -> RuntimeCache {
        match self {
            Self::Engine(engine) => RuntimeCache::Engine(engine.cache(slots)),
            Self::Device(decoder) => RuntimeCache::Device(KvCache::new(
                decoder.config(),
                slots,
                capacity,
                decoder.device(),
            )),
        }
    }

    /// Whether prefill can reuse tokens that are already in its slot, or are copied from another one (prefix caching).
    ///
    /// The engine computes each token's state in a fixed order independent of the batch, so reuse changes no bit there.
    pub fn keeps_prefixes(&self) -> bool {
        matches!(self, Self::Engine(_))
    }

    /// Copies the first `n` positions of slot `from`, which has them, to slot `to`, whose content is lost. Does nothing
    /// unless [`keeps_prefixes`](Self::keeps_prefixes).
    pub(crate) fn copy_prefix(&self, cache: &mut RuntimeCache, from: usize, to: usize, n: usize) {
        if let (Self::Engine(engine), RuntimeCache::Engine(cache)) = (self, cache) {
            engine.copy_prefix(cache, from, to, n);
        }
    }

    /// Processes the tokens of a prompt starting at position `start`, which is 0 unless
    /// [`keeps_prefixes`](Self::keeps_prefixes), and returns the logits after the last one.
    ///
    /// # Shapes
    /// returns `[vocab_size]`
    pub fn prefill(
        &self,
        cache: &mut RuntimeCache,
        slot: usize,
        start: usize,
        tokens: &[u32],
        adapter: Option<&RuntimeAdapter>,
    ) -> Vec<f32> {
        match (self, cache) {
            (Self::Engine(engine), RuntimeCache::Engine(cache)) => {
                engine.prefill(cache, slot, start, tokens, adapter.map(for_engine))
            }
            (Self::Device(decoder), RuntimeCache::Device(cache)) => {
                on_host(decoder.prefill(cache, slot, tokens, adapter.map(for_decoder)))
            }
            _ => unreachable!("a cache of another model"),
        }
    }

    /// Appends one token to each of several sequences and returns the logits after it.
    ///
    /// # Shapes
    /// `tokens`: one per entry of `at`, which gives its slot and position; returns `[n, vocab_size]`
    pub fn decode(
        &self,
        cache: &mut RuntimeCache,
        tokens: &[u32],
        at: &[(usize, usize)],
        adapter: Option<&RuntimeAdapter>,
    ) -> Vec<f32> {
        match (self, cache) {
            (Self::Engine(engine), RuntimeCache::Engine(cache)) => {
                engine.decode(cache, tokens, at, adapter.map(for_engine))
            }
            (Self::Device(decoder), RuntimeCache::Device(cache)) => {
                on_host(decoder.decode(cache, tokens, at, adapter.map(for_decoder)))
            }
            _ => unreachable!("a cache of another model"),
        }
    }
}

impl Runtime {
    /// As [`Self::decode`], but returns the argmax of each row; the logits are not copied to the host.
    pub fn decode_greedily(
        &self,
        cache: &mut RuntimeCache,
        tokens: &[u32],
        at: &[(usize, usize)],
        adapter: Option<&RuntimeAdapter>,
    ) -> Vec<u32> {
        match (self, cache) {
            (Self::Device(decoder), RuntimeCache::Device(cache)) => {
                let logits = decoder.decode(cache, tokens, at, adapter.map(for_decoder));
                let ids = logits.argmax(1).into_data().convert::<i64>();
                let ids: Vec<i64> = ids
                    .try_into_vec()
                    .unwrap_or_else(|error| unreachable!("just converted: {error:?}"));
                ids.into_iter().map(|id| id as u32).collect()
            }
            (runtime, cache) => {
                let logits = runtime.decode(cache, tokens, at, adapter);
                let rows = logits.chunks_exact(self.config().vocab_size);
                rows.map(|logits| greedy(logits) as u32).collect()
            }
        }
    }
}

impl RuntimeCache {
    /// Grows every slot to at least `capacity` tokens and keeps its content.
    pub(crate) fn reserve(&mut self, capacity: usize, step: usize) {
        match self {
            // Grows on write.
            Self::Engine(_) => {}
            Self::Device(cache) => {
                if capacity > cache.capacity() {
                    cache.grow(capacity.next_multiple_of(step));
                }
            }
        }
    }
}

fn for_engine(adapter: &RuntimeAdapter) -> &EngineAdapter {
    match adapter {
        RuntimeAdapter::Engine(adapter) => adapter,
        RuntimeAdapter::Device(_) => unreachable!("an adapter of another device"),
    }
}

pub(crate) fn for_decoder(adapter: &RuntimeAdapter) -> &Adapter {
    match adapter {
        RuntimeAdapter::Device(adapter) => adapter,
        RuntimeAdapter::Engine(_) => unreachable!("an adapter of another device"),
    }
}

pub(crate) fn on_host(logits: Tensor<2>) -> Vec<f32> {
    logits
        .into_data()
        .try_into_vec()
        .unwrap_or_else(|error| unreachable!("logits are f32: {error:?}"))
}
