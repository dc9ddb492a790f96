//! The engine's KV cache, and attention over it.

use std::ops::Range;

use rayon::prelude::*;

use crate::config::Heads;
use crate::simd::{Row, WIDTH, exponentials, multiply};

/// Rows that attend together and share the loads of keys and values.
const BLOCK: usize = 8;

/// The keys and values of one head in one slot.
#[derive(Debug, Default, Clone)]
struct HeadCache {
    /// `[positions / WIDTH, head_dim]` rows: panels of positions.
    keys: Vec<Row>,
    /// For each [`WIDTH`] elements of the head: `[positions]` rows.
    values: Vec<Vec<Row>>,
}

impl HeadCache {
    fn write(&mut self, position: usize, key: &[f32], value: &[f32]) {
        let dim = key.len();
        let (panel, j) = (position / WIDTH, position % WIDTH);
        if self.keys.len() < (panel + 1) * dim {
            self.keys.resize((panel + 1) * dim, [0.0; WIDTH]);
        }
        for (place, &element) in self.keys[panel * dim..].iter_mut().zip(key) {
            place[j] = element;
        }
        self.values.resize(dim.div_ceil(WIDTH), Vec::new());
        for (rows, value) in self.values.iter_mut().zip(value.chunks(WIDTH)) {
            if rows.len() <= position {
                rows.resize(position + 1, [0.0; WIDTH]);
            }
            rows[position][..value.len()].copy_from_slice(value);
        }
    }
}

impl HeadCache {
    /// Replaces the first `n` positions by those of `from`.
    fn copy_prefix(&mut self, from: &Self, n: usize, dim: usize) {
        // A panel's positions from `n` on are never read before they are written.
        let keys = n.div_ceil(WIDTH) * dim;
        copy_rows(&mut self.keys, &from.keys[..keys]);
        self.values.resize(from.values.len(), Vec::new());
        for (own, values) in self.values.iter_mut().zip(&from.values) {
            copy_rows(own, &values[..n]);
        }
    }
}

/// Overwrites the first rows of `to`, which grows to have them.
fn copy_rows(to: &mut Vec<Row>, rows: &[Row]) {
    if to.len() < rows.len() {
        to.resize(rows.len(), [0.0; WIDTH]);
    }
    to[..rows.len()].copy_from_slice(rows);
}

/// The keys and values of all layers, slots and heads. Grows on write.
#[derive(Debug)]
pub(crate) struct Cache {
    /// `[layer][slot][head]`
    heads: Vec<Vec<Vec<HeadCache>>>,
}

impl Cache {
    pub(crate) fn new(layers: usize, slots: usize, heads: Heads) -> Self {
        let of_slot = vec![HeadCache::default(); heads.key_value];
        Self {
            heads: vec![vec![of_slot; slots]; layers],
        }
    }

    /// Writes one row per token to its slot and position.
    ///
    /// # Shapes
    /// `keys`, `values`: `[n, num_kv_heads * head_dim]`
    pub(crate) fn write(
        &mut self,
        layer: usize,
        at: &[(usize, usize)],
        keys: &[f32],
        values: &[f32],
        dim: usize,
    ) {
        let n = at.len();
        let width = keys.len() / n;
        for (i, &(slot, position)) in at.iter().enumerate() {
            let heads = self.heads[layer][slot].iter_mut().enumerate();
            for (head, cache) in heads {
                let row = i * width + head * dim..i * width + (head + 1) * dim;
                cache.write(position, &keys[row.clone()], &values[row]);
            }
        }
    }

    /// Copies the first `n` positions of slot `from` to slot `to`, whose content is lost.
    pub(crate) fn copy_prefix(&mut self, from: usize, to: usize, n: usize, dim: usize) {
        if from == to {
            return;
        }
        for slots in &mut self.heads {
            let donor = std::mem::take(&mut slots[from]);
            for (own, donor) in slots[to].iter_mut().zip(&donor) {
                own.copy_prefix(donor, n, dim);
            }
            slots[from] = donor;
        }
    }

    /// Computes each row's attention over its slot, up to its own position; with a window, over the last `window` positions.
    ///
    /// Other positions, visible to other rows of the block, contribute exact zeros: a row's result does not depend on
    /// the rest of the batch.
    ///
    /// # Shapes
    /// `queries`: `[n, num_heads * head_dim]`, scaled; returns the same
    pub(crate) fn attend(
        &self,
        layer: usize,
        at: &[(usize, usize)],
        queries: &[f32],
        heads: Heads,
        window: Option<usize>,
    ) -> Vec<f32> {
        let width = heads.query * heads.dim;
        let group = heads.query / heads.key_value;
        let tasks: Vec<(Range<usize>, usize)> = blocks(at)
            .into_iter()
            .flat_map(|rows| (0..heads.key_value).map(move |head| (rows.clone(), head)))
            .collect();
        let results: Vec<Vec<f32>> = tasks
            .par_iter()
            .map(|(rows, head)| {
                let cache = &self.heads[layer][at[rows.start].0][*head];
                let mut block = Vec::with_capacity(rows.len() * group * heads.dim);
                for row in rows.clone() {
                    let of_head = row * width + head * group * heads.dim;
                    block.extend_from_slice(&queries[of_head..][..group * heads.dim]);
                }
                let seen_by = |row: usize| {
                    let end = at[row].1 + 1;
                    window.map_or(0, |window| end.saturating_sub(window))..end
                };
                let seen: Vec<Range<usize>> = rows
                    .clone()
                    .flat_map(|row| std::iter::repeat_n(seen_by(row), group))
                    .collect();
                attend(cache, &block, &seen, heads.dim)
            })
            .collect();
        let mut out = vec![0.0; queries.len()];
        for ((rows, head), result) in tasks.into_iter().zip(results) {
            for (row, result) in rows.zip(result.chunks_exact(group * heads.dim)) {
                let of_head = row * width + head * group * heads.dim;
                out[of_head..][..group * heads.dim].copy_from_slice(result);
            }
        }
        out
    }
}

/// Splits rows into runs of the same slot, at most [`BLOCK`] rows each.
fn blocks(at: &[(usize, usize)]) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for (row, (slot, _)) in at.iter().enumerate() {
        match blocks.last_mut() {
            Some(block) if block.len() < BLOCK && at[block.start].0 == *slot => block.end = row + 1,
            _ => blocks.push(row..row + 1),
        }
    }
    blocks
}

/// Attention of some queries of one head; `seen` gives the visible positions of each.
///
/// # Shapes
/// `queries`: `[seen.len(), dim]`; returns the same
fn attend(cache: &HeadCache, queries: &[f32], seen: &[Range<usize>], dim: usize) -> Vec<f32> {
    let n = seen.len();
    let longest = seen.iter().map(|seen| seen.end).max().unwrap_or(0);
    // Panels before the first visible position of any row contribute nothing.
    let first = seen.iter().map(|seen| seen.start).min().unwrap_or(0) / WIDTH;
    let start = first * WIDTH;
    let panels = longest.div_ceil(WIDTH) - first;
    let mut weights = vec![0.0; n * panels * WIDTH];
    let mut scores = vec![[0.0; WIDTH]; n];
    let keys = cache.keys.chunks_exact(dim).skip(first).take(panels);
    for (panel, keys) in keys.enumerate() {
        scores.fill([0.0; WIDTH]);
        multiply(queries, dim, keys, &mut scores);
        for (row, scores) in weights.chunks_exact_mut(panels * WIDTH).zip(&scores) {
            row[panel * WIDTH..][..WIDTH].copy_from_slice(scores);
        }
    }
    let sums: Vec<f32> = weights
        .chunks_exact_mut(panels * WIDTH)
        .zip(seen)
        .map(|(row, seen)| {
            let (row, after) = row.split_at_mut(seen.end - start);
            let (before, seen) = row.split_at_mut(seen.start - start);
            before.fill(0.0);
            after.fill(0.0);
            let max = seen.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            exponentials(seen, max)
        })
        .collect();
    let mut out = vec![0.0; n * dim];
    let mut sum = vec![[0.0; WIDTH]; n];
    for (part, values) in cache.values.iter().enumerate() {
        sum.fill([0.0; WIDTH]);
        multiply(&weights, panels * WIDTH, &values[start..longest], &mut sum);
        for ((out, sum), total) in out.chunks_exact_mut(dim).zip(&sum).zip(&sums) {
            for (out, sum) in out[part * WIDTH..].iter_mut().zip(sum) {
                *out = sum / total;
            }
        }
    }
    out
}
