//! Concatenation of many matrices: one launch for several of them, where burn launches a kernel for each.

use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::tensors::{contiguous, element, empty_on, len};

/// Matrices per launch at most; each takes one binding.
const MOST_PARTS: usize = 16;
/// Bindings of a launch that are no matrix: the result, and the scalars with their lengths.
const OTHER_BINDINGS: usize = 3;

/// Writes the parts one after the other into `out`, from `start` on. A buffer may be longer than the `lengths[i]` values of
/// its tensor.
#[cube(launch)]
fn concat_kernel<F: Float>(
    parts: &Sequence<Box<[F]>>,
    out: &mut [F],
    lengths: &Sequence<usize>,
    start: usize,
    total: usize,
    #[define(F)] _kind: ElemType,
) {
    if ABSOLUTE_POS < total {
        let mut offset = 0usize;
        #[unroll]
        for i in 0..parts.len() {
            let n = lengths[i];
            if ABSOLUTE_POS >= offset && ABSOLUTE_POS < offset + n {
                out[start + ABSOLUTE_POS] = parts[i][ABSOLUTE_POS - offset];
            }
            offset += n;
        }
    }
}

/// Concatenates the values of tensors, each in row-major order.
///
/// # Shapes
/// tensors of any shape, of one float type and on one device; returns `[sum of their sizes]`
///
/// # Panics
/// The list is empty, or the types differ.
pub fn concat(tensors: Vec<CubeTensor>) -> CubeTensor {
    let tensors: Vec<CubeTensor> = tensors.into_iter().map(contiguous).collect();
    let first = tensors.first().expect("at least one tensor");
    let (client, kind) = (first.client.clone(), element(first));
    let dtype = first.dtype;
    assert!(
        tensors.iter().all(|tensor| tensor.dtype == dtype),
        "tensors of one type"
    );
    let out = empty_on(first, [tensors.iter().map(len).sum()], dtype);
    let bindings = client.properties().hardware.max_bindings as usize;
    let most = bindings.saturating_sub(OTHER_BINDINGS).clamp(1, MOST_PARTS);
    let mut start = 0;
    let filled: Vec<CubeTensor> = tensors.into_iter().filter(|part| len(part) > 0).collect();
    for parts in filled.chunks(most) {
        let total: usize = parts.iter().map(len).sum();
        let dim = CubeDim::new(&client, total);
        let count = calculate_cube_count_elemwise(&client, total, dim);
        concat_kernel::launch(
            &client,
            count,
            dim,
            parts
                .iter()
                .map(|part| part.clone().into_buffer_arg())
                .collect(),
            out.clone().into_buffer_arg(),
            parts.iter().map(len).collect(),
            start,
            total,
            kind,
        );
        start += total;
    }
    out
}

/// The kernel as a GPU runs it.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{F32, OfflineKernel, buffer, device, settings, target};
    let kernel = concat_kernel::ConcatKernel::new(
        settings(256),
        device(),
        target(),
        (0..MOST_PARTS).map(|_| buffer()).collect(),
        buffer(),
        (0..MOST_PARTS).map(|_| ()).collect(),
        (),
        (),
        F32,
    );
    // Parts begin at any multiple of a value, so it loads single values.
    vec![OfflineKernel::new("concat (16 parts)", kernel).with_narrow_loads()]
}
