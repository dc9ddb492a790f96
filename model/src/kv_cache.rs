//! Keys and values of the tokens seen so far, in fixed slots.

use burn::tensor::{Device, Tensor};

use crate::config::ModelConfig;

/// The cache of one layer. Every sequence has a slot and starts at its position 0.
#[derive(Debug)]
pub(crate) struct LayerCache {
    /// `[slots, capacity, num_kv_heads * head_dim]`; `None` only while being written.
    keys: Option<Tensor<3>>,
    values: Option<Tensor<3>>,
}

impl LayerCache {
    fn new(slots: usize, capacity: usize, width: usize, device: &Device) -> Self {
        let empty = || Some(Tensor::zeros([slots, capacity, width], device));
        Self {
            keys: empty(),
            values: empty(),
        }
    }

    /// `(keys, values)`, each `[slots, capacity, num_kv_heads * head_dim]`.
    pub(crate) fn tensors(&self) -> (&Tensor<3>, &Tensor<3>) {
        match (&self.keys, &self.values) {
            (Some(keys), Some(values)) => (keys, values),
            _ => unreachable!("a cache is whole between two writes"),
        }
    }

    /// Writes consecutive tokens of one sequence.
    ///
    /// # Shapes
    /// `k`, `v`: `[tokens, num_kv_heads * head_dim]`
    pub(crate) fn write_span(&mut self, slot: usize, start: usize, k: Tensor<2>, v: Tensor<2>) {
        let [tokens, width] = k.dims();
        let place = [slot..slot + 1, start..start + tokens, 0..width];
        // Taking the tensor out leaves it without a second owner, so it is changed in place.
        self.keys = self
            .keys
            .take()
            .map(|c| c.slice_assign(place.clone(), k.unsqueeze()));
        self.values = self
            .values
            .take()
            .map(|c| c.slice_assign(place, v.unsqueeze()));
    }

    /// Writes one token for each of some sequences, at its slot and position.
    ///
    /// # Shapes
    /// `k`, `v`: `[sequences, num_kv_heads * head_dim]`
    pub(crate) fn write_rows(&mut self, at: &[(usize, usize)], k: &Tensor<2>, v: &Tensor<2>) {
        for (row, &(slot, position)) in at.iter().enumerate() {
            let one = |x: &Tensor<2>| x.clone().narrow(0, row, 1);
            self.write_span(slot, position, one(k), one(v));
        }
    }

    /// Makes room for `more` tokens in every slot.
    fn grow(&mut self, more: usize) {
        let grown = |c: Tensor<3>| {
            let [slots, _, width] = c.dims();
            let room = Tensor::zeros([slots, more, width], &c.device());
            Tensor::cat(vec![c, room], 1)
        };
        self.keys = self.keys.take().map(grown);
        self.values = self.values.take().map(grown);
    }

    /// The first `length` keys and values of a slot, each `[length, num_kv_heads * head_dim]`.
    pub(crate) fn read(&self, slot: usize, length: usize) -> (Tensor<2>, Tensor<2>) {
        let (keys, values) = self.tensors();
        let part = |c: &Tensor<3>| {
            c.clone()
                .narrow(0, slot, 1)
                .narrow(1, 0, length)
                .squeeze_dim(0)
        };
        (part(keys), part(values))
    }
}

/// The caches of all layers.
#[derive(Debug)]
pub struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
    capacity: usize,
}

impl KvCache {
    /// Room for `slots` sequences of at most `capacity` tokens each.
    pub fn new(config: &ModelConfig, slots: usize, capacity: usize, device: &Device) -> Self {
        let width = config.num_key_value_heads * config.head_dim;
        let layers = (0..config.num_hidden_layers)
            .map(|_| LayerCache::new(slots, capacity, width, device))
            .collect();
        Self { layers, capacity }
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

    /// Tokens that a slot can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}
