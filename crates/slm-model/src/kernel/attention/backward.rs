//! The backward pass of attention.

use rayon::prelude::*;

use super::{Gradients, HeadRows, Problem};
use crate::config::Heads;
use crate::kernel::zeros;
use crate::simd::{Row, WIDTH, exp, for_each_instruction_set, multiply};

impl Problem<'_> {
    /// Computes the gradients with respect to queries, keys and values; `gradient` is that with respect to the output.
    ///
    /// `attended` is the result of [`Self::forward`]: output and log-sum-exps.
    pub(crate) fn backward(&self, attended: (&[f32], &[f32]), gradient: &[f32]) -> Gradients {
        self.check();
        let Heads {
            query,
            key_value,
            dim,
        } = self.heads;
        let of_heads: Vec<Gradients> = (0..self.batch() * query)
            .into_par_iter()
            .map(|of| self.head_backward((of / query, of % query), attended, gradient))
            .collect();
        let mut found = Gradients {
            queries: zeros(self.queries.len()),
            keys: zeros(self.keys.len()),
            values: zeros(self.values.len()),
        };
        // The query head and the range in its gradient for one head of a row.
        let place = |row: usize, head: usize| {
            let (sequence, row) = (row / self.length, row % self.length);
            (sequence * query + head, row * dim..(row + 1) * dim)
        };
        let rows = found.queries.par_chunks_mut(query * dim).enumerate();
        rows.for_each(|(row, out)| {
            for (head, out) in out.chunks_exact_mut(dim).enumerate() {
                let (of, part) = place(row, head);
                out.copy_from_slice(&of_heads[of].queries[part]);
            }
        });
        let keys = found.keys.par_chunks_mut(key_value * dim);
        let rows = keys.zip(found.values.par_chunks_mut(key_value * dim));
        rows.enumerate().for_each(|(row, (keys, values))| {
            let each = keys.chunks_exact_mut(dim).zip(values.chunks_exact_mut(dim));
            for (shared, (keys, values)) in each.enumerate() {
                for head in shared * self.group()..(shared + 1) * self.group() {
                    let (of, part) = place(row, head);
                    add(keys, &of_heads[of].keys[part.clone()]);
                    add(values, &of_heads[of].values[part]);
                }
            }
        });
        found
    }

    /// Computes the gradients from one query head, each `[length, head_dim]`.
    fn head_backward(
        &self,
        (sequence, head): (usize, usize),
        (out, log_sums): (&[f32], &[f32]),
        gradient: &[f32],
    ) -> Gradients {
        let (heads, dim, length) = (self.heads.query, self.heads.dim, self.length);
        let of_head = (sequence, head);
        let queries = self.head_rows(self.queries, of_head, heads);
        let out = HeadRows {
            values: &out[sequence * length * heads * dim + head * dim..],
            ..queries
        };
        let of_out = HeadRows {
            values: &gradient[sequence * length * heads * dim + head * dim..],
            ..queries
        };
        let log_sums = &log_sums[sequence * length * heads..];
        let shared = (sequence, head / self.group());
        let keys = self.head_rows(self.keys, shared, self.heads.key_value);
        let values = self.head_rows(self.values, shared, self.heads.key_value);
        let starts = self.starts_of(sequence);

        let key_panels = keys.panels(0..length);
        let sum = || vec![vec![[0.0; WIDTH]; length]; key_panels.len()];
        let (mut of_keys, mut of_values) = (sum(), sum());
        let mut of_queries = vec![0.0; length * dim];
        let (mut transposed_queries, mut transposed_gradient) =
            (vec![[0.0; WIDTH]; dim], vec![[0.0; WIDTH]; dim]);
        let mut weights = vec![[0.0; WIDTH]; length];
        let mut of_scores = vec![[0.0; WIDTH]; length];
        let mut by_query = vec![0.0; WIDTH * length];
        for first in (0..length).step_by(WIDTH) {
            let tile = first..length.min(first + WIDTH);
            let n = tile.len();
            let seen = starts[first] as usize..tile.end;
            queries.transposed(tile.clone(), &mut transposed_queries);
            of_out.transposed(tile.clone(), &mut transposed_gradient);
            let mut of_tile = OfQueries::default();
            for (j, row) in tile.clone().enumerate() {
                of_tile.log_sums[j] = log_sums[row * heads + head];
                let products = out.row(row).iter().zip(of_out.row(row));
                of_tile.products[j] = products.map(|(out, gradient)| out * gradient).sum();
            }
            // Keys are rows, queries are columns.
            let weights = &mut weights[..seen.len()];
            let of_scores = &mut of_scores[..seen.len()];
            weights.fill([0.0; WIDTH]);
            of_scores.fill([0.0; WIDTH]);
            multiply(
                keys.from(seen.start),
                keys.stride,
                &transposed_queries,
                weights,
            );
            multiply(
                values.from(seen.start),
                values.stride,
                &transposed_gradient,
                of_scores,
            );
            differentiate(weights, of_scores, &of_tile);
            hide_unseen(weights, of_scores, &seen, first, &starts[tile.clone()]);

            let tile_gradient = of_out.panels(tile.clone());
            for (panel, sum) in tile_gradient.iter().zip(&mut of_values) {
                multiply(weights.as_flattened(), WIDTH, panel, &mut sum[seen.clone()]);
            }
            let tile_queries = queries.panels(tile.clone());
            for (panel, sum) in tile_queries.iter().zip(&mut of_keys) {
                multiply(
                    of_scores.as_flattened(),
                    WIDTH,
                    panel,
                    &mut sum[seen.clone()],
                );
            }
            let by_query = &mut by_query[..n * seen.len()];
            transpose(of_scores, by_query);
            for (at, panel) in (0..dim).step_by(WIDTH).zip(&key_panels) {
                let mut part = [[0.0; WIDTH]; WIDTH];
                let part = &mut part[..n];
                multiply(by_query, seen.len(), &panel[seen.clone()], part);
                let used = WIDTH.min(dim - at);
                for (row, part) in tile.clone().zip(part) {
                    of_queries[row * dim + at..][..used].copy_from_slice(&part[..used]);
                }
            }
        }
        Gradients {
            queries: of_queries,
            keys: in_rows(&of_keys, dim),
            values: in_rows(&of_values, dim),
        }
    }
}

/// Data of each query of a tile for the backward pass.
#[derive(Default)]
struct OfQueries {
    log_sums: [f32; WIDTH],
    /// Inner product of the query's output with the output's gradient.
    products: [f32; WIDTH],
}

for_each_instruction_set! {
    /// Replaces scores by weights, and the weights' gradients by those of the scores.
    ///
    /// # Shapes
    /// both `[keys, WIDTH]`, one query per column
    fn differentiate(scores: &mut [Row], gradients: &mut [Row], queries: &OfQueries) {
        for (scores, gradients) in scores.iter_mut().zip(gradients) {
            for j in 0..WIDTH {
                let weight = exp(scores[j] - queries.log_sums[j]);
                scores[j] = weight;
                gradients[j] = weight * (gradients[j] - queries.products[j]);
            }
        }
    }
}

for_each_instruction_set! {
    /// Transposes `[n, WIDTH]` into as many rows of `n` as `to` holds.
    fn transpose(from: &[Row], to: &mut [f32]) {
        let n = from.len();
        // Sixteen at a time, so that the target's cache lines stay in the L1 cache.
        for (block, from) in from.chunks(16).enumerate() {
            for (j, to) in to.chunks_exact_mut(n).enumerate() {
                let to = &mut to[block * 16..][..from.len()];
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from[j];
                }
            }
        }
    }
}

for_each_instruction_set! {
    fn add(to: &mut [f32], values: &[f32]) {
        for (to, value) in to.iter_mut().zip(values) {
            *to += value;
        }
    }
}

/// Zeroes the elements where a query (column) does not see a key (row).
fn hide_unseen(
    weights: &mut [Row],
    gradients: &mut [Row],
    keys: &std::ops::Range<usize>,
    first_query: usize,
    starts: &[u32],
) {
    let last_start = starts.last().map_or(0, |&start| start as usize);
    for (key, (weights, gradients)) in keys.clone().zip(weights.iter_mut().zip(gradients)) {
        if key >= last_start && key <= first_query {
            continue;
        }
        for (j, &start) in starts.iter().enumerate() {
            if key < start as usize || key > first_query + j {
                (weights[j], gradients[j]) = (0.0, 0.0);
            }
        }
    }
}

/// Joins panels side by side.
///
/// # Shapes
/// `panels`: `[dim / WIDTH]` of `[n]` rows; returns `[n, dim]`
fn in_rows(panels: &[Vec<Row>], dim: usize) -> Vec<f32> {
    let n = panels.first().map_or(0, Vec::len);
    let mut rows = vec![0.0; n * dim];
    for (i, row) in rows.chunks_exact_mut(dim).enumerate() {
        for (to, panel) in row.chunks_mut(WIDTH).zip(panels) {
            to.copy_from_slice(&panel[i][..to.len()]);
        }
    }
    rows
}
