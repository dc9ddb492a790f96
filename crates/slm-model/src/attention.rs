//! Grouped-query attention with rotary positions.

mod full_sequence;
mod mask;

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::softmax};

use crate::config::Heads;
use crate::kv_cache::LayerCache;
use crate::linear::FrozenLinear;
use crate::lora::LayerAdapter;
use crate::rotary::Rotary;

pub(crate) use full_sequence::{
    AttentionSaved, attend_full_sequence, attend_on_device, attend_on_device_backward,
    attend_reference,
};
pub(crate) use mask::AttentionMask;

/// The layout of the rows of a forward pass.
pub(crate) enum ForwardMode<'a> {
    /// A batch of whole sequences of equal (padded) length, without a cache.
    Full(&'a Arc<AttentionMask>),
    /// Consecutive tokens of one sequence, starting at position `start`, written to `slot`.
    Prefill {
        slot: usize,
        start: usize,
        mask: &'a Tensor<4>,
    },
    /// One new token for each of several sequences.
    Decode(&'a DecodeStep),
}

/// One decoding step. All slots up to the last active one are computed; inactive rows are dropped at the end, and
/// nothing is written for them. So a device sees few shapes as sequences start and finish.
#[derive(Debug)]
pub(crate) struct DecodeStep {
    /// The position of each row's token; 0 for an inactive row.
    pub(crate) positions: Vec<usize>,
    /// The active slots, in the order of `at` in [`Self::new`].
    slots: Vec<usize>,
    /// The number of keys read, masked or not.
    keys: usize,
    /// `[rows, 1, 1, keys]`, additive mask
    mask: Tensor<4>,
    /// `[slots]`, the active slots on the device
    taking_part: Tensor<1, Int>,
    /// `[slots * num_kv_heads, 3]`: slot, head and position of each key to write.
    places: Tensor<2, Int>,
}

impl DecodeStep {
    /// Minimum number of keys read.
    const FEWEST_KEYS: usize = 64;

    /// `at` gives the slot and position of each token, no slot twice; the cache has `slots` slots of `capacity` tokens.
    pub(crate) fn new(
        at: &[(usize, usize)],
        slots: usize,
        capacity: usize,
        key_value_heads: usize,
        device: &Device,
    ) -> Self {
        let (last_slot, last_position) = at.iter().fold((0, 0), |(slot, position), &(s, p)| {
            (slot.max(s), position.max(p))
        });
        assert!(
            last_slot < slots && last_position < capacity,
            "outside of the cache"
        );
        let rows = (last_slot + 1).next_power_of_two().min(slots);
        let keys = bucket(last_position + 1, Self::FEWEST_KEYS).min(capacity);
        let mut positions = vec![0; rows];
        for &(slot, position) in at {
            positions[slot] = position;
        }
        let integers = |values: Vec<i64>| {
            let n = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [n]), device)
        };
        let last_visible = integers(positions.iter().map(|&p| p as i64).collect());
        let hidden = Tensor::<1, Int>::arange(0..keys as i64, device)
            .reshape([1, keys])
            .greater(last_visible.reshape([rows, 1]));
        let mask = Tensor::<2>::zeros([rows, keys], device).mask_fill(hidden, f32::NEG_INFINITY);
        let slots: Vec<usize> = at.iter().map(|&(slot, _)| slot).collect();
        let places = at.iter().flat_map(|&(slot, position)| {
            (0..key_value_heads).flat_map(move |head| [slot, head, position].map(|i| i as i64))
        });
        Self {
            positions,
            keys,
            mask: mask.reshape([rows, 1, 1, keys]),
            taking_part: integers(slots.iter().map(|&slot| slot as i64).collect()),
            places: integers(places.collect()).reshape([at.len() * key_value_heads, 3]),
            slots,
        }
    }

    /// Selects the active rows, in the order of `at` in [`Self::new`].
    ///
    /// # Shapes
    /// `x`: `[rows, n]`; returns `[slots, n]`
    pub(crate) fn named_rows(&self, x: Tensor<2>) -> Tensor<2> {
        if self.slots.len() == self.positions.len() && self.slots.is_sorted() {
            return x;
        }
        x.select(0, self.taking_part.clone())
    }
}

/// Rounds `n` up to at least `fewest`, and to a power of two or the midpoint between two of them.
fn bucket(n: usize, fewest: usize) -> usize {
    let power = n.max(fewest).next_power_of_two();
    let middle = power / 4 * 3;
    if middle >= n.max(fewest) {
        middle
    } else {
        power
    }
}

/// Additive causal mask for `queries` tokens after `past` cached ones.
///
/// # Shapes
/// returns `[1, 1, queries, past + queries]`: 0 where the key is visible, minus infinity where not
pub(crate) fn causal_mask(queries: usize, past: usize, device: &Device) -> Tensor<4> {
    let keys = past + queries;
    let mut mask = vec![0.0f32; queries * keys];
    for (i, row) in mask.chunks_exact_mut(keys).enumerate() {
        row[past + i + 1..].fill(f32::NEG_INFINITY);
    }
    Tensor::from_data(TensorData::new(mask, [1, 1, queries, keys]), device)
}

/// Grouped-query attention of all query heads over the given keys and values.
///
/// The query heads that share a key-value head are folded into its rows, so keys and values are
/// never repeated.
///
/// # Shapes
/// - `q`: `[batch, num_heads, queries, head_dim]`, scaled; `k`, `v`: `[batch, num_kv_heads, keys, head_dim]`
/// - `mask`: `[1 or batch, 1, queries, keys]`, additive
/// - returns `[batch * queries, num_heads * head_dim]`
/// # Source
/// Ainslie et al. 2023, arXiv:2305.13245.
fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, mask: &Tensor<4>, heads: Heads) -> Tensor<2> {
    let [batch, _, queries, dim] = q.dims();
    let keys = k.dims()[2];
    let folded = [
        batch,
        heads.key_value,
        heads.query / heads.key_value * queries,
        dim,
    ];
    let q = q.reshape(folded);
    let scores = q
        .matmul(k.transpose())
        .reshape([batch, heads.query, queries, keys]);
    let weights = softmax(scores + mask.clone(), 3);
    weights
        .reshape([batch, heads.key_value, folded[2], keys])
        .matmul(v)
        .reshape([batch, heads.query, queries, dim])
        .swap_dims(1, 2)
        .reshape([batch * queries, heads.query * dim])
}

/// Reshapes `[batch * tokens, heads, dim]` to `[batch, heads, tokens, dim]`.
fn by_head(x: Tensor<3>, batch: usize) -> Tensor<4> {
    let [rows, heads, dim] = x.dims();
    x.reshape([batch, rows / batch, heads, dim]).swap_dims(1, 2)
}

/// The attention block of one decoder layer.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) q_proj: FrozenLinear,
    pub(crate) k_proj: FrozenLinear,
    pub(crate) v_proj: FrozenLinear,
    pub(crate) o_proj: FrozenLinear,
    pub(crate) heads: Heads,
}

impl Attention {
    /// Runs the attention block.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`, rows as in `mode`; returns the same
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        mode: &ForwardMode,
        cache: Option<&mut LayerCache>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let [rows, _] = x.dims();
        let heads = self.heads;
        let pair = |f: fn(&LayerAdapter) -> Option<&crate::lora::LowRank>| adapter.and_then(f);
        let q = self.q_proj.forward(x.clone(), pair(|a| a.q_proj.as_ref()));
        let k = self.k_proj.forward(x.clone(), pair(|a| a.k_proj.as_ref()));
        let v = self.v_proj.forward(x, pair(|a| a.v_proj.as_ref()));
        let kind = v.dtype();
        if let ForwardMode::Full(mask) = mode {
            let (q, k) = (rotary.rotate(q, heads.scale()), rotary.rotate(k, 1.0));
            let attended = attend_full_sequence(q, k, v, mask, heads, rotary.kernels());
            return self.o_proj.forward(attended, pair(|a| a.o_proj.as_ref()));
        }
        let wide = |x: Tensor<2>, factor| rotary.rotate(x.cast(DType::F32), factor);
        let (q, k) = (wide(q, heads.scale()), wide(k, 1.0));
        let split = |x: Tensor<2>, n| x.reshape([rows, n, heads.dim]);
        let q = split(q, heads.query);
        let [k, v] = [k, v].map(|x| split(x, heads.key_value));
        // Attention with a cache is computed in single precision.
        let v = v.cast(DType::F32);
        let attended = match (mode, cache) {
            (
                ForwardMode::Prefill {
                    slot, start, mask, ..
                },
                Some(cache),
            ) => {
                cache.write_span(*slot, *start, by_head(k, 1), by_head(v, 1));
                let (k, v) = cache.read(*slot..slot + 1, start + rows);
                attend(by_head(q, 1), k, v, mask, heads)
            }
            (ForwardMode::Decode(step), Some(cache)) => {
                let written = |x: Tensor<3>| {
                    let flat = step.named_rows(x.reshape([rows, heads.key_value * heads.dim]));
                    let [n, _] = flat.dims();
                    flat.reshape([n * heads.key_value, heads.dim])
                };
                cache.write_rows(&step.places, written(k), written(v));
                let (k, v) = cache.read(0..rows, step.keys);
                attend(by_head(q, rows), k, v, &step.mask, heads)
            }
            (ForwardMode::Full(_), _) => unreachable!("a pass over full sequences"),
            (_, None) => unreachable!("a cached pass without a cache"),
        };
        let attended = attended.cast(kind);
        self.o_proj.forward(attended, pair(|a| a.o_proj.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_numbers_of_keys_cover_all() {
        let mut buckets: Vec<usize> = (1..=4096).map(|n| bucket(n, 64)).collect();
        for (n, &bucket) in (1..).zip(&buckets) {
            assert!(
                bucket >= n && (n < 64 || 2 * bucket <= 3 * n + 2),
                "{bucket} for {n}"
            );
        }
        buckets.dedup();
        assert_eq!(
            buckets,
            [
                64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096
            ]
        );
    }
}
