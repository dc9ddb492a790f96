//! A model where it generates: the [`Engine`] on the CPU, the [`Decoder`] on any other device.

use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::device::is_cpu;
use crate::engine::{Engine, EngineAdapter, EngineCache};
use crate::frozen::WeightFormat;
use crate::kv_cache::KvCache;
use crate::lora::Adapter;
use crate::sampling::greedy;
use crate::weights::{Weights, WeightsError};

/// A base model that is ready to generate.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, or a few, in a program"
)]
pub enum Runtime {
    /// On the CPU, with weights as narrow as on disk.
    Engine(Engine),
    /// On a device of burn's.
    Device(Decoder),
}

/// An adapter for a [`Runtime`] of the same kind.
#[derive(Debug)]
pub enum RuntimeAdapter {
    /// For [`Runtime::Engine`].
    Engine(EngineAdapter),
    /// For [`Runtime::Device`].
    Device(Adapter),
}

/// The keys and values of the sequences that a [`Runtime`] is at work on.
#[derive(Debug)]
pub enum RuntimeCache {
    /// Of [`Runtime::Engine`].
    Engine(EngineCache),
    /// Of [`Runtime::Device`].
    Device(KvCache),
}

impl Runtime {
    /// Brings a model's weights to where `device` is, in its native format; `progress` hears of each layer done,
    /// as `(done, total)`.
    ///
    /// # Errors
    /// What [`Weights::tensor`] says.
    pub fn load(
        weights: &Weights,
        device: &Device,
        progress: impl FnMut(usize, usize),
    ) -> Result<Self, WeightsError> {
        Self::load_as(weights, WeightFormat::native(device), device, progress)
    }

    /// As [`Self::load`], with matrices in a format of choice. The CPU keeps them as they are on disk, whatever that is.
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

    /// Shape of the model.
    pub fn config(&self) -> &ModelConfig {
        match self {
            Self::Engine(engine) => engine.config(),
            Self::Device(decoder) => decoder.config(),
        }
    }

    /// Brings an adapter to where the model is; `weights` are the model's.
    ///
    /// # Errors
    /// A weight of the base model that the adapter measures itself by cannot be read.
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

    /// Room for `slots` sequences of `capacity` tokens.
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

    /// Whether a prompt may go on from tokens that its slot holds already.
    ///
    /// The engine computes a token's state in one order whatever was read with it, so this changes no bit there.
    pub fn keeps_prefixes(&self) -> bool {
        matches!(self, Self::Engine(_))
    }

    /// Reads the tokens of a prompt from position `start` on, which is 0 unless
    /// [`keeps_prefixes`](Self::keeps_prefixes), and gives the logits after the last one.
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

    /// Adds one token to each of some sequences and gives the logits after it.
    ///
    /// # Shapes
    /// `tokens`: one for each entry of `at`, which names its slot and position; returns `[n, vocab_size]`
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
    /// As [`Self::decode`], and gives the likeliest token of each; the logits stay where they are.
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
    /// Lets every slot hold `capacity` tokens, and keeps what is there.
    pub(crate) fn reserve(&mut self, capacity: usize, step: usize) {
        match self {
            // Grows as tokens come.
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

fn for_decoder(adapter: &RuntimeAdapter) -> &Adapter {
    match adapter {
        RuntimeAdapter::Device(adapter) => adapter,
        RuntimeAdapter::Engine(_) => unreachable!("an adapter of another device"),
    }
}

fn on_host(logits: Tensor<2>) -> Vec<f32> {
    logits
        .into_data()
        .try_into_vec()
        .unwrap_or_else(|error| unreachable!("logits are f32: {error:?}"))
}
