//! The norms of the engine.

use crate::config::NormKind;
use crate::simd::{inverse_rms, sum};
use crate::weights::{Weights, WeightsError};

/// A norm with its weights.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Vec<f32>,
    /// Of a `LayerNorm`; without it, the norm is an `RMSNorm`.
    bias: Option<Vec<f32>>,
    eps: f32,
}

impl Norm {
    /// Reads a norm of the residual stream by the name of its module.
    pub(super) fn load(weights: &Weights, module: &str) -> Result<Self, WeightsError> {
        let mut norm = Self::load_rms(weights, module)?;
        if weights.config().family.norm == NormKind::Layer {
            norm.bias = Some(weights.tensor(&format!("{module}.bias"))?.values);
        }
        Ok(norm)
    }

    /// Reads an `RMSNorm` by the name of its module.
    pub(super) fn load_rms(weights: &Weights, module: &str) -> Result<Self, WeightsError> {
        let config = weights.config();
        let mut weight = weights.tensor(&format!("{module}.weight"))?.values;
        if config.family.norm == NormKind::RmsFromOne {
            for weight in &mut weight {
                *weight += 1.0;
            }
        }
        Ok(Self {
            weight,
            bias: None,
            eps: config.rms_norm_eps as f32,
        })
    }

    /// The same with all results multiplied by a factor.
    pub(super) fn scaled(mut self, factor: f32) -> Self {
        let bias = self.bias.iter_mut().flatten();
        for value in self.weight.iter_mut().chain(bias) {
            *value *= factor;
        }
        self
    }

    /// Replaces each row, of the width of the weights, by its norm.
    ///
    /// # Source
    /// `RMSNorm`: Zhang and Sennrich 2019, arXiv:1910.07467; `LayerNorm`: Ba et al. 2016, arXiv:1607.06450.
    pub(super) fn apply(&self, x: &mut [f32]) {
        let width = self.weight.len();
        for row in x.chunks_exact_mut(width) {
            let Some(bias) = &self.bias else {
                let factor = inverse_rms(row, self.eps);
                for (value, weight) in row.iter_mut().zip(&self.weight) {
                    *value = *value * factor * weight;
                }
                continue;
            };
            let mean = sum(row) / width as f32;
            for value in row.iter_mut() {
                *value -= mean;
            }
            let factor = inverse_rms(row, self.eps);
            for ((value, weight), bias) in row.iter_mut().zip(&self.weight).zip(bias) {
                *value = *value * factor * weight + bias;
            }
        }
    }
}
