//! Attention over full sequences, for training: one autograd function with its own backward pass.
//!
//! Scores are computed for a tile of queries at a time, recomputed in backward, and never stored: they would take more
//! memory than everything else.
//!
//! # Source
//! Dao et al. 2022, arXiv:2205.14135, algorithms 1 and 4, tiled over queries only.

use std::sync::Arc;

use burn::tensor::{DType, Tensor, activation::softmax};

use super::{AttentionMask, attend, by_head};
use crate::autograd::{Function, apply};
use crate::config::Heads;
use crate::device::is_cpu;
#[cfg(feature = "cube")]
use crate::fused::cube;
use crate::fused::{Kernel, Kernels};
use crate::kernel::attention::{Attended, Problem};
use crate::kernel::{Values, matrix};

/// Maximum number of scores in memory: 128 MB in single precision.
const SCORES: usize = 32 << 20;
/// Minimum number of queries of each sequence per tile.
const FEWEST_QUERIES: usize = 64;

/// Computes causal attention over full sequences.
///
/// # Shapes
/// `q`: `[rows, num_heads * head_dim]`, scaled; `k`, `v`: `[rows, num_kv_heads * head_dim]`; rows as in `mask`;
/// returns the shape of `q`
pub(crate) fn attend_full_sequence(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    mask: &Arc<AttentionMask>,
    heads: Heads,
    kernels: &Kernels,
) -> Tensor<2> {
    if is_cpu(&q.device()) {
        let mask = mask.clone();
        return apply(Fused { mask, heads }, [q, k, v]);
    }
    let mask = mask.clone();
    let kernels = kernels.clone();
    let attend = OnDevice {
        mask,
        heads,
        kernels,
    };
    apply(attend, [q, k, v])
}

/// Why the kernels support the heads.
#[cfg(feature = "cube")]
const CHECKED: &str = "the check at start-up has called the kernels with these heads";

/// What the backward pass of [`attend_on_device`] needs.
#[derive(Clone, Debug)]
pub(crate) struct AttentionSaved {
    qkv: [Tensor<2>; 3],
    /// The output, and the logarithm of each row's sum of scores, from the kernel.
    of_kernel: Option<[Tensor<2>; 2]>,
}

/// [`attend_full_sequence`] on plain tensors: by the kernel if it is on, otherwise in burn's operations, a tile of queries
/// at a time; on any device.
pub(crate) fn attend_on_device(
    kernels: &Kernels,
    qkv: [Tensor<2>; 3],
    mask: &Arc<AttentionMask>,
    heads: Heads,
) -> (Tensor<2>, AttentionSaved) {
    #[cfg(feature = "cube")]
    if kernels.is_on(Kernel::Attention) && !mask.has_window() {
        let rows = mask.rows(&qkv[0].device());
        let attended = cube::attend(kernels, qkv.clone(), rows, heads);
        let [out, log_sums] = attended.unwrap_or_else(|error| unreachable!("{CHECKED}: {error}"));
        let of_kernel = Some([out.clone(), log_sums]);
        return (out, AttentionSaved { qkv, of_kernel });
    }
    debug_assert!(
        mask.has_window() || !kernels.is_on(Kernel::Attention),
        "a device of CubeCL"
    );
    let (out, qkv) = Attend::new(mask, heads).forward(qkv);
    let of_kernel = None;
    (out, AttentionSaved { qkv, of_kernel })
}

/// Computes the gradients of queries, keys and values of [`attend_on_device`].
pub(crate) fn attend_on_device_backward(
    kernels: &Kernels,
    saved: AttentionSaved,
    gradient: Tensor<2>,
    mask: &Arc<AttentionMask>,
    heads: Heads,
) -> [Tensor<2>; 3] {
    let AttentionSaved { qkv, of_kernel } = saved;
    #[cfg(feature = "cube")]
    if let Some([out, log_sums]) = of_kernel {
        let rows = mask.rows(&gradient.device());
        let found = cube::attend_backward(kernels, qkv, [out, log_sums, gradient], rows, heads);
        return found.unwrap_or_else(|error| unreachable!("{CHECKED}: {error}"));
    }
    debug_assert!(of_kernel.is_none() && (mask.has_window() || !kernels.is_on(Kernel::Attention)));
    Attend::new(mask, heads).gradients(qkv, gradient)
}

/// [`attend_on_device`] as an autograd function.
#[derive(Clone)]
struct OnDevice {
    mask: Arc<AttentionMask>,
    heads: Heads,
    kernels: Kernels,
}

impl Function<3> for OnDevice {
    type Saved = AttentionSaved;

    fn forward(&self, qkv: [Tensor<2>; 3]) -> (Tensor<2>, AttentionSaved) {
        attend_on_device(&self.kernels, qkv, &self.mask, self.heads)
    }

    fn backward(
        self,
        saved: AttentionSaved,
        gradient: Tensor<2>,
        _: [bool; 3],
    ) -> [Option<Tensor<2>>; 3] {
        let found =
            attend_on_device_backward(&self.kernels, saved, gradient, &self.mask, self.heads);
        found.map(Some)
    }
}

/// The same in burn's operations and autodiff, over full scores: the reference for tests and benchmarks.
pub(crate) fn attend_reference(
    [q, k, v]: [Tensor<2>; 3],
    mask: &AttentionMask,
    heads: Heads,
) -> Tensor<2> {
    let rows = mask.batch() * mask.length();
    let split = |x: Tensor<2>, n| by_head(x.reshape([rows, n, heads.dim]), mask.batch());
    let mask = mask.additive(&q.device().inner());
    let (k, v) = (split(k, heads.key_value), split(v, heads.key_value));
    attend(split(q, heads.query), k, v, mask, heads)
}

/// In this crate's own loops, on the CPU.
#[derive(Clone)]
struct Fused {
    mask: Arc<AttentionMask>,
    heads: Heads,
}

impl Fused {
    fn problem<'a>(&'a self, [queries, keys, values]: &'a [Values; 3]) -> Problem<'a> {
        Problem {
            queries: queries.as_slice(),
            keys: keys.as_slice(),
            values: values.as_slice(),
            starts: self.mask.starts(),
            length: self.mask.length(),
            heads: self.heads,
        }
    }
}

impl Function<3> for Fused {
    type Saved = ([Tensor<2>; 3], Tensor<2>, Arc<Vec<f32>>);

    fn forward(&self, inputs: [Tensor<2>; 3]) -> (Tensor<2>, Self::Saved) {
        let (shape, device) = (inputs[0].dims(), inputs[0].device());
        let values = inputs.clone().map(Values::of);
        let Attended { out, log_sums } = self.problem(&values).forward();
        let out = matrix(out, shape, &device);
        (out.clone(), (inputs, out, Arc::new(log_sums)))
    }

    fn backward(
        self,
        (inputs, out, log_sums): Self::Saved,
        gradient: Tensor<2>,
        _: [bool; 3],
    ) -> [Option<Tensor<2>>; 3] {
        let (shapes, device) = (inputs.each_ref().map(Tensor::dims), out.device());
        let values = inputs.map(Values::of);
        let (out, gradient) = (Values::of(out), Values::of(gradient));
        let found = self
            .problem(&values)
            .backward((out.as_slice(), &log_sums), gradient.as_slice());
        let [q, k, v] = shapes;
        let of = |values, shape| Some(matrix(values, shape, &device));
        [of(found.queries, q), of(found.keys, k), of(found.values, v)]
    }
}

/// In burn's tensor operations, for any device.
#[derive(Clone)]
struct Attend {
    mask: Arc<AttentionMask>,
    heads: Heads,
    /// Queries per tile.
    queries: usize,
}

/// Some queries of every sequence, and the keys visible to them.
struct Tile {
    /// Index of the first query.
    start: usize,
    /// End (exclusive) of the queries and of the keys.
    end: usize,
}

impl Attend {
    fn new(mask: &Arc<AttentionMask>, heads: Heads) -> Self {
        let of_a_query = mask.batch() * heads.query * mask.length();
        // A power of two, so that kernels are tuned for few shapes.
        let queries = 1 << (SCORES / of_a_query).max(FEWEST_QUERIES).ilog2();
        let mask = mask.clone();
        Self {
            mask,
            heads,
            queries,
        }
    }

    fn tiles(&self) -> impl DoubleEndedIterator<Item = Tile> {
        let length = self.mask.length();
        let step = self.queries;
        (0..length.div_ceil(step)).map(move |index| Tile {
            start: index * step,
            end: length.min((index + 1) * step),
        })
    }

    /// Reshapes rows to `[batch, heads, length, head_dim]`.
    fn by_head(&self, x: Tensor<2>, heads: usize) -> Tensor<4> {
        let (batch, length) = (self.mask.batch(), self.mask.length());
        x.reshape([batch, length, heads, self.heads.dim])
            .swap_dims(1, 2)
    }

    /// The inverse of [`Self::by_head`].
    fn by_row(x: Tensor<4>) -> Tensor<2> {
        let [batch, heads, length, dim] = x.dims();
        x.swap_dims(1, 2).reshape([batch * length, heads * dim])
    }

    /// Returns the queries of a tile; those that share a key-value head are folded into its rows.
    fn queries(&self, x: &Tensor<4>, tile: &Tile) -> Tensor<4> {
        let [batch, heads, _, dim] = x.dims();
        let group = heads / self.heads.key_value;
        let n = tile.end - tile.start;
        x.clone()
            .narrow(2, tile.start, n)
            .reshape([batch, self.heads.key_value, group * n, dim])
    }

    /// Returns the attention weights of a tile in single precision, `[batch, num_kv_heads, group * queries, keys]`.
    fn weights(&self, q: &Tensor<4>, k: &Tensor<4>, tile: &Tile) -> Tensor<4> {
        let (q, keys) = (self.queries(q, tile), k.clone().narrow(2, 0, tile.end));
        let [batch, shared, rows, _] = q.dims();
        let n = tile.end - tile.start;
        let scores = q.matmul(keys.transpose()).cast(DType::F32);
        let scores = scores.reshape([batch, self.heads.query, n, tile.end]);
        let mask = self.mask.additive(&scores.device()).clone();
        let mask = mask.narrow(2, tile.start, n).narrow(3, 0, tile.end);
        softmax(scores + mask, 3).reshape([batch, shared, rows, tile.end])
    }

    /// Computes the gradients of queries, keys and values; the scores are computed again.
    fn gradients(&self, [q, k, v]: [Tensor<2>; 3], gradient: Tensor<2>) -> [Tensor<2>; 3] {
        let kind = q.dtype();
        let q = self.by_head(q, self.heads.query);
        let [k, v] = [k, v].map(|x| self.by_head(x, self.heads.key_value));
        let gradient = self.by_head(gradient, self.heads.query);
        let mut of_q = Vec::new();
        let mut of_keys: Option<[Tensor<4>; 2]> = None;
        // From the last tile, which has all keys, to the first.
        for tile in self.tiles().rev() {
            let n = tile.end - tile.start;
            let seen = |x: &Tensor<4>| x.clone().narrow(2, 0, tile.end);
            let weights = self.weights(&q, &k, &tile);
            let of_out = self.queries(&gradient, &tile);
            let of_weights = of_out.clone().matmul(seen(&v).transpose());
            let weighted = weights.clone() * of_weights.cast(DType::F32);
            let of_v = weights.clone().cast(kind).transpose().matmul(of_out);
            let sums = weighted.clone().sum_dim(3);
            let of_scores = (weighted - weights * sums).cast(kind);
            let of_k = of_scores
                .clone()
                .transpose()
                .matmul(self.queries(&q, &tile));
            let of_tile = of_scores.matmul(seen(&k));
            let [batch, ..] = of_tile.dims();
            of_q.push(of_tile.reshape([batch, self.heads.query, n, self.heads.dim]));
            let found = [of_k, of_v].map(|x| x.cast(DType::F32));
            of_keys = Some(match of_keys {
                None => found,
                Some([k, v]) => {
                    let [of_k, of_v] = found;
                    [added(k, of_k), added(v, of_v)]
                }
            });
        }
        of_q.reverse();
        let of_q = Self::by_row(Tensor::cat(of_q, 2));
        let [of_k, of_v] = match of_keys {
            Some(found) => found.map(|x| Self::by_row(x).cast(kind)),
            None => unreachable!("a sequence has a token"),
        };
        [of_q, of_k, of_v]
    }
}

impl Function<3> for Attend {
    type Saved = [Tensor<2>; 3];

    fn forward(&self, [q, k, v]: [Tensor<2>; 3]) -> (Tensor<2>, Self::Saved) {
        let saved = [q.clone(), k.clone(), v.clone()];
        let kind = q.dtype();
        let q = self.by_head(q, self.heads.query);
        let [k, v] = [k, v].map(|x| self.by_head(x, self.heads.key_value));
        let tiles = self.tiles().map(|tile| {
            let weights = self.weights(&q, &k, &tile).cast(kind);
            let out = weights.matmul(v.clone().narrow(2, 0, tile.end));
            let [batch, ..] = out.dims();
            let n = tile.end - tile.start;
            out.reshape([batch, self.heads.query, n, self.heads.dim])
        });
        let out = Tensor::cat(tiles.collect(), 2);
        (Self::by_row(out), saved)
    }

    fn backward(
        self,
        saved: Self::Saved,
        gradient: Tensor<2>,
        _: [bool; 3],
    ) -> [Option<Tensor<2>>; 3] {
        self.gradients(saved, gradient).map(Some)
    }
}

/// Adds `part` to the first keys of `sum`.
fn added(sum: Tensor<4>, part: Tensor<4>) -> Tensor<4> {
    let [batch, heads, keys, dim] = part.dims();
    let place = [0..batch, 0..heads, 0..keys, 0..dim];
    let first = sum.clone().narrow(2, 0, keys);
    sum.slice_assign(place, first + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::{agree, normal};

    const HEADS: Heads = Heads {
        query: 6,
        key_value: 2,
        dim: 8,
    };

    fn check(mask: AttentionMask, queries: &[usize]) {
        let rows = mask.batch() * mask.length();
        let inputs = [48, 16, 16].map(|width| normal([rows, width]));
        let mask = Arc::new(mask);
        let plain = |x| attend_reference(x, &mask, HEADS);
        for &queries in queries {
            let attend = Attend {
                mask: mask.clone(),
                heads: HEADS,
                queries,
            };
            agree(inputs.clone(), |x| apply(attend.clone(), x), plain);
        }
        // As in training.
        agree(
            inputs,
            |[q, k, v]| attend_full_sequence(q, k, v, &mask, HEADS, &Kernels::default()),
            plain,
        );
    }

    #[test]
    fn value_and_gradients_equal_plain_autodiffs() {
        check(AttentionMask::causal(2, 11), &[1, 4, 11, 64]);
        check(
            AttentionMask::packed(&[vec![3, 5, 2], vec![9]], 11),
            &[1, 4, 64],
        );
    }
}
