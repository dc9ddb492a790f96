//! Keys and values of the tokens seen so far, in fixed slots.

use std::ops::Range;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use crate::config::{Heads, ModelConfig};

/// The cache of one layer. Every sequence has a slot and starts at its position 0.
#[derive(Debug)]
pub(crate) struct LayerCache {
    /// `[slots, num_kv_heads, capacity, head_dim]`, as products read them; `None` only while being written.
    keys: Option<Tensor<4>>,
    values: Option<Tensor<4>>,
}

impl LayerCache {
    fn new(slots: usize, capacity: usize, heads: Heads, device: &Device) -> Self {
        let shape = [slots, heads.key_value, capacity, heads.dim];
        let empty = || Some(Tensor::zeros(shape, device));
        Self {
            keys: empty(),
            values: empty(),
        }
    }

    /// Changes keys and values.
    fn update(&mut self, change: impl Fn(Tensor<4>, bool) -> Tensor<4>) {
        // Taking a tensor out leaves it without a second owner, so it is changed in place.
        self.keys = self.keys.take().map(|cache| change(cache, true));
        self.values = self.values.take().map(|cache| change(cache, false));
    }

    /// Writes consecutive tokens of one sequence.
    ///
    /// # Shapes
    /// `k`, `v`: `[1, num_kv_heads, tokens, head_dim]`
    pub(crate) fn write_span(&mut self, slot: usize, start: usize, k: Tensor<4>, v: Tensor<4>) {
        let [_, heads, tokens, dim] = k.dims();
        let place = [slot..slot + 1, 0..heads, start..start + tokens, 0..dim];
        self.update(|cache, is_key| {
            let written = if is_key { &k } else { &v };
            cache.slice_assign(place.clone(), written.clone())
        });
    }

    /// Writes one token for each of some sequences.
    ///
    /// # Shapes
    /// - `places`: `[sequences * num_kv_heads, 3]`: slot, head and position
    /// - `k`, `v`: `[sequences * num_kv_heads, head_dim]`
    pub(crate) fn write_rows(&mut self, places: &Tensor<2, Int>, k: Tensor<2>, v: Tensor<2>) {
        self.update(|cache, is_key| {
            let written = if is_key { &k } else { &v };
            cache.scatter_nd(places.clone(), written.clone(), IndexingUpdateOp::Assign)
        });
    }

    /// Makes room for `more` tokens in every slot.
    fn grow(&mut self, more: usize) {
        self.update(|cache, _| {
            let [slots, heads, _, dim] = cache.dims();
            let room = Tensor::zeros([slots, heads, more, dim], &cache.device());
            Tensor::cat(vec![cache, room], 2)
        });
    }

    /// The first `length` keys and values of some slots.
    ///
    /// # Shapes
    /// returns `[slots, num_kv_heads, length, head_dim]` twice
    pub(crate) fn read(&self, slots: Range<usize>, length: usize) -> (Tensor<4>, Tensor<4>) {
        let (Some(keys), Some(values)) = (&self.keys, &self.values) else {
            unreachable!("a cache is whole between two writes")
        };
        // A view: nothing is copied.
        let part = |cache: &Tensor<4>| {
            let slots = cache.clone().narrow(0, slots.start, slots.len());
            slots.narrow(2, 0, length)
        };
        (part(keys), part(values))
    }
}

/// The caches of all layers.
#[derive(Debug)]
pub struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
    slots: usize,
    capacity: usize,
}

impl KvCache {
    /// Room for `slots` sequences of at most `capacity` tokens each.
    pub fn new(config: &ModelConfig, slots: usize, capacity: usize, device: &Device) -> Self {
        let layers = (0..config.num_hidden_layers)
            .map(|_| LayerCache::new(slots, capacity, Heads::of(config), device))
            .collect();
        Self {
            layers,
            slots,
            capacity,
        }
    }

    /// Lets every slot hold `capacity` tokens, and keeps what is there. Never shrinks.
    pub(crate) fn grow(&mut self, capacity: usize) {
        let more = capacity.saturating_sub(self.capacity);
        if more > 0 {
            for layer in &mut self.layers {
                layer.grow(more);
            }
            self.capacity = capacity;
        }
    }

    /// Sequences that have a place.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Tokens that a slot can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}
