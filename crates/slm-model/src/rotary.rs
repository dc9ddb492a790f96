//! Rotary position embedding, half-split form (GPT-NeoX order), as Llama and Qwen2 use it.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config::{Heads, ModelConfig, RopeBase};
use crate::device::is_cpu;
use crate::fused::{Direction, Kernels, functions, plain};
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
    /// On the host; empty if the tables were selected on the device.
    table: RotaryTable,
    /// Cosines and sines on the device, `[positions, rotary_dim / 2]`; copied there on first use.
    tables: OnceLock<[Tensor<2>; 2]>,
    device: Device,
    kernels: Kernels,
}

impl Rotary {
    /// Computes the tables for `positions`.
    pub(crate) fn new(
        config: &ModelConfig,
        base: RopeBase,
        positions: &[usize],
        device: &Device,
        kernels: &Kernels,
    ) -> Self {
        let inv_freq = config.inv_freq(base);
        let magnitude = config.rotary_magnitude(base);
        let of_angles = |f: fn(f64) -> f64| -> Vec<f32> {
            let angles = angles(&inv_freq, positions.iter().copied());
            angles.map(|angle| (magnitude * f(angle)) as f32).collect()
        };
        Self {
            table: RotaryTable {
                cosines: Arc::new(of_angles(f64::cos)),
                sines: Arc::new(of_angles(f64::sin)),
                head_dim: config.head_dim,
                rotary_dim: config.rotary_dim,
            },
            tables: OnceLock::new(),
            device: device.clone(),
            kernels: kernels.clone(),
        }
    }

    /// Selects the given rows of the tables on the device, which must not be the CPU.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let data = TensorData::new(places, [rows.len()]);
        let places = Tensor::<1, Int>::from_data(data, &self.device);
        let tables = self
            .tables()
            .map(|table| table.clone().select(0, places.clone()));
        Self {
            table: RotaryTable {
                cosines: Arc::default(),
                sines: Arc::default(),
                head_dim: self.table.head_dim,
                rotary_dim: self.table.rotary_dim,
            },
            tables: OnceLock::from(tables),
            device: self.device.clone(),
            kernels: self.kernels.clone(),
        }
    }

    /// Whether all elements of these heads are rotated.
    pub(crate) fn rotates_whole_heads(&self, heads: Heads) -> bool {
        self.table.rotary_dim == heads.dim
    }

    /// Cosines and sines on the device.
    ///
    /// # Shapes
    /// both `[positions, rotary_dim / 2]`
    pub(crate) fn tables(&self) -> [&Tensor<2>; 2] {
        let tables = self.tables.get_or_init(|| {
            let half = self.table.rotary_dim / 2;
            [&self.table.cosines, &self.table.sines].map(|values| {
                let shape = [values.len() / half, half];
                Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device)
            })
        });
        tables.each_ref()
    }

    /// Rotates each head of `x` by its token's angles and multiplies it by a factor, in the dtype of `x`; tracked if `x`
    /// is.
    ///
    /// # Shapes
    /// `x`: `[batch * positions, heads * head_dim]`, the positions repeating for every sequence of
    /// the batch; returns the same
    pub(crate) fn rotate(&self, x: Tensor<2>, factor: f32) -> Tensor<2> {
        if is_cpu(&x.device()) {
            return rotate(x, &self.table, factor);
        }
        self.parts(x, factor, |x| {
            functions::rotate(&self.kernels, x, self.tables(), factor)
        })
    }

    /// Applies `rotate` to the rotated elements of each head, and the factor to the others.
    fn parts(
        &self,
        x: Tensor<2>,
        factor: f32,
        rotate: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let (dim, rotated) = (self.table.head_dim, self.table.rotary_dim);
        if dim == rotated {
            return rotate(x);
        }
        let [rows, width] = x.dims();
        let heads = width / dim;
        let x = x.reshape([rows, heads, dim]);
        let first = x.clone().narrow(2, 0, rotated);
        let first = rotate(first.reshape([rows, heads * rotated]));
        let others = x.narrow(2, rotated, dim - rotated) * factor;
        let both = Tensor::cat(vec![first.reshape([rows, heads, rotated]), others], 2);
        both.reshape([rows, width])
    }

    /// [`Self::rotate`] in burn's operations, for any device.
    pub(crate) fn rotate_plainly(&self, x: Tensor<2>, factor: f32) -> Tensor<2> {
        self.parts(x, factor, |x| {
            plain::rotate(x, self.tables(), factor, Direction::Forward)
        })
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
        let mut config = shape.config();
        let (heads, dim) = (3, config.head_dim);
        for (positions, batch, rotary_dim) in [(5, 1, dim), (4, 3, dim), (4, 2, dim / 2)] {
            config.rotary_dim = rotary_dim;
            let positions: Vec<usize> = (7..7 + positions).collect();
            let (device, kernels) = (Device::flex(), Kernels::default());
            let rotary = Rotary::new(&config, RopeBase::Global, &positions, &device, &kernels);
            let rows = batch * positions.len();
            agree(
                [normal([rows, heads * dim])],
                |[x]| rotary.rotate(x, 0.25),
                |[x]| rotary.rotate_plainly(x, 0.25),
            );
        }
    }

    #[test]
    fn selected_rows_are_the_tables_of_their_positions() {
        let shape: NamedShape = "tiny-qwen2".parse().expect("a shape");
        let (config, device) = (shape.config(), Device::flex());
        let new = |positions: &[usize]| {
            let kernels = Kernels::default();
            Rotary::new(&config, RopeBase::Global, positions, &device, &kernels)
        };
        let positions = [0, 1, 2, 0, 1, 0];
        let selected = new(&[0, 1, 2, 3]).select(&positions);
        for (found, expected) in selected.tables().into_iter().zip(new(&positions).tables()) {
            assert_eq!(found.to_data(), expected.to_data());
        }
    }
}
