//! Blocks of 32 values, with the bytes of the `gguf` Python package.
//!
//! The scale is rounded to half precision after the codes are computed.
//!
//! # Source
//! `gguf/quants.py` of the `gguf` package of <https://github.com/ggml-org/llama.cpp>.

use half::f16;

/// Values per block.
const BLOCK: usize = 32;

/// The reciprocal of a scale, 0 if there is none.
fn inverse(scale: f32) -> f32 {
    let inverse = scale.recip();
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// Writes a number in half precision; false if it is too large.
fn put_half(block: &mut [u8], number: f32) -> bool {
    let half = f16::from_f32(number);
    block[..2].copy_from_slice(&half.to_le_bytes());
    half.is_finite()
}

/// Packs `Q8_0`: the largest absolute value becomes 127. Returns false if the scale exceeds half precision.
pub(super) fn q8_0(values: &[f32; BLOCK], block: &mut [u8]) -> bool {
    let largest = values
        .iter()
        .fold(0.0_f32, |largest, v| largest.max(v.abs()));
    let scale = largest / 127.0;
    let inverse = inverse(scale);
    for (code, value) in block[2..].iter_mut().zip(values) {
        *code = (value * inverse).round() as i8 as u8;
    }
    put_half(block, scale)
}

/// Packs `Q5_0`: the first value with the largest absolute value becomes -16. Returns false if the scale exceeds half
/// precision.
pub(super) fn q5_0(values: &[f32; BLOCK], block: &mut [u8]) -> bool {
    let largest = values.iter().fold(
        0.0_f32,
        |largest, &v| {
            if v.abs() > largest.abs() { v } else { largest }
        },
    );
    let scale = largest / -16.0;
    let inverse = inverse(scale);
    put_five_bits(&mut block[2..], |i| values[i] * inverse + 16.5);
    put_half(block, scale)
}

/// Packs `Q5_1`: 31 steps from the smallest value to the largest. Returns false if they exceed half precision.
pub(super) fn q5_1(values: &[f32; BLOCK], block: &mut [u8]) -> bool {
    let (least, most) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &v| {
            (least.min(v), most.max(v))
        });
    let scale = (most - least) / 31.0;
    let inverse = inverse(scale);
    put_five_bits(&mut block[4..], |i| (values[i] - least) * inverse + 0.5);
    let minimum_fits = put_half(&mut block[2..], least);
    put_half(block, scale) && minimum_fits
}

/// Writes the fifth bits of 32 codes as four bytes, and the low bits after them; `code` is cut to an integer.
fn put_five_bits(block: &mut [u8], code: impl Fn(usize) -> f32) {
    let codes: [u8; BLOCK] = std::array::from_fn(|i| (code(i) as u8).min(31));
    let fifth_bits = codes.iter().enumerate();
    let fifth_bits = fifth_bits.fold(0_u32, |bits, (i, code)| bits | u32::from(code >> 4) << i);
    block[..4].copy_from_slice(&fifth_bits.to_le_bytes());
    let (low, high) = codes.split_at(BLOCK / 2);
    for ((byte, low), high) in block[4..].iter_mut().zip(low).zip(high) {
        *byte = low & 0x0f | high << 4;
    }
}
