//! Fused operations of training on the CPU, forward and backward: plain loops over plain memory, on all cores.
//!
//! - [`attention`]: over full sequences, without stored scores
//! - [`linear`]: a frozen layer with its LoRA pair
//! - [`norm`], [`rotary`], [`swiglu`]: the operations between linear layers
//! - [`softmax`]: of logits
//! - [`packed`]: products with quantised weights, for generation
//! - `memory`: allocation of result buffers
//! - `gemm`: sums of matrix products
//!
//! Each result is summed in a fixed order, independent of the number of threads.

pub(crate) mod attention;
#[cfg(test)]
pub(crate) mod check;
pub(crate) mod gemm;
pub(crate) mod linear;
mod memory;
pub(crate) mod norm;
pub(crate) mod packed;
pub(crate) mod rotary;
pub(crate) mod softmax;
pub(crate) mod swiglu;

pub use memory::keep_freed_memory;
pub(crate) use memory::zeros;

use burn::backend::{BackendTypes, Flex};
use burn::tensor::{Device, Tensor, TensorData};

use gemm::MatRef;

/// The values of a plain single-precision matrix in the CPU's memory, row-major.
pub(crate) struct Values(<Flex as BackendTypes>::FloatTensorPrimitive);

impl Values {
    pub(crate) fn of(matrix: Tensor<2>) -> Self {
        let primitive = matrix
            .try_into_primitive::<Flex>()
            .unwrap_or_else(|error| unreachable!("a matrix in the CPU's memory: {error:?}"));
        Self(primitive.to_contiguous())
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        let values = self.0.as_slice::<f32>();
        values.unwrap_or_else(|| unreachable!("contiguous values of single precision"))
    }

    /// Returns a matrix view with `rows` rows, for products.
    fn rows(&self, rows: usize) -> MatRef<'_> {
        MatRef::of_rows(self.as_slice(), rows)
    }
}

/// Creates a plain matrix with the given values.
pub(crate) fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
