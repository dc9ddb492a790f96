//! Attention in double precision, forward and backward, by its definition.

use std::ops::Range;

use half::bf16;
use slm_kernels::flash::Shape;

/// Inputs of both passes.
pub(super) struct Problem {
    pub(super) shape: Shape,
    pub(super) starts: Vec<u32>,
    pub(super) queries: Vec<f32>,
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    /// Gradient of the output.
    pub(super) gradient: Vec<f32>,
}

/// Output, log-sum-exps and gradients of queries, keys and values.
pub(super) struct Results(pub(super) [Vec<f64>; 5]);

/// The starts of sequences packed from texts.
pub(super) fn packed(texts: &[Vec<usize>]) -> Vec<u32> {
    let length = texts[0].iter().sum();
    padded(texts, length)
}

/// The starts of sequences packed from texts, followed by padding: each padding row sees itself.
pub(super) fn padded(texts: &[Vec<usize>], length: usize) -> Vec<u32> {
    let mut starts = Vec::new();
    for lengths in texts {
        let mut start = 0;
        for &text in lengths {
            starts.extend(std::iter::repeat_n(start as u32, text));
            start += text;
        }
        starts.extend(start as u32..length as u32);
    }
    starts
}

/// Values in -1 .. 1 from a linear congruential generator.
fn random(n: usize, scale: f32, half: bool, state: &mut u64) -> Vec<f32> {
    let mut next = || {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let value = scale * ((*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0);
        if half {
            bf16::from_f32(value).to_f32()
        } else {
            value
        }
    };
    (0..n).map(|_| next()).collect()
}

impl Problem {
    pub(super) fn random(shape: Shape, starts: Vec<u32>, half: bool) -> Self {
        let rows = shape.batch * shape.length;
        assert_eq!(starts.len(), rows);
        let wide = rows * shape.heads * shape.dim;
        let narrow = rows * shape.key_value_heads * shape.dim;
        let mut state = 7 + (rows * 31 + shape.heads * 7 + shape.dim) as u64;
        Self {
            shape,
            starts,
            queries: random(wide, 4.0 / (shape.dim as f32).sqrt(), half, &mut state),
            keys: random(narrow, 1.0, half, &mut state),
            values: random(narrow, 1.0, half, &mut state),
            gradient: random(wide, 1.0, half, &mut state),
        }
    }

    /// Some rows of a batch of one sequence as one text.
    pub(super) fn rows(&self, rows: Range<usize>) -> Self {
        let wide = self.shape.heads * self.shape.dim;
        let narrow = self.shape.key_value_heads * self.shape.dim;
        let of = |values: &[f32], width| values[rows.start * width..rows.end * width].to_vec();
        Self {
            shape: Shape {
                length: rows.len(),
                ..self.shape
            },
            starts: vec![0; rows.len()],
            queries: of(&self.queries, wide),
            keys: of(&self.keys, narrow),
            values: of(&self.values, narrow),
            gradient: of(&self.gradient, wide),
        }
    }

    pub(super) fn reference(&self) -> Results {
        let Shape {
            batch,
            length,
            heads,
            key_value_heads,
            dim,
        } = self.shape;
        let group = heads / key_value_heads;
        let mut out = vec![0.0; self.queries.len()];
        let mut log_sums = vec![0.0; batch * heads * length];
        let mut of_queries = vec![0.0; self.queries.len()];
        let mut of_keys = vec![0.0; self.keys.len()];
        let mut of_values = vec![0.0; self.keys.len()];
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(&a, &b)| f64::from(a) * f64::from(b))
                .sum()
        };
        for (row, &start) in self.starts.iter().enumerate() {
            let (sequence, own) = (row / length, row % length);
            for head in 0..heads {
                let at = (row * heads + head) * dim;
                let query = &self.queries[at..at + dim];
                let gradient = &self.gradient[at..at + dim];
                let key_at =
                    |key: usize| ((sequence * length + key) * key_value_heads + head / group) * dim;
                let visible: Vec<usize> = (start as usize..=own).collect();
                let scores: Vec<f64> = visible
                    .iter()
                    .map(|&key| dot(query, &self.keys[key_at(key)..][..dim]))
                    .collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = scores.iter().map(|s| (s - largest).exp()).sum();
                let log_sum = largest + total.ln();
                log_sums[(sequence * heads + head) * length + own] = log_sum;
                let weights: Vec<f64> = scores.iter().map(|s| (s - log_sum).exp()).collect();
                let of_weights: Vec<f64> = visible
                    .iter()
                    .map(|&key| dot(gradient, &self.values[key_at(key)..][..dim]))
                    .collect();
                let common: f64 = weights.iter().zip(&of_weights).map(|(w, g)| w * g).sum();
                for ((&key, weight), of_weight) in visible.iter().zip(&weights).zip(&of_weights) {
                    let of_score = weight * (of_weight - common);
                    let from = key_at(key);
                    for i in 0..dim {
                        out[at + i] += weight * f64::from(self.values[from + i]);
                        of_queries[at + i] += of_score * f64::from(self.keys[from + i]);
                        of_keys[from + i] += of_score * f64::from(query[i]);
                        of_values[from + i] += weight * f64::from(gradient[i]);
                    }
                }
            }
        }
        Results([out, log_sums, of_queries, of_keys, of_values])
    }
}
