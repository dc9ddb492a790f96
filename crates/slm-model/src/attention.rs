//! Grouped-query attention with rotary positions.

mod full_sequence;
mod mask;

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::softmax};

use crate::config::{Heads, LayerKind};
use crate::forward_pass::Shared;
use crate::kv_cache::LayerCache;
use crate::linear::FrozenLinear;
use crate::lora::LayerAdapter;
use crate::norm::rms_norm;
use crate::target::Target;

pub(crate) use full_sequence::{
    AttentionSaved, attend_full_sequence, attend_on_device, attend_on_device_backward,
    attend_reference,
};
pub(crate) use mask::AttentionMask;

/// The masks of a batch of full sequences, one for each window of the model's layers.
#[derive(Debug)]
pub(crate) struct SequenceMasks(Vec<(Option<usize>, Arc<AttentionMask>)>);

impl SequenceMasks {
    /// `windows` are those of the model's layers.
    pub(crate) fn new(mask: &Arc<AttentionMask>, windows: &[Option<usize>]) -> Self {
        let of_window = |&window: &Option<usize>| {
            let mask = match window.filter(|&window| window < mask.length()) {
                None => mask.clone(),
                Some(window) => Arc::new(mask.within(window)),
            };
            (window, mask)
        };
        Self(windows.iter().map(of_window).collect())
    }

    /// The mask of layers with this window.
    pub(crate) fn of(&self, window: Option<usize>) -> &Arc<AttentionMask> {
        of_window(&self.0, window)
    }

    /// Tokens per sequence.
    pub(crate) fn length(&self) -> usize {
        self.0[0].1.length()
    }
}

/// Returns what is listed for a window.
fn of_window<T>(listed: &[(Option<usize>, T)], window: Option<usize>) -> &T {
    let found = listed.iter().find(|(of, _)| *of == window);
    match found {
        Some((_, found)) => found,
        None => unreachable!("the windows of all layers are listed"),
    }
}

/// The layout of the rows of a forward pass.
pub(crate) enum ForwardMode<'a> {
    /// A batch of whole sequences of equal (padded) length, without a cache.
    Full(&'a Arc<SequenceMasks>),
    /// Consecutive tokens of one sequence, starting at position `start`, written to `slot`.
    Prefill {
        slot: usize,
        start: usize,
        masks: &'a [(Option<usize>, Tensor<4>)],
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
    /// `[rows, 1, 1, keys]`, additive mask of each window; the first is that of layers without one.
    masks: Vec<(Option<usize>, Tensor<4>)>,
    /// `[slots]`, the active slots on the device
    taking_part: Tensor<1, Int>,
    /// `[slots * num_kv_heads, 3]`: slot, head and position of each key to write.
    places: Tensor<2, Int>,
}

impl DecodeStep {
    /// Minimum number of keys read.
    const FEWEST_KEYS: usize = 64;

    /// `at` gives the slot and position of each token, no slot twice; the cache has `slots` slots of `capacity` tokens.
    /// `windows` are those of the model's layers.
    pub(crate) fn new(
        at: &[(usize, usize)],
        windows: &[Option<usize>],
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
        let last_visible = last_visible.reshape([rows, 1]);
        let places = || Tensor::<1, Int>::arange(0..keys as i64, device).reshape([1, keys]);
        let hidden = places().greater(last_visible.clone());
        let mask = Tensor::<2>::zeros([rows, keys], device).mask_fill(hidden, f32::NEG_INFINITY);
        let masks = windows.iter().map(|&window| {
            let mask = match window {
                None => mask.clone(),
                Some(window) => {
                    let last_hidden = last_visible.clone() - window as i64;
                    let before = places().lower_equal(last_hidden);
                    mask.clone().mask_fill(before, f32::NEG_INFINITY)
                }
            };
            (window, mask.reshape([rows, 1, 1, keys]))
        });
        let masks = masks.collect();
        let slots: Vec<usize> = at.iter().map(|&(slot, _)| slot).collect();
        let places = at.iter().flat_map(|&(slot, position)| {
            (0..key_value_heads).flat_map(move |head| [slot, head, position].map(|i| i as i64))
        });
        Self {
            positions,
            keys,
            masks,
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

/// Additive causal mask for `queries` tokens after `past` cached ones; with a window, a token sees no more than `window` tokens.
///
/// # Shapes
/// returns `[1, 1, queries, past + queries]`: 0 where the key is visible, minus infinity where not
pub(crate) fn causal_mask(
    queries: usize,
    past: usize,
    window: Option<usize>,
    device: &Device,
) -> Tensor<4> {
    let keys = past + queries;
    let mut mask = vec![0.0f32; queries * keys];
    for (i, row) in mask.chunks_exact_mut(keys).enumerate() {
        row[past + i + 1..].fill(f32::NEG_INFINITY);
        let first = window.map_or(0, |window| (past + i + 1).saturating_sub(window));
        row[..first].fill(f32::NEG_INFINITY);
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

/// The projections of the input to queries, keys and values.
#[derive(Clone, Debug)]
pub(crate) enum Projections {
    /// One matrix each.
    Separate(Box<[FrozenLinear; 3]>),
    /// One matrix of all three, in this order.
    Fused(Box<FrozenLinear>),
}

/// The attention block of one decoder layer.
#[derive(Clone, Debug)]
pub(crate) struct Attention {
    pub(crate) projections: Projections,
    pub(crate) o_proj: FrozenLinear,
    /// The norms of queries and keys: of each head, or of the whole width if the weights are as wide.
    pub(crate) qk_norms: Option<[Tensor<1>; 2]>,
    pub(crate) heads: Heads,
    pub(crate) kind: LayerKind,
    /// The factor of the queries.
    pub(crate) scale: f32,
}

impl Attention {
    /// The linear layer of this name, if the block has it.
    pub(crate) fn linear(&self, target: Target) -> Option<&FrozenLinear> {
        match (target, &self.projections) {
            (Target::OProj, _) => Some(&self.o_proj),
            (Target::QkvProj, Projections::Fused(linear)) => Some(&**linear),
            (Target::QProj, Projections::Separate(linears)) => Some(&linears[0]),
            (Target::KProj, Projections::Separate(linears)) => Some(&linears[1]),
            (Target::VProj, Projections::Separate(linears)) => Some(&linears[2]),
            _ => None,
        }
    }

    /// Projects the input to queries, keys and values.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`; returns `[rows, heads * head_dim]` each
    fn project(&self, x: Tensor<2>, adapter: Option<&LayerAdapter>) -> [Tensor<2>; 3] {
        let pair = |target| adapter.and_then(|adapter| adapter.pair(target));
        match &self.projections {
            Projections::Separate(linears) => {
                let [q, k, v] = &**linears;
                [
                    q.forward(x.clone(), pair(Target::QProj)),
                    k.forward(x.clone(), pair(Target::KProj)),
                    v.forward(x, pair(Target::VProj)),
                ]
            }
            Projections::Fused(linear) => {
                let all = linear.forward(x, pair(Target::QkvProj));
                let Heads {
                    query,
                    key_value,
                    dim,
                } = self.heads;
                let (queries, keys) = (query * dim, key_value * dim);
                let part = |start, width| all.clone().narrow(1, start, width);
                [
                    part(0, queries),
                    part(queries, keys),
                    part(queries + keys, keys),
                ]
            }
        }
    }

    /// Applies the norms of queries and keys.
    ///
    /// # Shapes
    /// as returned by [`Self::project`]
    fn normed(&self, q: Tensor<2>, k: Tensor<2>, shared: &Shared) -> [Tensor<2>; 2] {
        let Some([of_queries, of_keys]) = &self.qk_norms else {
            return [q, k];
        };
        [(q, of_queries), (k, of_keys)].map(|(x, weight)| {
            let (kind, shape) = (x.dtype(), x.dims());
            let [width] = weight.dims();
            let rows = x
                .cast(DType::F32)
                .reshape([shape[0] * shape[1] / width, width]);
            let normed = rms_norm(&shared.kernels, rows, weight, shared.eps);
            normed.reshape(shape).cast(kind)
        })
    }

    /// Rotates queries and keys, and scales the queries.
    fn rotated(&self, q: Tensor<2>, k: Tensor<2>, shared: &Shared) -> [Tensor<2>; 2] {
        match self.kind.rope {
            None => [q * self.scale, k],
            Some(base) => {
                let rotary = shared.rotary(base);
                [rotary.rotate(q, self.scale), rotary.rotate(k, 1.0)]
            }
        }
    }

    /// Runs the attention block.
    ///
    /// # Shapes
    /// `x`: `[rows, hidden_size]`, rows as in `mode`; returns the same
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        shared: &Shared,
        mode: &ForwardMode,
        cache: Option<&mut LayerCache>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let [rows, _] = x.dims();
        let heads = self.heads;
        let of_output = adapter.and_then(|adapter| adapter.pair(Target::OProj));
        let [q, k, v] = self.project(x, adapter);
        let [q, k] = self.normed(q, k, shared);
        let kind = v.dtype();
        if let ForwardMode::Full(masks) = mode {
            let [q, k] = self.rotated(q, k, shared);
            let mask = masks.of(self.kind.window);
            let attended = attend_full_sequence(q, k, v, mask, heads, &shared.kernels);
            return self.o_proj.forward(attended, of_output);
        }
        // Attention with a cache is computed in single precision.
        let wide = |x: Tensor<2>| x.cast(DType::F32);
        let [q, k] = self.rotated(wide(q), wide(k), shared);
        let split = |x: Tensor<2>, n| x.reshape([rows, n, heads.dim]);
        let q = split(q, heads.query);
        let [k, v] = [k, wide(v)].map(|x| split(x, heads.key_value));
        let attended = match (mode, cache) {
            (
                ForwardMode::Prefill {
                    slot, start, masks, ..
                },
                Some(cache),
            ) => {
                cache.write_span(*slot, *start, by_head(k, 1), by_head(v, 1));
                let (k, v) = cache.read(*slot..slot + 1, start + rows);
                let mask = of_window(masks, self.kind.window);
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
                let mask = of_window(&step.masks, self.kind.window);
                attend(by_head(q, rows), k, v, mask, heads)
            }
            (ForwardMode::Full(_), _) => unreachable!("a pass over full sequences"),
            (_, None) => unreachable!("a cached pass without a cache"),
        };
        let attended = attended.cast(kind);
        self.o_proj.forward(attended, of_output)
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
