//! One decoding step of causal attention over the KV cache, on the CPU.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{dot, from_values, to_flex, values};
use crate::attention::Heads;

/// Attention of one new token per sequence over its own part of the cache.
///
/// Each sequence reads exactly the positions that it has, so neither the length nor the
/// presence of its neighbours enters the sums.
///
/// # Shapes
/// - `q`: `[n, num_heads * head_dim]`; `keys`, `values`: `[slots, capacity, num_kv_heads * head_dim]`
/// - `spans`: for each row of `q` its slot and how many positions to attend to, at least one
/// - returns `[n, num_heads * head_dim]`
pub(crate) fn decode_attention(
    q: Tensor<2>,
    keys: &Tensor<3>,
    values_cache: &Tensor<3>,
    spans: &[(usize, usize)],
    heads: Heads,
) -> Tensor<2> {
    let [n, width] = q.dims();
    let [_, capacity, kv_width] = keys.dims();
    let q = to_flex(q);
    let (keys, values_cache) = (to_flex(keys.clone()), to_flex(values_cache.clone()));
    let (q, keys, cached) = (values(&q), values(&keys), values(&values_cache));
    let group = heads.query / heads.key_value;
    let group_width = group * heads.dim;
    let mut out = vec![0.0; n * width];
    out.par_chunks_mut(group_width)
        .enumerate()
        .for_each(|(task, out)| {
            let (row, kv_head) = (task / heads.key_value, task % heads.key_value);
            let (slot, length) = spans[row];
            let start = slot * capacity * kv_width + kv_head * heads.dim;
            let position = |cache: &'_ [f32], t: usize| -> std::ops::Range<usize> {
                debug_assert!(t < capacity && !cache.is_empty());
                let at = start + t * kv_width;
                at..at + heads.dim
            };
            let queries = &q[row * width + kv_head * group_width..][..group_width];
            let mut scores = vec![0.0; length * group];
            for (t, scores) in scores.chunks_exact_mut(group).enumerate() {
                let key = &keys[position(keys, t)];
                dot::products(queries, key, heads.dim, scores);
            }
            for head in 0..group {
                let out = &mut out[head * heads.dim..][..heads.dim];
                let of_head = || (0..length).map(|t| scores[t * group + head] * heads.scale());
                let max = of_head().fold(f32::NEG_INFINITY, f32::max);
                let mut total = 0.0;
                for (t, score) in of_head().enumerate() {
                    let weight = (score - max).exp();
                    total += weight;
                    for (o, v) in out.iter_mut().zip(&cached[position(cached, t)]) {
                        *o += weight * v;
                    }
                }
                for o in out {
                    *o /= total;
                }
            }
        });
    from_values(out, [n, width])
}

/// Writes one row per sequence into the cache, in place where nothing else holds it.
///
/// # Shapes
/// `cache`: `[slots, capacity, width]`; `rows`: `[n, width]`; `at`: slot and position for each row
pub(crate) fn write_rows(cache: Tensor<3>, rows: Tensor<2>, at: &[(usize, usize)]) -> Tensor<3> {
    let [_, capacity, width] = cache.dims();
    let rows = to_flex(rows);
    let mut cache: FlexTensor = to_flex(cache);
    let target = cache.storage_mut::<f32>();
    for (row, &(slot, position)) in values(&rows).chunks_exact(width).zip(at) {
        target[(slot * capacity + position) * width..][..width].copy_from_slice(row);
    }
    Tensor::from_primitive::<burn::backend::Flex>(cache)
}
