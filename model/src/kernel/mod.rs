//! CPU operations whose result for a row never depends on the other rows.
//!
//! A blocked GEMM picks its inner kernel, and with it the order of its additions, by the number
//! of rows. Then the same prompt decodes differently alone and in a batch, and near-ties flip.
//! Here each output element is one dot product in one fixed order, whatever stands beside it:
//! that makes decoding batch-invariant by construction.
//!
//! The functions outward are safe and work on burn tensors of the flex (CPU) backend; each
//! has a plain reference in its tests.

pub(crate) mod attention;
pub(crate) mod dot;
pub(crate) mod linear;

use burn::backend::Flex;
use burn::tensor::{Bytes, DType, Shape, Tensor};
use burn_flex::{FlexTensor, Layout};

/// The CPU tensor behind `tensor`, contiguous.
pub(crate) fn to_flex<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor
        .try_into_primitive::<Flex>()
        .unwrap_or_else(|_| panic!("a CPU kernel was given a tensor of another device"))
        .to_contiguous()
}

/// The values of a contiguous f32 tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice::<f32>()
        .expect("CPU kernels are given contiguous f32 tensors")
}

/// A burn tensor that owns `values`, in row-major order of `shape`.
pub(crate) fn from_values<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(Shape::from(shape.to_vec())),
        DType::F32,
    ))
}
