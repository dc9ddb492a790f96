//! Cross-entropy of rows of logits in one launch: with its gradient it reads the logits twice, without it once.
//!
//! A cube takes a row. The first pass keeps a running maximum and a sum of exponentials relative to it; the second, if the
//! gradient is wanted, writes it. The target's logit is kept out of the sum, so that `1 - p` of a target with `p` close to 1
//! is exact.
//!
//! # Source
//! Milakov and Gimelshein 2018, arXiv:1805.02867 (running maximum and sum).

use burn_backend::DType;
use burn_backend::cubecl::dtype_to_elem_type;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::reduce::cube_sum;
use crate::tensors::{
    Output, address_type, contiguous, empty_on, len, matrix, row_grid, vector_width,
};

/// Most units of a cube: rows are as long as a vocabulary.
const MOST_UNITS: usize = 512;

#[cube(launch, address_type = "dynamic")]
fn cross_entropy_kernel<T: Int, O: Float, N: Size>(
    logits: &[Vector<f32, N>],
    targets: &[T],
    weights: &[f32],
    losses: &mut [f32],
    gradient: &mut [Vector<O, N>],
    rows: usize,
    vectors: usize,
    #[comptime] with_gradient: bool,
    #[comptime] units: usize,
    #[define(T, O)] _kinds: [ElemType; 2],
) {
    let row = CUBE_POS;
    if row < rows {
        let start = row * vectors;
        let first = UNIT_POS as usize;
        let weight = weights[row];
        if weight == 0.0f32 {
            if comptime!(with_gradient) {
                for i in range_stepped(first, vectors, units) {
                    gradient[start + i] = Vector::<O, N>::cast_from(Vector::<f32, N>::new(0.0f32));
                }
            }
            if UNIT_POS == 0 {
                losses[row] = 0.0f32;
            }
        } else {
            let lanes = N::value();
            let target = u32::cast_from(targets[row]);
            let lowest = f32::min_value();
            let mut most = lowest;
            let mut sum = 0.0f32;
            let mut chosen = 0.0f32;
            for i in range_stepped(first, vectors, units) {
                let values = logits[start + i];
                // Wraps around outside the target's vector.
                let target_lane = target - (i * lanes) as u32;
                let mut others = most;
                #[unroll]
                for lane in 0..lanes {
                    let value = values.extract(lane);
                    let is_target = target_lane == comptime!(lane as u32);
                    chosen = select(is_target, value, chosen);
                    others = others.max(select(is_target, lowest, value));
                }
                sum *= (most - others).exp();
                most = others;
                #[unroll]
                for lane in 0..lanes {
                    let is_target = target_lane == comptime!(lane as u32);
                    let value = (values.extract(lane) - most).exp();
                    sum += select(is_target, 0.0f32, value);
                }
            }
            let (others, rest) = combine(most, sum, units);
            // The other units hold 0.
            let chosen = cube_sum(chosen, units);
            let most = others.max(chosen);
            let rest = rest * (others - most).exp();
            let of_target = (chosen - most).exp();
            let total = rest + of_target;
            if comptime!(with_gradient) {
                let scale = weight / total;
                for i in range_stepped(first, vectors, units) {
                    let values = logits[start + i];
                    // Wraps around outside the target's vector.
                    let target_lane = target - (i * lanes) as u32;
                    let shifted = values - Vector::<f32, N>::new(most);
                    let mut out = shifted.exp() * Vector::<f32, N>::new(scale);
                    #[unroll]
                    for lane in 0..lanes {
                        let is_target = target_lane == comptime!(lane as u32);
                        let value = out.extract(lane);
                        out.insert(lane, select(is_target, 0.0f32 - rest * scale, value));
                    }
                    gradient[start + i] = Vector::<O, N>::cast_from(out);
                }
            }
            if UNIT_POS == 0 {
                // The two logits are subtracted first: they are large and close to each other.
                losses[row] = weight * (total.ln() + (most - chosen));
            }
        }
    }
}

/// Combines the running maxima and sums of all units by a binary tree in shared memory; every unit gets the result.
#[cube]
fn combine(most: f32, sum: f32, #[comptime] units: usize) -> (f32, f32) {
    let mut maxima = Shared::<[f32]>::new_slice(units);
    let mut sums = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    maxima[unit] = most;
    sums[unit] = sum;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(units.ilog2() as usize) {
        let half = (units / 2) >> level;
        if unit < half {
            let mine = maxima[unit];
            let other = maxima[unit + half];
            let most = mine.max(other);
            let sum = sums[unit] * (mine - most).exp();
            let more = sums[unit + half] * (other - most).exp();
            sums[unit] = sum + more;
            maxima[unit] = most;
        }
        sync_cube();
    }
    (maxima[0], sums[0])
}

/// Computes the cross-entropy of each row of logits and its gradient, both multiplied by the row's weight.
///
/// A row of weight 0 gives zeros and its logits are not read. Logits of minus infinity count as impossible tokens. The
/// gradient, `weight * (softmax(logits) - one_hot(target))`, is written over the logits if `out` is f32 and no
/// other tensor shares them.
///
/// Returns `(losses, gradient)`.
///
/// # Shapes
/// `logits`: `[n, v]` in f32; `targets`: `[n]` in i32 or u32, below `v`; `weights`: `[n]` in f32; returns `[n]` in f32 and
/// `[n, v]` in `out`
pub fn cross_entropy(
    logits: CubeTensor,
    targets: CubeTensor,
    weights: CubeTensor,
    out: DType,
) -> (CubeTensor, CubeTensor) {
    let (losses, gradient) = launch(logits, targets, weights, Some(out));
    (losses, gradient.expect("it is wanted"))
}

/// Computes the losses of [`cross_entropy`] alone, in one pass over the logits.
///
/// # Shapes
/// as in [`cross_entropy`]; returns `[n]` in f32
pub fn losses(logits: CubeTensor, targets: CubeTensor, weights: CubeTensor) -> CubeTensor {
    launch(logits, targets, weights, None).0
}

/// Computes the losses, and the gradient if its number format is given.
fn launch(
    logits: CubeTensor,
    targets: CubeTensor,
    weights: CubeTensor,
    out: Option<DType>,
) -> (CubeTensor, Option<CubeTensor>) {
    let [rows, width] = matrix(&logits);
    assert_eq!(
        logits.dtype,
        DType::F32,
        "cross_entropy: format of the logits"
    );
    assert_eq!(
        weights.dtype,
        DType::F32,
        "cross_entropy: format of the weights"
    );
    assert!(
        matches!(targets.dtype, DType::I32 | DType::U32),
        "cross_entropy: expected targets in i32 or u32, found {:?}",
        targets.dtype
    );
    assert_eq!(len(&targets), rows, "cross_entropy: number of targets");
    assert_eq!(len(&weights), rows, "cross_entropy: number of weights");
    let losses = empty_on(&logits, [rows], DType::F32);
    if len(&logits) == 0 {
        let gradient = out.map(|out| empty_on(&logits, [rows, width], out));
        return (losses, gradient);
    }
    let [logits, targets, weights] = [logits, targets, weights].map(contiguous);
    let client = logits.client.clone();
    let kind = out.unwrap_or(DType::F32);
    let lanes = vector_width(&client, width, &[DType::F32, kind]);
    let grid = row_grid(&client, rows, width / lanes, MOST_UNITS);
    let kinds = [targets.dtype, kind];
    let addresses = address_type(&[&logits]);
    let (gradient, arg) = match out {
        Some(out) => {
            let Output { tensor, arg } = Output::in_place_of(&logits, 0, out);
            (Some(tensor), arg)
        }
        // Nothing writes it.
        None => (None, BufferArg::alias(0, len(&logits))),
    };
    cross_entropy_kernel::launch(
        &client,
        grid.count,
        grid.dim,
        addresses,
        lanes,
        logits.into_buffer_arg(),
        targets.into_buffer_arg(),
        weights.into_buffer_arg(),
        losses.clone().into_buffer_arg(),
        arg,
        rows,
        width / lanes,
        gradient.is_some(),
        grid.units,
        kinds.map(dtype_to_elem_type),
    );
    (losses, gradient)
}

/// The kernels as a GPU runs them on a large vocabulary.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{BF16, F32, I32, OfflineKernel, buffer, device, in_place};
    use crate::offline::{settings, target};
    let kernel = |name, with_gradient, gradient, lanes, kind| {
        let kernel = cross_entropy_kernel::CrossEntropyKernel::new(
            settings(512),
            device(),
            target(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            gradient,
            (),
            (),
            lanes,
            with_gradient,
            512,
            [I32, kind],
        );
        OfflineKernel::new(name, kernel)
    };
    vec![
        kernel("cross_entropy", true, buffer(), 8, BF16),
        kernel("cross_entropy (losses)", false, in_place(0), 4, F32),
    ]
}
