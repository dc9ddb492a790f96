//! Matrix products in a number format of the caller's choice.

use burn_backend::{DType, TensorMetadata};
use burn_cubecl::kernel::matmul::{MatmulStrategy, init_matmul_output, matmul as launch};
use burn_cubecl::ops::numeric::zeros;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::tensors::{address_type, contiguous, element, len, matrix, vector_grid};

/// No kernel of the device computes a product.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no kernel of this device multiplies {a:?} with {b:?} in {kind:?}: {reason}\n\
     hint: plain operations multiply matrices of these sizes"
)]
pub struct NoProduct {
    /// The shape of the first operand.
    pub a: Vec<usize>,
    /// The shape of the second operand.
    pub b: Vec<usize>,
    /// The number format of the operands.
    pub kind: DType,
    /// Why the last candidate does not fit.
    pub reason: String,
}

/// A unit computes one value of the product.
#[cube(launch, address_type = "dynamic")]
fn plain_kernel<F: Float, O: Float>(
    a: &[F],
    b: &[F],
    out: &mut [O],
    columns: usize,
    inner: usize,
    a_row: usize,
    a_column: usize,
    b_row: usize,
    b_column: usize,
    #[define(F, O)] _kinds: [ElemType; 2],
) {
    if ABSOLUTE_POS < out.len() {
        let left = ABSOLUTE_POS / columns * a_row;
        let right = ABSOLUTE_POS % columns * b_column;
        let mut sum = 0.0f32;
        for at in 0..inner {
            let x = f32::cast_from(a[left + at * a_column]);
            let y = f32::cast_from(b[right + at * b_row]);
            sum += x * y;
        }
        out[ABSOLUTE_POS] = O::cast_from(sum);
    }
}

/// The distances between rows and between columns, of a matrix that is row-major or a transposed view of one.
fn strides(tensor: &CubeTensor) -> Option<[usize; 2]> {
    let (shape, strides) = (tensor.shape(), tensor.meta.strides());
    let [rows, columns] = matrix(tensor);
    match [strides[0], strides[1]] {
        _ if shape.rank() != 2 => None,
        [row, 1] if row == columns => Some([row, 1]),
        [1, column] if column == rows => Some([1, column]),
        _ => None,
    }
}

/// [`matmul`] in loops without barriers: on the CPU runtime those of the other kernels are spin locks between threads.
fn plain(a: CubeTensor, b: CubeTensor, product: CubeTensor) -> CubeTensor {
    let [a, b] = [a, b].map(|tensor| {
        if strides(&tensor).is_some() {
            tensor
        } else {
            contiguous(tensor)
        }
    });
    let client = product.client.clone();
    let ([_, inner], [_, columns]) = (matrix(&a), matrix(&b));
    let (of_a, of_b) = (strides(&a), strides(&b));
    let ([a_row, a_column], [b_row, b_column]) =
        (of_a.unwrap_or([inner, 1]), of_b.unwrap_or([columns, 1]));
    let (count, dim) = vector_grid(&client, len(&product));
    let addresses = address_type(&[&a, &b, &product]);
    let kinds = [element(&a), element(&product)];
    plain_kernel::launch(
        &client,
        count,
        dim,
        addresses,
        a.into_buffer_arg(),
        b.into_buffer_arg(),
        product.clone().into_buffer_arg(),
        columns,
        inner,
        a_row,
        a_column,
        b_row,
        b_column,
        kinds,
    );
    product
}

/// Whether products on the tensor's device are by candidates that are raced, each with its own kernels for classes of
/// shapes; else all products are by one kernel.
pub fn is_raced(tensor: &CubeTensor) -> bool {
    tensor.client.properties().hardware.plane_size_max > 1
}

/// Computes `a b`, summed in single precision and stored as `out`: f32 logits and scores from bf16 operands without a cast.
///
/// Transposed views are read in place. A device with planes of several units races the candidates of each shape once and
/// keeps the fastest; on the CPU runtime matrices are multiplied in plain loops.
///
/// # Shapes
/// `a`: `[.., n, k]`, `b`: `[.., k, m]`, in the same float type; returns `[.., n, m]`
///
/// # Errors
/// [`NoProduct`] if no kernel of the device multiplies the operands.
/// # Panics
/// if the number formats of the operands differ
pub fn matmul(a: CubeTensor, b: CubeTensor, out: DType) -> Result<CubeTensor, NoProduct> {
    assert_eq!(a.dtype, b.dtype, "matmul: number formats differ");
    let product = init_matmul_output(&a, &b, out);
    if len(&product) == 0 {
        return Ok(product);
    }
    if matrix(&a)[1] == 0 {
        return Ok(zeros(a.device.clone(), product.shape(), out));
    }
    if a.shape().rank() == 2 && !is_raced(&a) {
        return Ok(plain(a, b, product));
    }
    let (kind, shapes) = (a.dtype, [&a, &b].map(|tensor| tensor.shape().to_vec()));
    let found = launch(a, b, Some(product), MatmulStrategy::default(), out);
    found.map_err(|error| {
        let [a, b] = shapes;
        let reason = format!("{error:?}");
        NoProduct { a, b, kind, reason }
    })
}
