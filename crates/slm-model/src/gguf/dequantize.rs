//! Dequantization of packed blocks to single precision, bit for bit as in the `gguf` Python package.
//!
//! This fixes the order of the floating-point operations: a scale is multiplied first, a minimum is added or
//! subtracted last, and nothing is fused.
//!
//! # Source
//! The block layouts: `ggml-common.h` of <https://github.com/ggml-org/ggml>.

use half::bf16;

use super::codes::{Codes, first, half_at};
use super::tensor_type::TensorType;

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

/// Reads one value from each block.
fn fill<'a>(
    values: &mut [f32],
    blocks: impl Iterator<Item = &'a [u8]>,
    value: impl Fn(&[u8]) -> f32,
) {
    for (to, block) in values.iter_mut().zip(blocks) {
        *to = value(block);
    }
}

/// Dequantizes blocks of codes.
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

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn unpacked(kind: TensorType, block: &[u8]) -> Vec<f32> {
        let mut values = vec![f32::NAN; kind.block_len()];
        dequantize(kind, block, &mut values);
        values
    }

    #[test]
    fn every_packed_type_equals_gguf_py_bit_for_bit() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/gguf");
        let read = |name: &str| std::fs::read(folder.join(name)).expect("a golden file");
        let files = [
            "blocks.safetensors",
            "q5_1.safetensors",
            "low_bits.safetensors",
        ]
        .map(read);
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
