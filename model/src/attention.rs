//! Grouped-query attention with rotary positions.

mod sight;
mod whole;

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData, activation::softmax};

use crate::config::ModelConfig;
use crate::kv_cache::LayerCache;
use crate::linear::FrozenLinear;
use crate::lora::LayerAdapter;
use crate::rotary::Rotary;

pub(crate) use sight::Sight;
pub(crate) use whole::{attend_plainly, attend_whole};

/// Numbers and width of the attention heads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    pub(crate) query: usize,
    pub(crate) key_value: usize,
    pub(crate) dim: usize,
}

impl Heads {
    pub(crate) fn of(config: &ModelConfig) -> Self {
        Self {
            query: config.num_attention_heads,
            key_value: config.num_key_value_heads,
            dim: config.head_dim,
        }
    }

    /// `1 / sqrt(head_dim)`.
    pub(crate) fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }
}

/// What the rows of a forward pass are.
pub(crate) enum Span<'a> {
    /// Whole sequences of equal (padded) length side by side, without a cache.
    Full(&'a Arc<Sight>),
    /// Consecutive tokens of one sequence, from position `start` on, written to `slot`.
    Prefill {
        slot: usize,
        start: usize,
        mask: &'a Tensor<4>,
    },
    /// One new token for each sequence: its slot and position.
    Decode { at: &'a [(usize, usize)] },
}

/// Additive causal mask for `queries` tokens that come after `past` cached ones.
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

/// Attention of all query heads over the given keys and values.
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

/// `[batch * tokens, heads, dim]` to `[batch, heads, tokens, dim]`.
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
    /// # Shapes
    /// `x`: `[rows, hidden_size]`, rows as `span` says; returns the same
    pub(crate) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        span: &Span,
        cache: Option<&mut LayerCache>,
        adapter: Option<&LayerAdapter>,
    ) -> Tensor<2> {
        let [rows, _] = x.dims();
        let heads = self.heads;
        let pair = |f: fn(&LayerAdapter) -> Option<&crate::lora::LowRank>| adapter.and_then(f);
        let project = |linear: &FrozenLinear, x, lora, n_heads: usize| {
            linear.forward(x, lora).reshape([rows, n_heads, heads.dim])
        };
        let q = project(
            &self.q_proj,
            x.clone(),
            pair(|a| a.q_proj.as_ref()),
            heads.query,
        );
        let k = project(
            &self.k_proj,
            x.clone(),
            pair(|a| a.k_proj.as_ref()),
            heads.key_value,
        );
        let v = project(
            &self.v_proj,
            x,
            pair(|a| a.v_proj.as_ref()),
            heads.key_value,
        );
        let kind = v.dtype();
        let turned = |x: Tensor<3>| rotary.apply(x.cast(DType::F32));
        let (q, k) = (turned(q).mul_scalar(heads.scale()), turned(k));
        let flat = [rows, heads.key_value * heads.dim];
        if let Span::Full(sight) = span {
            let q = q.reshape([rows, heads.query * heads.dim]).cast(kind);
            let (k, v) = (k.reshape(flat).cast(kind), v.reshape(flat));
            let attended = attend_whole(q, k, v, sight, heads);
            return self.o_proj.forward(attended, pair(|a| a.o_proj.as_ref()));
        }
        // With a cache, in single precision.
        let v = v.cast(DType::F32);
        let attended = match (span, cache) {
            (
                Span::Prefill {
                    slot, start, mask, ..
                },
                Some(cache),
            ) => {
                cache.write_span(*slot, *start, k.reshape(flat), v.reshape(flat));
                let (k, v) = cache.read(*slot, start + rows);
                let cached = |x: Tensor<2>| {
                    by_head(x.reshape([start + rows, heads.key_value, heads.dim]), 1)
                };
                attend(by_head(q, 1), cached(k), cached(v), mask, heads)
            }
            (Span::Decode { at }, Some(cache)) => {
                cache.write_rows(at, &k.reshape(flat), &v.reshape(flat));
                self.decode(q, cache, at)
            }
            (Span::Full(_), _) => unreachable!("a pass over whole sequences"),
            (_, None) => unreachable!("a cached pass without a cache"),
        };
        let attended = attended.cast(kind);
        self.o_proj.forward(attended, pair(|a| a.o_proj.as_ref()))
    }

    fn decode(&self, q: Tensor<3>, cache: &LayerCache, at: &[(usize, usize)]) -> Tensor<2> {
        let dim = q.dims()[2];
        // One sequence after the other: right on every device, and fast enough until
        // decoding on GPUs gets a kernel of its own.
        let each = at.iter().enumerate().map(|(row, &(slot, position))| {
            let keys = position + 1;
            let (k, v) = cache.read(slot, keys);
            let cached = |x: Tensor<2>| by_head(x.reshape([keys, self.heads.key_value, dim]), 1);
            let mask = Tensor::zeros([1, 1, 1, keys], &q.device());
            attend(
                by_head(q.clone().narrow(0, row, 1), 1),
                cached(k),
                cached(v),
                &mask,
                self.heads,
            )
        });
        Tensor::cat(each.collect(), 0)
    }
}
