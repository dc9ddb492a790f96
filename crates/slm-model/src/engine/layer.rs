//! A decoder layer in the engine's memory layout.

use super::attention::Cache;
use super::linear::{Adapted, Linear, project};
use super::matrix::Matrix;
use super::norm::Norm;
use super::pair::LayerPairs;
use super::rotation::Rotations;
use crate::config::{
    Activation, FeedForwardForm, Heads, K_NORM, LayerKind, ModelConfig, Q_NORM, Target,
};
use crate::simd::{geglu, gelu, swiglu};
use crate::weights::{Weights, WeightsError};

/// The weights of one decoder layer.
#[derive(Debug)]
pub(super) struct Layer {
    before_attention: Option<Norm>,
    after_attention: Option<Norm>,
    before_feed_forward: Option<Norm>,
    after_feed_forward: Option<Norm>,
    /// By [`Target`]; those of the family.
    linears: Vec<(Target, Linear)>,
    /// The norms of queries and keys.
    qk_norms: Option<[Norm; 2]>,
    kind: LayerKind,
}

/// What all layers of a model share.
#[derive(Debug)]
pub(super) struct Constants {
    heads: Heads,
    /// The factor of the queries.
    query_scale: f32,
    /// The factor of the output of each block.
    residual: f32,
    activation: Activation,
    form: FeedForwardForm,
}

impl Constants {
    pub(super) fn of(config: &ModelConfig) -> Self {
        Self {
            heads: Heads::of(config),
            query_scale: config.query_scale(),
            residual: config.multipliers.residual as f32,
            activation: config.activation,
            form: config.family.feed_forward(),
        }
    }
}

/// The inputs of a forward pass that all layers share.
pub(super) struct Pass<'a> {
    pub(super) constants: &'a Constants,
    pub(super) rotations: &'a Rotations,
    /// Slot and position of each row.
    pub(super) at: &'a [(usize, usize)],
}

impl Layer {
    pub(super) fn load(weights: &Weights, index: usize) -> Result<Self, WeightsError> {
        let config = weights.config();
        let path = |name: &str| format!("model.layers.{index}.{name}");
        let norm = |name: Option<&str>| {
            let load = |name: &str| Norm::load(weights, &path(name));
            name.map(load).transpose()
        };
        let linear = |&target: &Target| {
            let module = path(&target.path_in_layer());
            let bias = target.has_bias(config);
            let bias = bias.then(|| weights.tensor(&format!("{module}.bias")));
            let linear = Linear {
                weight: Matrix::load(weights, &format!("{module}.weight"))?,
                bias: bias.transpose()?.map(|bias| bias.values),
            };
            Ok::<_, WeightsError>((target, linear))
        };
        let qk_norm = |name: &str| Norm::load_rms(weights, &path(name));
        let qk_norms = match config.qk_norm_widths() {
            Some(_) => Some([qk_norm(Q_NORM)?, qk_norm(K_NORM)?]),
            None => None,
        };
        let names = config.family.norms;
        Ok(Self {
            before_attention: norm(names.before_attention)?,
            after_attention: norm(names.after_attention)?,
            before_feed_forward: norm(names.before_feed_forward)?,
            after_feed_forward: norm(names.after_feed_forward)?,
            linears: config
                .targets()
                .iter()
                .map(linear)
                .collect::<Result<_, _>>()?,
            qk_norms,
            kind: config.layer_kind(index),
        })
    }

    /// Size of the matrices in bytes.
    pub(super) fn bytes(&self) -> usize {
        let sizes = self.linears.iter().map(|(_, linear)| linear.weight.bytes());
        sizes.sum()
    }

    /// Returns a linear layer with its pair.
    fn adapted<'a>(&'a self, target: Target, pairs: Option<&'a LayerPairs>) -> Adapted<'a> {
        let found = self.linears.iter().find(|(of, _)| *of == target);
        match found {
            Some((_, linear)) => (linear, pairs.and_then(|pairs| pairs.get(target))),
            None => unreachable!("a family without {}", target.name()),
        }
    }

    /// Runs the layer on the residual stream `x`.
    ///
    /// # Shapes
    /// `x`: `[n, hidden_size]`
    pub(super) fn forward(
        &self,
        index: usize,
        pairs: Option<&LayerPairs>,
        pass: &Pass<'_>,
        cache: &mut Cache,
        x: &mut [f32],
    ) {
        let residual = pass.constants.residual;
        let attended = self.attended(index, pairs, pass, cache, x);
        add_block(x, attended, self.after_attention.as_ref(), residual);
        let fed = self.fed(pairs, pass, x);
        add_block(x, fed, self.after_feed_forward.as_ref(), residual);
    }

    /// Computes the output of attention.
    fn attended(
        &self,
        index: usize,
        pairs: Option<&LayerPairs>,
        pass: &Pass<'_>,
        cache: &mut Cache,
        x: &[f32],
    ) -> Vec<f32> {
        let &Pass {
            constants,
            rotations,
            at,
        } = pass;
        let (n, heads) = (at.len(), constants.heads);
        let normed = input(self.before_attention.as_ref(), x);
        let [mut q, mut k, v] = self.queries_keys_values(&normed, pairs, n, heads);
        if let Some([of_queries, of_keys]) = &self.qk_norms {
            of_queries.apply(&mut q);
            of_keys.apply(&mut k);
        }
        if let Some(base) = self.kind.rope {
            let rotation = rotations.of(base);
            rotation.apply(&mut q, heads.dim);
            rotation.apply(&mut k, heads.dim);
        }
        for q in &mut q {
            *q *= constants.query_scale;
        }
        cache.write(index, at, &k, &v, heads.dim);
        let attended = cache.attend(index, at, &q, heads, self.kind.window);
        let [out] = project([self.adapted(Target::OProj, pairs)], &attended, n);
        out
    }

    fn queries_keys_values(
        &self,
        x: &[f32],
        pairs: Option<&LayerPairs>,
        n: usize,
        heads: Heads,
    ) -> [Vec<f32>; 3] {
        let linear = |target| self.adapted(target, pairs);
        if self.linears.iter().all(|(of, _)| *of != Target::QkvProj) {
            let three = [Target::QProj, Target::KProj, Target::VProj];
            return project(three.map(linear), x, n);
        }
        let [all] = project([linear(Target::QkvProj)], x, n);
        let (queries, keys) = (heads.query * heads.dim, heads.key_value * heads.dim);
        split(&all, [queries, keys, keys])
    }

    /// Computes the output of the feed-forward block.
    fn fed(&self, pairs: Option<&LayerPairs>, pass: &Pass<'_>, x: &[f32]) -> Vec<f32> {
        let n = pass.at.len();
        let linear = |target| self.adapted(target, pairs);
        let normed = input(self.before_feed_forward.as_ref(), x);
        let (hidden, down) = match pass.constants.form {
            FeedForwardForm::Gated { gate, up, down } => {
                let [mut gate, up] = project([linear(gate), linear(up)], &normed, n);
                gated(pass.constants.activation, &mut gate, &up);
                (gate, down)
            }
            FeedForwardForm::FusedGated { gate_up, down } => {
                let [both] = project([linear(gate_up)], &normed, n);
                let width = both.len() / n / 2;
                let [mut gate, up] = split(&both, [width, width]);
                gated(pass.constants.activation, &mut gate, &up);
                (gate, down)
            }
            FeedForwardForm::Plain { up, down } => {
                let [mut hidden] = project([linear(up)], &normed, n);
                match pass.constants.activation {
                    Activation::Silu => {
                        let ones = vec![1.0; hidden.len()];
                        swiglu(&mut hidden, &ones);
                    }
                    Activation::GeluTanh => gelu(&mut hidden),
                }
                (hidden, down)
            }
        };
        let [out] = project([linear(down)], &hidden, n);
        out
    }
}

/// Writes `activation(gate) * up` to `gate`.
fn gated(activation: Activation, gate: &mut [f32], up: &[f32]) {
    match activation {
        Activation::Silu => swiglu(gate, up),
        Activation::GeluTanh => geglu(gate, up),
    }
}

/// Copies the residual stream and applies the norm of a block's input, if the layer has one.
fn input(norm: Option<&Norm>, x: &[f32]) -> Vec<f32> {
    let mut x = x.to_vec();
    if let Some(norm) = norm {
        norm.apply(&mut x);
    }
    x
}

/// Adds the output of a block, after its norm and times its factor, to the residual stream.
fn add_block(x: &mut [f32], mut out: Vec<f32>, norm: Option<&Norm>, factor: f32) {
    if let Some(norm) = norm {
        norm.apply(&mut out);
    }
    if factor.to_bits() == 1f32.to_bits() {
        for (x, out) in x.iter_mut().zip(&out) {
            *x += out;
        }
    } else {
        for (x, out) in x.iter_mut().zip(&out) {
            *x += factor * out;
        }
    }
}

/// Splits each row into parts of the given widths.
fn split<const N: usize>(rows: &[f32], widths: [usize; N]) -> [Vec<f32>; N] {
    let width = widths.iter().sum();
    let n = rows.len() / width;
    let mut start = 0;
    widths.map(|part| {
        let range = start..start + part;
        start += part;
        let mut out = Vec::with_capacity(n * part);
        for row in rows.chunks_exact(width) {
            out.extend_from_slice(&row[range.clone()]);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_their_parts() {
        let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let [a, b] = split(&rows, [1, 2]);
        assert_eq!((a, b), (vec![1.0, 4.0], vec![2.0, 3.0, 5.0, 6.0]));
    }
}
