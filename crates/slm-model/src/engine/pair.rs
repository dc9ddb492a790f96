//! LoRA pairs in the engine's memory layout.

use super::matrix::Matrix;
use crate::kernel::packed::Inputs;
use crate::lora::LowRank;
use crate::simd::{Row, WIDTH};
use crate::target::Target;

/// The low-rank pair beside one linear layer.
#[derive(Debug)]
pub(crate) struct Pair {
    /// `[r, in]`
    a: Matrix,
    /// `[out, r]`
    b: Matrix,
    scale: f32,
    /// The `DoRA` factor of each output.
    factors: Option<Vec<f32>>,
    /// What the bias of B adds to each output.
    bias: Option<Vec<f32>>,
}

impl Pair {
    pub(super) fn new(pair: &LowRank, factors: Option<Vec<f32>>) -> Self {
        let (a, b) = (pair.host_a(), pair.host_b());
        Self {
            a: Matrix::from_values(&a.values, a.shape[1]),
            b: Matrix::from_values(&b.values, b.shape[1]),
            scale: pair.scale as f32,
            factors,
            bias: pair.host_scaled_bias(),
        }
    }

    /// `scale * (x Aᵀ)`.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; returns `[n, r]`
    pub(crate) fn narrow(&self, x: &[f32], n: usize) -> Vec<f32> {
        let rank = self.a.out_features;
        let mut narrow = vec![0.0; n * rank];
        let x = Inputs::new(x, false);
        let mut out = vec![[0.0; WIDTH]; n];
        for panel in 0..self.a.panels() {
            out.fill([0.0; WIDTH]);
            self.a.add_products(panel, &x, &mut out);
            for (to, from) in narrow.chunks_mut(rank).zip(&out) {
                for (to, from) in to[panel * WIDTH..].iter_mut().zip(from) {
                    *to = self.scale * from;
                }
            }
        }
        narrow
    }

    /// Adds the pair's update to one panel of the frozen layer's outputs and applies the `DoRA` factors.
    ///
    /// # Shapes
    /// `narrow`: `[n, r]`; `out`: `[n, WIDTH]`
    pub(crate) fn apply(&self, panel: usize, narrow: &[f32], out: &mut [Row]) {
        let mut update = vec![[0.0; WIDTH]; out.len()];
        self.b
            .add_products(panel, &Inputs::new(narrow, false), &mut update);
        for (out, update) in out.iter_mut().zip(&update) {
            for (out, update) in out.iter_mut().zip(update) {
                *out += update;
            }
        }
        if let Some(bias) = &self.bias {
            for out in &mut *out {
                for (out, bias) in out.iter_mut().zip(&bias[panel * WIDTH..]) {
                    *out += bias;
                }
            }
        }
        if let Some(factors) = &self.factors {
            for out in out {
                for (out, factor) in out.iter_mut().zip(&factors[panel * WIDTH..]) {
                    *out *= factor;
                }
            }
        }
    }
}

/// The pairs of one layer, by target.
#[derive(Debug)]
pub(crate) struct LayerPairs(pub(super) Vec<(Target, Pair)>);

impl LayerPairs {
    pub(crate) fn get(&self, target: Target) -> Option<&Pair> {
        let (_, pair) = self.0.iter().find(|(of, _)| *of == target)?;
        Some(pair)
    }
}
