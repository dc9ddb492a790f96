//! Frozen weights: the base model's matrices, in narrow formats where the device supports them.

mod narrow;
mod quantize;

use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use half::bf16;

use crate::autograd::{Function, apply};
use crate::device::{computes_in_bf16, is_cpu};
use crate::fused::Kernels;
use crate::kernel::{Values, linear, zeros};
use crate::weight_file::HostTensor;
use crate::weights::{Weights, WeightsError};

pub(crate) use narrow::NarrowMatrix;

/// Values of a matrix that are unpacked at a time, in whole rows: 128 MB in single precision. Only heads exceed it.
const UNPACKED_AT_A_TIME: usize = 32 << 20;

/// Storage format of a base model's matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightFormat {
    /// Single precision.
    F32,
    /// bfloat16. The device multiplies in it if it can; on the CPU matrices are unpacked one at a
    /// time.
    Bf16,
    /// 8-bit integers with a scale for each 32 (`Q8_0`); embedding and head in [`Self::Bf16`]. Matrices that are
    /// quantised on disk keep their type. Only on the CPU: elsewhere the dequantized values are stored as
    /// [`Self::Bf16`].
    Q8,
    /// As [`Self::Q8`], with 4 bits, a scale and a minimum (`Q4_1`).
    Q4,
}

impl WeightFormat {
    /// Returns the narrowest format that `device` computes in: bf16, or single precision if it does not support bf16.
    pub fn native(device: &Device) -> Self {
        if !is_cpu(device) && computes_in_bf16(device) {
            Self::Bf16
        } else {
            Self::F32
        }
    }

    /// Whether `device` supports the format.
    pub fn is_possible_on(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 | Self::Q8 | Self::Q4 => is_cpu(device) || computes_in_bf16(device),
        }
    }

    /// Returns the size of a model's weights in this format on `device` in bytes, without reading them.
    pub fn bytes(self, weights: &Weights, device: &Device) -> usize {
        let tensors = weights.config().tensors().into_iter();
        let sizes = tensors.map(|(name, shape)| {
            let values: usize = shape.iter().product();
            if shape.len() < 2 {
                return 4 * values;
            }
            match self {
                Self::F32 => 4 * values,
                Self::Q8 | Self::Q4 if is_cpu(device) => weights
                    .packed_bytes(&name)
                    .or_else(|| quantize::bytes(&name, &shape, self))
                    .unwrap_or(2 * values),
                Self::Bf16 | Self::Q8 | Self::Q4 => 2 * values,
            }
        });
        sizes.sum()
    }
}

/// Returns the dtype of a decoder on `device` for hidden states and products.
pub(crate) fn computed_in(format: WeightFormat, device: &Device) -> DType {
    if format == WeightFormat::F32 || is_cpu(device) {
        DType::F32
    } else {
        DType::BF16
    }
}

/// A matrix of the base model, `[out, in]`. Clones share it.
#[derive(Clone, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "on a build for GPUs alone; a decoder has a few hundred of them"
)]
pub(crate) enum FrozenWeight {
    /// On any device, in the dtype of its products: single precision or bf16.
    Dense(Tensor<2>),
    /// In the CPU's memory, unpacked for each product.
    Narrow(Arc<NarrowMatrix>, Device),
}

impl FrozenWeight {
    /// Reads a matrix by Hugging Face's name.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        format: WeightFormat,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        if format == WeightFormat::F32 {
            let HostTensor { shape, values } = weights.tensor(name)?;
            let data = TensorData::new(values, shape);
            return Ok(Self::Dense(placed(data, DType::F32, device)));
        }
        if !is_cpu(device) {
            let HostTensor { shape, values } = weights.tensor(name)?;
            let halves: Vec<bf16> = values.into_iter().map(bf16::from_f32).collect();
            let data = TensorData::new(halves, shape);
            return Ok(Self::Dense(placed(data, DType::BF16, device)));
        }
        let narrow = match format {
            WeightFormat::F32 | WeightFormat::Bf16 => NarrowMatrix::halves(&weights.tensor(name)?),
            WeightFormat::Q8 | WeightFormat::Q4 => match weights.packed(name)? {
                Some(blocks) => NarrowMatrix::blocks(blocks),
                None => NarrowMatrix::quantized(name, &weights.tensor(name)?, format),
            },
        };
        Ok(Self::Narrow(Arc::new(narrow), device.clone()))
    }

    /// Size of the values in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Dense(weight) => weight.shape().num_elements() * weight.dtype().size(),
            Self::Narrow(weight, _) => weight.bytes(),
        }
    }

    /// Computes `x Wᵀ`, in the dtype of `x`; tracked if `x` is.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; returns `[n, out]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Dense(weight) if !is_cpu(&weight.device()) => {
                let (found, own) = (x.dtype(), weight.dtype());
                x.cast(own).matmul(weight.clone().transpose()).cast(found)
            }
            Self::Dense(_) | Self::Narrow(..) => apply(Product(self.clone()), [x]),
        }
    }

    /// As [`Self::forward`] of a plain `x`, in the dtype `out`: wider than the operands without rounding to theirs, if the
    /// kernel is on.
    pub(crate) fn forward_as(&self, x: Tensor<2>, out: DType, kernels: &Kernels) -> Tensor<2> {
        match self {
            Self::Dense(weight) if !is_cpu(&weight.device()) => {
                let x = x.cast(weight.dtype());
                kernels.matmul(x, weight.clone().transpose(), out)
            }
            Self::Dense(_) | Self::Narrow(..) => self.forward(x).cast(out),
        }
    }

    /// As [`Self::backward`], in the dtype `out`; see [`Self::forward_as`].
    pub(crate) fn backward_as(
        &self,
        gradient: Tensor<2>,
        out: DType,
        kernels: &Kernels,
    ) -> Tensor<2> {
        match self {
            Self::Dense(weight) if !is_cpu(&weight.device()) => {
                kernels.matmul(gradient.cast(weight.dtype()), weight.clone(), out)
            }
            Self::Dense(_) | Self::Narrow(..) => self.backward(gradient).cast(out),
        }
    }

    /// The dtype of products with the matrix.
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::Dense(weight) => weight.dtype(),
            Self::Narrow(..) => DType::F32,
        }
    }

    /// Computes `g W`, the gradient of `x Wᵀ` with respect to `x`. Both are plain.
    ///
    /// # Shapes
    /// `gradient`: `[n, out]`; returns `[n, in]`
    pub(crate) fn backward(&self, gradient: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Dense(weight) if is_cpu(&weight.device()) => {
                linear::matmul(gradient, weight.clone())
            }
            Self::Dense(weight) => {
                let (found, own) = (gradient.dtype(), weight.dtype());
                gradient.cast(own).matmul(weight.clone()).cast(found)
            }
            Self::Narrow(weight, device) => {
                let parts = weight.row_blocks(UNPACKED_AT_A_TIME).map(|rows| {
                    let of_rows = gradient.clone().narrow(1, rows.start, rows.len());
                    linear::matmul(of_rows, unpacked(weight, rows, device))
                });
                parts
                    .reduce(|a, b| a + b)
                    .unwrap_or_else(|| unreachable!("a matrix has rows"))
            }
        }
    }

    /// Whether [`Self::values`] is allowed: the matrix is in the CPU's memory and not too large.
    pub(crate) fn is_unpacked_at_once(&self) -> bool {
        match self {
            Self::Dense(weight) => is_cpu(&weight.device()),
            Self::Narrow(weight, _) => weight.rows() * weight.columns() <= UNPACKED_AT_A_TIME,
        }
    }

    /// Returns the values in the CPU's memory, row-major; a narrow matrix is unpacked.
    pub(crate) fn values(&self) -> Values {
        Values::of(self.dense())
    }

    /// Returns some rows, such as the embeddings of tokens.
    ///
    /// # Shapes
    /// returns `[rows.len(), in]`, in the dtype of the matrix's products
    pub(crate) fn rows(&self, rows: &[usize]) -> Tensor<2> {
        match self {
            Self::Dense(weight) => {
                let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
                let data = TensorData::new(places, [rows.len()]);
                let places = Tensor::<1, Int>::from_data(data, &weight.device());
                weight.clone().select(0, places)
            }
            Self::Narrow(weight, device) => {
                let width = weight.columns();
                let mut values = vec![0.0; rows.len() * width];
                for (&row, values) in rows.iter().zip(values.chunks_exact_mut(width)) {
                    weight.unpack(row..row + 1, values);
                }
                Tensor::from_data(TensorData::new(values, [rows.len(), width]), device)
            }
        }
    }

    /// Returns the whole matrix in single precision, `[out, in]`.
    pub(crate) fn dense(&self) -> Tensor<2> {
        match self {
            Self::Dense(weight) => weight.clone().cast(DType::F32),
            Self::Narrow(weight, device) => unpacked(weight, 0..weight.rows(), device),
        }
    }
}

/// Places a weight on a device, in an allocation of exactly its size: a weight lives as long as the decoder, and in a page of
/// the pool it would keep the rest of the page from being reused.
fn placed(data: TensorData, kind: DType, device: &Device) -> Tensor<2> {
    let place = |data: TensorData| Tensor::from_data(data, (device, kind));
    device.memory_persistent_allocations(data, place)
}

/// Computes `x Wᵀ`, in the dtype of `x`.
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`; returns `[n, out]`
pub(crate) fn matmul_transposed(x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let weight = weight.clone().cast(x.dtype());
    x.matmul(weight.transpose())
}

fn unpacked(weight: &NarrowMatrix, rows: std::ops::Range<usize>, device: &Device) -> Tensor<2> {
    let shape = [rows.len(), weight.columns()];
    let mut values = zeros(shape[0] * shape[1]);
    weight.unpack(rows, &mut values);
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `x Wᵀ` in the CPU's memory. A narrow matrix is unpacked both forward and backward: no dense copy is stored.
#[derive(Clone)]
struct Product(FrozenWeight);

impl Function<1> for Product {
    type Saved = ();

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, ()) {
        let (weight, device) = match &self.0 {
            FrozenWeight::Dense(weight) => {
                return (linear::matmul_transposed(x, weight.clone()), ());
            }
            FrozenWeight::Narrow(weight, device) => (weight, device),
        };
        let parts = weight.row_blocks(UNPACKED_AT_A_TIME);
        let parts =
            parts.map(|rows| linear::matmul_transposed(x.clone(), unpacked(weight, rows, device)));
        let mut parts: Vec<Tensor<2>> = parts.collect();
        let product = match parts.len() {
            1 => parts.remove(0),
            _ => Tensor::cat(parts, 1),
        };
        (product, ())
    }

    fn backward(self, (): (), gradient: Tensor<2>, _: [bool; 1]) -> [Option<Tensor<2>>; 1] {
        [Some(FrozenWeight::backward(&self.0, gradient))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::fixture::packed_noise;
    use burn::tensor::Distribution;

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_into_vec().expect("f32")
    }

    #[test]
    fn products_with_a_narrow_matrix_are_those_with_its_values() {
        let device = Device::flex();
        for (packed, numbers) in packed_noise(40, 256) {
            let weight =
                FrozenWeight::Narrow(Arc::new(NarrowMatrix::blocks(packed)), device.clone());
            let dense = Tensor::<2>::from_data(TensorData::new(numbers, [40, 256]), &device);
            assert_eq!(values(weight.dense()), values(dense.clone()));
            let random = |shape| Tensor::<2>::random(shape, Distribution::Default, &device);
            let (x, gradient) = (random([5, 256]), random([5, 40]));
            let tracked = x.clone().autodiff().require_grad();
            let product = weight.forward(tracked.clone());
            let plain = FrozenWeight::Dense(dense.clone());
            assert_eq!(values(product.clone()), values(plain.forward(x)));
            let mut gradients = (product * gradient.clone()).sum().backward();
            let found = tracked.grad_remove(&mut gradients).expect("tracked");
            assert_eq!(values(found), values(plain.backward(gradient)));
            let rows = values(weight.rows(&[3, 39, 3]));
            assert_eq!(rows[..256], values(dense.narrow(0, 3, 1)));
            assert_eq!(rows[..256], rows[512..]);
        }
    }

    #[test]
    fn the_cpu_takes_every_format_and_computes_in_single_precision() {
        let device = Device::flex();
        assert_eq!(WeightFormat::native(&device), WeightFormat::F32);
        for format in [
            WeightFormat::F32,
            WeightFormat::Bf16,
            WeightFormat::Q8,
            WeightFormat::Q4,
        ] {
            assert!(format.is_possible_on(&device));
            assert_eq!(computed_in(format, &device), DType::F32);
        }
    }
}
