//! Dropout masks from a counter-based generator: a value depends on the key, its row and its column alone.
//!
//! # Source
//! Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10).

use burn_backend::cubecl::dtype_to_elem_type;
use burn_backend::{DType, Shape};
use burn_cubecl::CubeDevice;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::tensors::{address_type, vector_grid};

/// Columns that one block of the generator covers.
const BLOCK: usize = 4;
const ROUNDS: usize = 10;
const MULTIPLIER_0: u32 = 0xD251_1F53;
const MULTIPLIER_1: u32 = 0xCD9E_8D57;
const WEYL_0: u32 = 0x9E37_79B9;
const WEYL_1: u32 = 0xBB67_AE85;

/// One round after another of Philox4x32-10; the block is left in `words`.
#[cube]
fn philox(words: &mut Array<u32>, key0: u32, key1: u32) {
    let mut key0 = key0;
    let mut key1 = key1;
    #[unroll]
    for _round in 0..ROUNDS {
        let high0 = words[0].mul_hi(MULTIPLIER_0);
        let high1 = words[2].mul_hi(MULTIPLIER_1);
        let low0 = words[0] * MULTIPLIER_0;
        let low1 = words[2] * MULTIPLIER_1;
        words[0] = high1 ^ words[1] ^ key0;
        words[1] = low1;
        words[2] = high0 ^ words[3] ^ key1;
        words[3] = low0;
        key0 += WEYL_0;
        key1 += WEYL_1;
    }
}

/// A unit draws one block: four columns of a row.
#[cube(launch, address_type = "dynamic")]
fn mask_kernel<F: Float, N: Size>(
    mask: &mut [Vector<F, N>],
    rows: usize,
    columns: usize,
    blocks: usize,
    threshold: u32,
    scale: f32,
    key0: u32,
    key1: u32,
    key2: u32,
    key3: u32,
    #[define(F)] _kind: ElemType,
) {
    let row = ABSOLUTE_POS / blocks;
    let block = ABSOLUTE_POS % blocks;
    if row < rows {
        let mut words = Array::<u32>::new(BLOCK);
        words[0] = row as u32;
        words[1] = block as u32;
        words[2] = key2;
        words[3] = key3;
        philox(&mut words, key0, key1);
        let lanes = N::value();
        if comptime!(lanes == BLOCK) {
            let mut values = Vector::<f32, N>::new(0.0f32);
            #[unroll]
            for lane in 0..BLOCK {
                let value = select(words[lane] < threshold, 0.0f32, scale);
                values.insert(lane, value);
            }
            mask[row * blocks + block] = Vector::<F, N>::cast_from(values);
        } else {
            #[unroll]
            for lane in 0..BLOCK {
                let column = block * BLOCK + lane;
                if column < columns {
                    let value = select(words[lane] < threshold, 0.0f32, scale);
                    mask[row * columns + column] = Vector::<F, N>::cast_from(value);
                }
            }
        }
    }
}

/// Draws a dropout mask: 0 with the given probability, else `1 / (1 - probability)`.
///
/// The same key gives the same values on every runtime, and a value depends on its row and column, not on the shape. Two
/// masks are independent if any word of their keys differs.
///
/// # Shapes
/// returns `shape` in `kind`, a float type
///
/// # Panics
/// if `probability` is not in `[0, 1)`
pub fn dropout_mask(
    device: &CubeDevice,
    shape: [usize; 2],
    probability: f64,
    key: [u32; 4],
    kind: DType,
) -> CubeTensor {
    assert!(
        (0.0..1.0).contains(&probability),
        "dropout_mask: expected a probability in [0, 1), found {probability}"
    );
    let client = device.client();
    let [rows, columns] = shape;
    let mask =
        empty_device_contiguous_dtype(client.clone(), device.clone(), Shape::from(shape), kind);
    if rows * columns == 0 {
        return mask;
    }
    let most = client.properties().hardware.max_vector_size;
    let whole_blocks = columns.is_multiple_of(BLOCK) && most >= BLOCK;
    let width = if whole_blocks { BLOCK } else { 1 };
    let blocks = columns.div_ceil(BLOCK);
    let (count, dim) = vector_grid(&client, rows * blocks);
    let addresses = address_type(&[&mask]);
    mask_kernel::launch(
        &client,
        count,
        dim,
        addresses,
        width,
        mask.clone().into_buffer_arg(),
        rows,
        columns,
        blocks,
        threshold(probability),
        (1.0 / (1.0 - probability)) as f32,
        key[0],
        key[1],
        key[2],
        key[3],
        dtype_to_elem_type(kind),
    );
    mask
}

/// The 32-bit words below it are dropped.
fn threshold(probability: f64) -> u32 {
    (probability * 2f64.powi(32))
        .round()
        .min(f64::from(u32::MAX)) as u32
}

/// The kernel as a GPU runs it.
#[cfg(feature = "ptx")]
pub(crate) fn offline() -> Vec<crate::offline::OfflineKernel> {
    use crate::offline::{BF16, OfflineKernel, buffer, device, settings, target};
    let kernel = mask_kernel::MaskKernel::new(
        settings(256),
        device(),
        target(),
        buffer(),
        (),
        (),
        (),
        (),
        (),
        (),
        (),
        (),
        (),
        BLOCK,
        BF16,
    );
    vec![OfflineKernel::new("dropout_mask", kernel).with_narrow_loads()]
}
