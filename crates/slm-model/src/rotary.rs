//! Rotary position embedding, half-split form (GPT-NeoX order), as Llama and Qwen2 use it.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::config::ModelConfig;
use crate::device::is_cpu;
use crate::kernel::rotary::{RotaryTable, rotate};

/// Rotation angle of each pair of elements of a head at each position.
///
/// Angles are rounded to f32 before their cosine is taken, as transformers does.
pub(crate) fn angles(
    inv_freq: &[f32],
    positions: impl Iterator<Item = usize>,
) -> impl Iterator<Item = f64> {
    positions.flat_map(move |position| {
        let angle = move |&w: &f32| f64::from(position as f32 * w);
        inv_freq.iter().map(angle)
    })
}

/// Cosines and sines of the given positions, shared by all layers of a forward pass.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// `[positions, 1, head_dim]`, to broadcast over heads.
    cos: Tensor<3>,
    sin: Tensor<3>,
    /// The same on the host, half a head each.
    table: RotaryTable,
}

impl Rotary {
    /// Computes the tables for `positions`.
    pub(crate) fn new(config: &ModelConfig, positions: &[usize], device: &Device) -> Self {
        let (inv_freq, head_dim) = (config.inv_freq(), config.head_dim);
        let of_angles = |f: fn(f64) -> f64| -> Vec<f32> {
            let angles = angles(&inv_freq, positions.iter().copied());
            angles.map(|angle| f(angle) as f32).collect()
        };
        // Both halves of a head have the same angles.
        let table = |halves: &[f32]| {
            let heads = halves
                .chunks_exact(head_dim / 2)
                .map(|half| [half, half].concat());
            let shape = [positions.len(), 1, head_dim];
            let values: Vec<f32> = heads.flatten().collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        let (cosines, sines) = (of_angles(f64::cos), of_angles(f64::sin));
        Self {
            cos: table(&cosines),
            sin: table(&sines),
            table: RotaryTable {
                cosines: Arc::new(cosines),
                sines: Arc::new(sines),
                head_dim,
            },
        }
    }

    /// Rotates each head of `x` by its token's angles and multiplies it by a factor; in single precision.
    ///
    /// # Shapes
    /// `x`: `[batch * positions, heads * head_dim]`, the positions repeating for every sequence of
    /// the batch; returns the same
    pub(crate) fn rotate(&self, x: Tensor<2>, factor: f32) -> Tensor<2> {
        let x = x.cast(DType::F32);
        if is_cpu(&x.device()) {
            return rotate(x, &self.table, factor);
        }
        self.rotate_plainly(x, factor)
    }

    /// [`Self::rotate`] in burn's operations, for any device.
    pub(crate) fn rotate_plainly(&self, x: Tensor<2>, factor: f32) -> Tensor<2> {
        let [rows, width] = x.dims();
        let dim = self.table.head_dim;
        let heads = x.reshape([rows, width / dim, dim]);
        self.apply(heads).mul_scalar(factor).reshape([rows, width])
    }

    /// Rotates each head of `x` by its token's angles, in burn's operations.
    ///
    /// # Shapes
    /// `x`: `[batch * positions, heads, head_dim]`, the positions repeating for every sequence of
    /// the batch; returns the same
    fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, heads, dim] = x.dims();
        let [positions, _, _] = self.cos.dims();
        let half = dim / 2;
        let first = x.clone().narrow(2, 0, half);
        let second = x.clone().narrow(2, half, half);
        let rotated = Tensor::cat(vec![second.neg(), first], 2);
        if positions == rows {
            return x * self.cos.clone() + rotated * self.sin.clone();
        }
        let batched = [rows / positions, positions, heads, dim];
        let (cos, sin) = (
            self.cos.clone().unsqueeze::<4>(),
            self.sin.clone().unsqueeze::<4>(),
        );
        (x.reshape(batched) * cos + rotated.reshape(batched) * sin).reshape([rows, heads, dim])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::{agree, normal};
    use crate::shape::NamedShape;

    #[test]
    fn fused_turns_equal_plain_autodiffs() {
        let shape: NamedShape = "tiny-qwen2".parse().expect("a shape");
        let config = shape.config();
        let (heads, dim) = (3, config.head_dim);
        for (positions, batch) in [(5, 1), (4, 3)] {
            let positions: Vec<usize> = (7..7 + positions).collect();
            let rotary = Rotary::new(&config, &positions, &Device::flex());
            let rows = batch * positions.len();
            agree(
                [normal([rows, heads * dim])],
                |[x]| rotary.rotate(x, 0.25),
                |[x]| rotary.rotate_plainly(x, 0.25),
            );
        }
    }
}
