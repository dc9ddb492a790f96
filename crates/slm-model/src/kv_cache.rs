//! The KV cache, in fixed slots.

use std::ops::Range;

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use crate::config::{Heads, ModelConfig};

/// The cache of one layer. Each sequence has a slot and starts at position 0 in it.
#[derive(Debug)]
pub(crate) struct LayerCache {
    /// `[slots, num_kv_heads, capacity, head_dim]`, the layout that products need; `None` only during a write.
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

    /// Applies `change` to keys and values.
    fn update(&mut self, change: impl Fn(Tensor<4>, bool) -> Tensor<4>) {
        // Taken out of its field, the tensor has a single owner and is changed in place.
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

    /// Writes one token for each of several sequences.
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

    /// Grows every slot by `more` tokens.
    fn grow(&mut self, more: usize) {
        self.update(|cache, _| {
            let [slots, heads, _, dim] = cache.dims();
            let room = Tensor::zeros([slots, heads, more, dim], &cache.device());
            Tensor::cat(vec![cache, room], 2)
        });
    }

    /// Returns the first `length` keys and values of some slots.
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
    /// Allocates `slots` slots of `capacity` tokens each.
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

    /// Grows every slot to at least `capacity` tokens and keeps its content. Never shrinks.
    pub(crate) fn grow(&mut self, capacity: usize) {
        let more = capacity.saturating_sub(self.capacity);
        if more > 0 {
            for layer in &mut self.layers {
                layer.grow(more);
            }
            self.capacity = capacity;
        }
    }

    /// The number of slots.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// The capacity of a slot, in tokens.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}
