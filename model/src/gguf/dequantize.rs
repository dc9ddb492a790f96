//! From packed blocks to single precision, bit for bit what the `gguf` Python package computes.
//!
//! The order of the floating-point operations is part of that promise: a scale is multiplied first,
//! a minimum added or subtracted last, nothing fused.
//!
//! # Source
//! The block layouts: `ggml-common.h` of <https://github.com/ggml-org/ggml>.

use half::{bf16, f16};

/// How the values of a tensor are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)] // ggml's own names; `Q40` would be a riddle
pub(crate) enum TensorType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// 32 values of 4 bits around 8, one scale.
    Q4_0,
    /// 32 values of 4 bits, a scale and a minimum.
    Q4_1,
    /// 32 values of 5 bits around 16, one scale.
    Q5_0,
    /// 32 values of 8 bits, one scale.
    Q8_0,
    /// 256 values of 4 bits; eight sub-blocks with 6-bit scales and minima.
    Q4_K,
    /// 256 values of 5 bits; eight sub-blocks with 6-bit scales and minima.
    Q5_K,
    /// 256 values of 6 bits around 32; sixteen sub-blocks with 8-bit scales.
    Q6_K,
}

/// Values in a block of the K types.
const SUPER_BLOCK: usize = 256;
/// Values in a block of the older types.
const BLOCK: usize = 32;

impl TensorType {
    /// Every type that can be read.
    pub(crate) const ALL: &[Self] = &[
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
    ];

    /// The type with ggml's number `id`, if it is one that can be read.
    pub(crate) fn from_id(id: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.id() == id)
    }

    /// ggml's number of the type.
    pub(crate) fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
            Self::BF16 => 30,
        }
    }

    /// ggml's name of the type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q8_0 => "Q8_0",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
        }
    }

    /// Values in a block.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q8_0 => BLOCK,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => SUPER_BLOCK,
        }
    }

    /// Bytes in a block.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + BLOCK / 2,
            Self::Q4_1 => 4 + BLOCK / 2,
            Self::Q5_0 => 2 + 4 + BLOCK / 2,
            Self::Q8_0 => 2 + BLOCK,
            Self::Q4_K => 4 + 12 + SUPER_BLOCK / 2,
            Self::Q5_K => 4 + 12 + SUPER_BLOCK / 8 + SUPER_BLOCK / 2,
            Self::Q6_K => SUPER_BLOCK / 2 + SUPER_BLOCK / 4 + SUPER_BLOCK / 16 + 2,
        }
    }

    fn unpack_block(self) -> fn(&[u8], &mut [f32]) {
        match self {
            Self::F32 => |block, values| values[0] = f32::from_le_bytes(first(block)),
            Self::F16 => |block, values| values[0] = half_at(block, 0),
            Self::BF16 => |block, values| values[0] = bf16::from_le_bytes(first(block)).to_f32(),
            Self::Q4_0 => unpack_q4_0,
            Self::Q4_1 => unpack_q4_1,
            Self::Q5_0 => unpack_q5_0,
            Self::Q8_0 => unpack_q8_0,
            Self::Q4_K => unpack_q4_k,
            Self::Q5_K => unpack_q5_k,
            Self::Q6_K => unpack_q6_k,
        }
    }
}

/// The name of a ggml type by its number, also of those that cannot be read; for error texts.
pub(crate) fn type_name(id: u32) -> String {
    if let Some(kind) = TensorType::from_id(id) {
        return kind.name().to_owned();
    }
    let name = match id {
        7 => "Q5_1",
        9 => "Q8_1",
        10 => "Q2_K",
        11 => "Q3_K",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        20 => "IQ4_NL",
        21 => "IQ3_S",
        22 => "IQ2_S",
        23 => "IQ4_XS",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("number {id}"),
    };
    name.to_owned()
}

/// Unpacks whole blocks of `kind` into `values`.
///
/// # Panics
/// If `bytes` and `values` are not the same whole number of blocks.
pub(crate) fn dequantize(kind: TensorType, bytes: &[u8], values: &mut [f32]) {
    let blocks = bytes.len() / kind.block_bytes();
    assert!(
        bytes.len() == blocks * kind.block_bytes() && values.len() == blocks * kind.block_len(),
        "{} bytes of {} are not {} values",
        bytes.len(),
        kind.name(),
        values.len(),
    );
    let unpack = kind.unpack_block();
    for (block, values) in bytes
        .chunks_exact(kind.block_bytes())
        .zip(values.chunks_exact_mut(kind.block_len()))
    {
        unpack(block, values);
    }
}

/// The first `N` bytes of a block.
fn first<const N: usize>(block: &[u8]) -> [u8; N] {
    *block.first_chunk().expect("a whole block")
}

/// The half-precision number at byte `at`.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes(first(&block[at..])).to_f32()
}

/// Low nibbles fill the first half of the values, high nibbles the second.
fn unpack_nibbles(packed: &[u8], values: &mut [f32], value: impl Fn(u8) -> f32) {
    let (low, high) = values.split_at_mut(packed.len());
    for ((&byte, low), high) in packed.iter().zip(low).zip(high) {
        *low = value(byte & 0x0f);
        *high = value(byte >> 4);
    }
}

fn unpack_q4_0(block: &[u8], values: &mut [f32]) {
    let scale = half_at(block, 0);
    unpack_nibbles(&block[2..], values, |q| scale * f32::from(q as i8 - 8));
}

fn unpack_q4_1(block: &[u8], values: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    unpack_nibbles(&block[4..], values, |q| scale * f32::from(q) + minimum);
}

fn unpack_q5_0(block: &[u8], values: &mut [f32]) {
    let scale = half_at(block, 0);
    let fifth_bits = u32::from_le_bytes(first(&block[2..]));
    let packed = &block[6..];
    for (i, value) in values.iter_mut().enumerate() {
        let nibble = (packed[i % 16] >> (i / 16 * 4)) & 0x0f;
        let fifth = ((fifth_bits >> i) & 1) as u8;
        *value = scale * f32::from((nibble | fifth << 4) as i8 - 16);
    }
}

fn unpack_q8_0(block: &[u8], values: &mut [f32]) {
    let scale = half_at(block, 0);
    for (value, &q) in values.iter_mut().zip(&block[2..]) {
        *value = f32::from(q as i8) * scale;
    }
}

/// The 6-bit scale and minimum of sub-block `i` out of the 12 bytes of `Q4_K` and `Q5_K`.
///
/// The first four of each lie in the low 6 bits of bytes 0-3 and 4-7; the last four have their low nibbles
/// in bytes 8-11 and their upper two bits on top of bytes 0-3 and 4-7.
fn scale_and_minimum(packed: &[u8], i: usize) -> (f32, f32) {
    let (scale, minimum) = if i < 4 {
        (packed[i] & 0x3f, packed[i + 4] & 0x3f)
    } else {
        (
            (packed[i + 4] & 0x0f) | ((packed[i - 4] >> 2) & 0x30),
            (packed[i + 4] >> 4) | ((packed[i] >> 2) & 0x30),
        )
    };
    (f32::from(scale), f32::from(minimum))
}

fn unpack_q4_k(block: &[u8], values: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (scales, packed) = block[4..].split_at(12);
    for (i, values) in values.chunks_exact_mut(32).enumerate() {
        let (sub_scale, sub_minimum) = scale_and_minimum(scales, i);
        let (scale, minimum) = (scale * sub_scale, minimum * sub_minimum);
        // Two sub-blocks share 32 bytes: the even one has the low nibbles.
        let nibbles = &packed[i / 2 * 32..][..32];
        for (value, &byte) in values.iter_mut().zip(nibbles) {
            *value = scale * f32::from((byte >> (i % 2 * 4)) & 0x0f) - minimum;
        }
    }
}

fn unpack_q5_k(block: &[u8], values: &mut [f32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let (scales, packed) = block[4..].split_at(12);
    let (fifth_bits, packed) = packed.split_at(32);
    for (i, values) in values.chunks_exact_mut(32).enumerate() {
        let (sub_scale, sub_minimum) = scale_and_minimum(scales, i);
        let (scale, minimum) = (scale * sub_scale, minimum * sub_minimum);
        let nibbles = &packed[i / 2 * 32..][..32];
        for ((value, &byte), &fifths) in values.iter_mut().zip(nibbles).zip(fifth_bits) {
            // Bit i of byte j is the fifth bit of value j of sub-block i.
            let q = ((byte >> (i % 2 * 4)) & 0x0f) | ((fifths >> i) & 1) << 4;
            *value = scale * f32::from(q) - minimum;
        }
    }
}

fn unpack_q6_k(block: &[u8], values: &mut [f32]) {
    let (low, rest) = block.split_at(128);
    let (high, rest) = rest.split_at(64);
    let (scales, scale) = rest.split_at(16);
    let scale = half_at(scale, 0);
    for (i, value) in values.iter_mut().enumerate() {
        // Each half of 128 values has 64 low bytes and 32 high bytes, walked in runs of 32.
        let (half, run, j) = (i / 128, i % 128 / 32, i % 32);
        let nibble = (low[half * 64 + run % 2 * 32 + j] >> (run / 2 * 4)) & 0x0f;
        let upper = (high[half * 32 + j] >> (run * 2)) & 0x03;
        let q = (nibble | upper << 4) as i8 - 32;
        *value = scale * f32::from(scales[i / 16] as i8) * f32::from(q);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(kind: TensorType, block: &[u8]) -> Vec<f32> {
        let mut values = vec![f32::NAN; kind.block_len()];
        dequantize(kind, block, &mut values);
        values
    }

    #[test]
    fn every_packed_type_equals_gguf_py_bit_for_bit() {
        let path = "tests/it/golden/gguf/blocks.safetensors";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let bytes = std::fs::read(path).expect("a golden file");
        let golden = ::safetensors::SafeTensors::deserialize(&bytes).expect("valid");
        let data = |name: String| golden.tensor(&name).expect("in the file").data();
        for kind in TensorType::ALL
            .iter()
            .filter(|&&kind| kind != TensorType::F32)
        {
            let expected = data(format!("{}.f32", kind.name())).chunks_exact(4);
            let mut values = vec![f32::NAN; expected.len()];
            dequantize(*kind, data(format!("{}.raw", kind.name())), &mut values);
            for (i, (value, expected)) in values.iter().zip(expected).enumerate() {
                assert_eq!(
                    value.to_le_bytes(),
                    expected,
                    "value {i} of {}",
                    kind.name()
                );
            }
        }
    }

    #[test]
    fn every_type_is_found_by_its_number() {
        for &kind in TensorType::ALL {
            assert_eq!(TensorType::from_id(kind.id()), Some(kind));
            assert_eq!(type_name(kind.id()), kind.name());
        }
        assert_eq!(TensorType::from_id(10), None);
        assert_eq!(type_name(10), "Q2_K");
        assert_eq!(type_name(999), "number 999");
    }

    #[test]
    fn a_q4_1_block_is_scale_times_nibble_plus_minimum() {
        let mut block = [0x21; 20];
        block[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
        block[2..4].copy_from_slice(&f16::from_f32(-3.0).to_le_bytes());
        let values = unpacked(TensorType::Q4_1, &block);
        assert_eq!(values[..16], [-2.5; 16]);
        assert_eq!(values[16..], [-2.0; 16]);
    }

    #[test]
    fn a_q6_k_block_of_zero_bits_is_minus_32_scales() {
        let mut block = [0; 210];
        block[192..208].fill(1);
        block[208..].copy_from_slice(&f16::from_f32(0.25).to_le_bytes());
        assert_eq!(unpacked(TensorType::Q6_K, &block), [-8.0; 256]);
    }

    #[test]
    fn later_sub_blocks_take_their_upper_scale_bits_from_the_first_bytes() {
        // Scale 4 is 0x25: low nibble 5 in byte 8, upper bits 0b10 on byte 0.
        let mut packed = [0; 12];
        packed[0] = 0b1000_0000;
        packed[8] = 0x05;
        assert_eq!(scale_and_minimum(&packed, 4), (37.0, 0.0));
        assert_eq!(scale_and_minimum(&packed, 0), (0.0, 0.0));
    }

    #[test]
    #[should_panic(expected = "are not 31 values")]
    fn a_partial_block_is_a_broken_invariant() {
        dequantize(TensorType::Q8_0, &[0; 34], &mut [0.0; 31]);
    }
}
