//! From packed blocks to single precision, bit for bit what the `gguf` Python package computes.
//!
//! The order of the floating-point operations is part of that promise: a scale is multiplied first,
//! a minimum added or subtracted last, nothing fused.
//!
//! # Source
//! The block layouts: `ggml-common.h` of <https://github.com/ggml-org/ggml>.

use half::{bf16, f16};

use super::codes::Codes;

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
    /// 32 values of 5 bits, a scale and a minimum.
    Q5_1,
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
        Self::Q5_1,
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
            Self::Q5_1 => 7,
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
            Self::Q5_1 => "Q5_1",
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
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => BLOCK,
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
            Self::Q5_1 => 4 + 4 + BLOCK / 2,
            Self::Q8_0 => 2 + BLOCK,
            Self::Q4_K => 4 + 12 + SUPER_BLOCK / 2,
            Self::Q5_K => 4 + 12 + SUPER_BLOCK / 8 + SUPER_BLOCK / 2,
            Self::Q6_K => SUPER_BLOCK / 2 + SUPER_BLOCK / 4 + SUPER_BLOCK / 16 + 2,
        }
    }

    /// Whether blocks hold codes and scales, and not the values themselves.
    pub(crate) fn is_packed(self) -> bool {
        self.block_len() > 1
    }
}

/// The name of a ggml type by its number, also of those that cannot be read; for error texts.
pub(crate) fn type_name(id: u32) -> String {
    if let Some(kind) = TensorType::from_id(id) {
        return kind.name().to_owned();
    }
    let name = match id {
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
    let blocks = bytes.chunks_exact(kind.block_bytes());
    match kind {
        TensorType::F32 => fill(values, blocks, |block| f32::from_le_bytes(first(block))),
        TensorType::F16 => fill(values, blocks, |block| half_at(block, 0).to_f32()),
        TensorType::BF16 => fill(values, blocks, |block| {
            bf16::from_le_bytes(first(block)).to_f32()
        }),
        _ => unpack(kind, blocks, values),
    }
}

/// One value from each block.
fn fill<'a>(
    values: &mut [f32],
    blocks: impl Iterator<Item = &'a [u8]>,
    value: impl Fn(&[u8]) -> f32,
) {
    for (to, block) in values.iter_mut().zip(blocks) {
        *to = value(block);
    }
}

/// The values of blocks of codes.
fn unpack<'a>(kind: TensorType, blocks: impl Iterator<Item = &'a [u8]>, values: &mut [f32]) {
    let mut read = Codes::of_blocks(kind, 1);
    for (block, values) in blocks.zip(values.chunks_exact_mut(kind.block_len())) {
        read.fill(kind, block);
        let groups = values.chunks_exact_mut(kind.group());
        for (i, (values, codes)) in groups.zip(read.codes.chunks(kind.group())).enumerate() {
            let (scale, minimum) = (read.scales.value(i), read.minima.value(i));
            for (value, &code) in values.iter_mut().zip(codes) {
                *value = scale * f32::from(code);
                if kind.has_minima() {
                    *value += minimum;
                }
            }
        }
    }
}

/// The first `N` bytes of a block.
pub(super) fn first<const N: usize>(block: &[u8]) -> [u8; N] {
    *block.first_chunk().expect("a whole block")
}

/// The half-precision number at byte `at`.
pub(super) fn half_at(block: &[u8], at: usize) -> f16 {
    f16::from_le_bytes(first(&block[at..]))
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
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/gguf");
        let read = |name: &str| std::fs::read(folder.join(name)).expect("a golden file");
        let files = ["blocks.safetensors", "q5_1.safetensors"].map(read);
        let parse = |bytes| ::safetensors::SafeTensors::deserialize(bytes).expect("valid");
        let goldens = files.each_ref().map(|bytes| parse(bytes));
        let data = |name: String| {
            let mut found = goldens
                .iter()
                .filter_map(|golden| golden.tensor(&name).ok());
            found.next().expect("in a file").data()
        };
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
    #[should_panic(expected = "are not 31 values")]
    fn a_partial_block_is_a_broken_invariant() {
        dequantize(TensorType::Q8_0, &[0; 34], &mut [0.0; 31]);
    }
}
