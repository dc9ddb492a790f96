//! Rotary position embedding, half-split form (GPT-NeoX order), as Llama and Qwen2 use it.

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::ModelConfig;

/// Cosines and sines for some positions, shared by all layers of a forward pass.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// `[positions, 1, head_dim]`, so that it spreads over heads.
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl Rotary {
    /// The tables for `positions`.
    ///
    /// Angles are rounded to f32 before the cosine is taken, as transformers does.
    pub(crate) fn new(config: &ModelConfig, positions: &[usize], device: &Device) -> Self {
        let inv_freq = config.inv_freq();
        let table = |f: fn(f64) -> f64| {
            let mut values = Vec::with_capacity(positions.len() * config.head_dim);
            for &position in positions {
                // Both halves of a head turn by the same angles.
                for _ in 0..2 {
                    values.extend(
                        inv_freq
                            .iter()
                            .map(|&w| f(f64::from(position as f32 * w)) as f32),
                    );
                }
            }
            let shape = [positions.len(), 1, config.head_dim];
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self {
            cos: table(f64::cos),
            sin: table(f64::sin),
        }
    }

    /// Turns each head of `x` by its token's angles.
    ///
    /// # Shapes
    /// `x`: `[batch * positions, heads, head_dim]`, the positions repeating for every sequence of
    /// the batch; returns the same
    pub(crate) fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, heads, dim] = x.dims();
        let [positions, _, _] = self.cos.dims();
        let half = dim / 2;
        let first = x.clone().narrow(2, 0, half);
        let second = x.clone().narrow(2, half, half);
        let turned = Tensor::cat(vec![second.neg(), first], 2);
        if positions == rows {
            return x * self.cos.clone() + turned * self.sin.clone();
        }
        let batched = [rows / positions, positions, heads, dim];
        let (cos, sin) = (
            self.cos.clone().unsqueeze::<4>(),
            self.sin.clone().unsqueeze::<4>(),
        );
        (x.reshape(batched) * cos + turned.reshape(batched) * sin).reshape([rows, heads, dim])
    }
}
