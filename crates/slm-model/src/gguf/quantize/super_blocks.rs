//! Blocks of 256 values: `Q4_K`, `Q5_K` and `Q6_K`.
//!
//! Every sub-block is fitted on its own. Its scale (and minimum) is then stored as a multiple of one number for the whole
//! block; of the multiples around the fitted ones, those with the least error are taken.
//!
//! # Source
//! The block layouts: `ggml-common.h` of <https://github.com/ggml-org/ggml>. The search is this project's.

use half::f16;

use super::fit::{Affine, affine, affine_codes, signed, signed_codes};
use crate::simd::for_each_instruction_set;

/// Values per block.
const BLOCK: usize = 256;
/// Largest multiple of a scale or a minimum of `Q4_K` and `Q5_K`.
const MULTIPLES: f32 = 63.0;

/// Multiples of a block's numbers for a sub-block, and its codes.
struct SubBlock<const N: usize> {
    scale: f32,
    minimum: f32,
    codes: [f32; N],
}

/// Codes of a block, with the scales and minima that they belong to.
struct Affines {
    scale: f16,
    minimum: f16,
    scales: [u8; 8],
    minima: [u8; 8],
    codes: [u8; BLOCK],
}

impl Default for Affines {
    fn default() -> Self {
        Self {
            scale: f16::ZERO,
            minimum: f16::ZERO,
            scales: [0; 8],
            minima: [0; 8],
            codes: [0; BLOCK],
        }
    }
}

for_each_instruction_set! {
    /// Quantizes a block of sub-blocks with minima to codes from 0 to `most`.
    fn affines(x: &[f32; BLOCK], most: f32, out: &mut Affines) {
        let parts = x.as_chunks::<32>().0;
        let mut fitted = [Affine::default(); 8];
        for (fitted, x) in fitted.iter_mut().zip(parts) {
            *fitted = affine(x, most);
        }
        let largest = |of: fn(&Affine) -> f32| fitted.iter().map(of).fold(0.0, f32::max);
        out.scale = f16::from_f32(largest(|by| by.scale) / MULTIPLES);
        out.minimum = f16::from_f32(largest(|by| by.minimum) / MULTIPLES);
        let (scale, minimum) = (out.scale.to_f32(), out.minimum.to_f32());
        for (i, (fitted, x)) in fitted.iter().zip(parts).enumerate() {
            let near = |value: f32, of_block: f32| {
                let multiple = if of_block > 0.0 { value / of_block } else { 0.0 };
                multiple.clamp(0.0, MULTIPLES).round()
            };
            let middle = (near(fitted.scale, scale), near(fitted.minimum, minimum));
            let mut best = (SubBlock { scale: 0.0, minimum: 0.0, codes: [0.0; 32] }, f32::INFINITY);
            for down in -1..=1_i16 {
                for across in -1..=1_i16 {
                    let of_scale = (middle.0 + f32::from(down)).clamp(0.0, MULTIPLES);
                    let of_minimum = (middle.1 + f32::from(across)).clamp(0.0, MULTIPLES);
                    let by = Affine { scale: scale * of_scale, minimum: minimum * of_minimum };
                    let (codes, error) = affine_codes(x, by, most);
                    if error < best.1 {
                        best = (SubBlock { scale: of_scale, minimum: of_minimum, codes }, error);
                    }
                }
            }
            let (best, _) = best;
            (out.scales[i], out.minima[i]) = (best.scale as u8, best.minimum as u8);
            for (out, code) in out.codes[i * 32..].iter_mut().zip(best.codes) {
                *out = code as u8;
            }
        }
    }
}

/// Packs the 6-bit scales and minima of eight sub-blocks into 12 bytes: see the inverse in
/// [`codes`](super::super::codes).
fn pack_multiples(scales: [u8; 8], minima: [u8; 8]) -> [u8; 12] {
    let mut packed = [0; 12];
    for i in 0..4 {
        packed[i] = scales[i] | scales[i + 4] >> 4 << 6;
        packed[i + 4] = minima[i] | minima[i + 4] >> 4 << 6;
        packed[i + 8] = scales[i + 4] & 0x0f | minima[i + 4] << 4;
    }
    packed
}

/// Writes scales and minima, and the low four bits of the codes; two sub-blocks share 32 bytes.
fn put_affines(affines: &Affines, block: &mut [u8], low_bits_at: usize) -> bool {
    block[..2].copy_from_slice(&affines.scale.to_le_bytes());
    block[2..4].copy_from_slice(&affines.minimum.to_le_bytes());
    block[4..16].copy_from_slice(&pack_multiples(affines.scales, affines.minima));
    let bytes = block[low_bits_at..].chunks_exact_mut(32);
    for (bytes, codes) in bytes.zip(affines.codes.chunks_exact(64)) {
        let (even, odd) = codes.split_at(32);
        for ((byte, even), odd) in bytes.iter_mut().zip(even).zip(odd) {
            *byte = even & 0x0f | odd << 4;
        }
    }
    affines.scale.is_finite() && affines.minimum.is_finite()
}

/// Packs `Q4_K`. Returns false if a scale exceeds half precision.
pub(super) fn q4_k(x: &[f32; BLOCK], block: &mut [u8]) -> bool {
    let mut found = Affines::default();
    affines(x, 15.0, &mut found);
    put_affines(&found, block, 16)
}

/// Packs `Q5_K`. Returns false if a scale exceeds half precision.
pub(super) fn q5_k(x: &[f32; BLOCK], block: &mut [u8]) -> bool {
    let mut found = Affines::default();
    affines(x, 31.0, &mut found);
    let fifth_bits = &mut block[16..48];
    fifth_bits.fill(0);
    for (i, codes) in found.codes.chunks_exact(32).enumerate() {
        for (bits, code) in fifth_bits.iter_mut().zip(codes) {
            *bits |= (code >> 4) << i;
        }
    }
    put_affines(&found, block, 48)
}

/// Codes of a block without minima, and the scales that they belong to.
struct Signed {
    scale: f16,
    scales: [i8; 16],
    /// Plus 32.
    codes: [u8; BLOCK],
}

for_each_instruction_set! {
    /// Quantizes a block of sub-blocks without minima to codes from -32 to 31.
    fn signed_six(x: &[f32; BLOCK], out: &mut Signed) {
        let parts = x.as_chunks::<16>().0;
        let mut fitted = [0.0_f32; 16];
        for (fitted, x) in fitted.iter_mut().zip(parts) {
            *fitted = signed(x, 32.0);
        }
        let largest = fitted.iter().fold(0.0_f32, |largest, &scale| {
            if scale.abs() > largest.abs() { scale } else { largest }
        });
        // The largest scale becomes -128, which leaves one step more for the others.
        out.scale = f16::from_f32(largest / -128.0);
        let scale = out.scale.to_f32();
        for (i, (fitted, x)) in fitted.iter().zip(parts).enumerate() {
            let middle = if scale == 0.0 { 0.0 } else { fitted / scale };
            let middle = middle.clamp(-128.0, 127.0).round();
            let mut best = (0.0, [0.0; 16], f32::INFINITY);
            for step in -1..=1_i16 {
                let multiple = (middle + f32::from(step)).clamp(-128.0, 127.0);
                let (codes, error) = signed_codes(x, scale * multiple, 32.0);
                if error < best.2 {
                    best = (multiple, codes, error);
                }
            }
            out.scales[i] = best.0 as i8;
            for (out, code) in out.codes[i * 16..].iter_mut().zip(best.1) {
                *out = (code + 32.0) as u8;
            }
        }
    }
}

/// Packs `Q6_K`. Returns false if the scale exceeds half precision.
pub(super) fn q6_k(x: &[f32; BLOCK], block: &mut [u8]) -> bool {
    let mut found = Signed {
        scale: f16::ZERO,
        scales: [0; 16],
        codes: [0; BLOCK],
    };
    signed_six(x, &mut found);
    block[..192].fill(0);
    for (i, code) in found.codes.iter().enumerate() {
        // Each half of 128 values has 64 low bytes and 32 high bytes, in runs of 32.
        let (half, run, j) = (i / 128, i % 128 / 32, i % 32);
        block[half * 64 + run % 2 * 32 + j] |= (code & 0x0f) << (run / 2 * 4);
        block[128 + half * 32 + j] |= (code >> 4) << (run * 2);
    }
    for (byte, scale) in block[192..208].iter_mut().zip(found.scales) {
        *byte = scale as u8;
    }
    block[208..].copy_from_slice(&found.scale.to_le_bytes());
    found.scale.is_finite()
}
