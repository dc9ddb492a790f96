//! Tensors, vector widths and launch sizes that the kernels share.

use burn_backend::cubecl::dtype_to_elem_type;
use burn_backend::{DType, Shape, TensorMetadata};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;
use cubecl::server::CubeCountSelection;

/// Widest load of a unit, in bytes.
const LOAD_BYTES: usize = 16;

/// Returns the tensor with its values in row-major order; a copy only if it is a transposed or strided view.
pub(crate) fn contiguous(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(tensor)
}

/// Creates a tensor with undefined values on the device of another.
pub(crate) fn empty_on<const D: usize>(
    like: &CubeTensor,
    shape: [usize; D],
    dtype: DType,
) -> CubeTensor {
    empty(like, Shape::from(shape), dtype)
}

/// Creates a tensor with the shape of another and undefined values.
pub(crate) fn empty_like(like: &CubeTensor, dtype: DType) -> CubeTensor {
    empty(like, like.shape(), dtype)
}

fn empty(like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape, dtype)
}

/// The element type of a tensor, as kernels take it.
pub(crate) fn element(tensor: &CubeTensor) -> ElemType {
    dtype_to_elem_type(tensor.dtype)
}

/// The number of values of a tensor.
pub(crate) fn len(tensor: &CubeTensor) -> usize {
    tensor.shape().num_elements()
}

/// The number of rows and their width; all dimensions but the last count as rows.
pub(crate) fn matrix(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.shape();
    let width = shape.iter().last().copied().unwrap_or(1);
    let rows = shape.iter().rev().skip(1).product();
    [rows, width]
}

/// Panics unless the shapes are equal, which is a broken invariant of the caller.
pub(crate) fn assert_same_shape(what: &str, a: &CubeTensor, b: &CubeTensor) {
    let (a, b) = (a.shape(), b.shape());
    assert_eq!(a, b, "{what}: shapes differ");
}

/// The number of values of a vector: a power of two that divides `row`, so that one load of the narrowest number format
/// moves at most 16 bytes.
pub(crate) fn vector_width(client: &Client, row: usize, dtypes: &[DType]) -> usize {
    let narrowest = dtypes.iter().map(DType::size).min().unwrap_or(4);
    let limit = client.properties().hardware.max_vector_size;
    let fits = |&width: &usize| width * narrowest <= LOAD_BYTES && width <= limit;
    let divides = |width: &usize| row.is_multiple_of(*width);
    let widths = [8, 4, 2].into_iter().filter(fits);
    widths.into_iter().find(divides).unwrap_or(1)
}

/// The type of indices into the largest of the tensors.
pub(crate) fn address_type(tensors: &[&CubeTensor]) -> AddressType {
    let needed = tensors.iter().map(|tensor| tensor.required_address_type());
    needed.max().unwrap_or_default()
}

/// Launch size of a kernel whose units take one vector each.
pub(crate) fn vector_grid(client: &Client, vectors: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(client, vectors);
    let count = cubecl::calculate_cube_count_elemwise(client, vectors, dim);
    (count, dim)
}

/// Launch size of a kernel whose cubes take one row each.
pub(crate) struct RowGrid {
    pub(crate) count: CubeCount,
    pub(crate) dim: CubeDim,
    /// Units of a cube, a power of two.
    pub(crate) units: usize,
}

/// Chooses as many units as a row has vectors, at least a plane and at most `most`.
pub(crate) fn row_grid(client: &Client, rows: usize, vectors: usize, most: usize) -> RowGrid {
    let hardware = &client.properties().hardware;
    let most = most.min(hardware.max_units_per_cube as usize).max(1);
    let least = (hardware.plane_size_max as usize).clamp(1, most);
    let units = floor_power_of_two(vectors.clamp(least, most));
    RowGrid {
        count: CubeCountSelection::new(client, rows as u32).cube_count(),
        dim: CubeDim::new_1d(units as u32),
        units,
    }
}

fn floor_power_of_two(n: usize) -> usize {
    1 << n.max(1).ilog2()
}

/// A tensor that a kernel writes, with the argument that hands it over.
pub(crate) struct Output {
    pub(crate) tensor: CubeTensor,
    pub(crate) arg: BufferArg,
}

impl Output {
    /// Takes a new tensor.
    pub(crate) fn new(tensor: CubeTensor) -> Self {
        let arg = tensor.clone().into_buffer_arg();
        Self { tensor, arg }
    }

    /// Takes the buffer of `input`, the argument at `position`, if its number format is `dtype` and no other tensor shares
    /// it, and a new tensor otherwise. The input is contiguous.
    pub(crate) fn in_place_of(input: &CubeTensor, position: usize, dtype: DType) -> Self {
        let reusable = input.dtype == dtype && input.can_mut();
        if !reusable {
            return Self::new(empty_like(input, dtype));
        }
        let arg = BufferArg::alias(position, len(input));
        Self {
            tensor: input.clone(),
            arg,
        }
    }
}
