//! Quantization from single precision to the blocks of GGUF files.
//!
//! `Q8_0`, `Q5_0` and `Q5_1` have the bytes of the `gguf` Python package. The blocks of 256 values come from a search for the
//! least error of the values themselves; llama.cpp weights the error by their size.

mod blocks;
mod fit;
mod super_blocks;

use half::{bf16, f16};
use rayon::prelude::*;

use super::tensor_type::TensorType;

/// Blocks that one thread packs at a time.
const BLOCKS: usize = 64;

/// Returns whether [`quantized`] writes this type.
pub(crate) fn is_written(kind: TensorType) -> bool {
    use TensorType::{BF16, F16, F32, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0};
    matches!(
        kind,
        F32 | F16 | BF16 | Q5_0 | Q5_1 | Q8_0 | Q4_K | Q5_K | Q6_K
    )
}

/// Converts values to the bytes of a type, on all cores; `None` if a value or a scale exceeds half precision.
///
/// # Panics
/// If the values are not whole blocks, or the type is one that is only read.
pub(crate) fn quantized(kind: TensorType, values: &[f32]) -> Option<Vec<u8>> {
    let (len, width) = (kind.block_len(), kind.block_bytes());
    assert!(
        values.len().is_multiple_of(len) && is_written(kind),
        "{} values as {}",
        values.len(),
        kind.name()
    );
    let mut bytes = vec![0; values.len() / len * width];
    // Values that are no blocks are converted in longer runs.
    let run = if len == 1 { 1 << 14 } else { BLOCKS };
    let all_fit = values
        .par_chunks(run * len)
        .zip(bytes.par_chunks_mut(run * width))
        .map(|(values, bytes)| pack(kind, values, bytes))
        .reduce(|| true, |a, b| a && b);
    all_fit.then_some(bytes)
}

/// Packs whole blocks. Returns false if a value or a scale exceeds half precision.
fn pack(kind: TensorType, values: &[f32], bytes: &mut [u8]) -> bool {
    match kind {
        TensorType::F32 => each(values, bytes, |value, to| {
            to.copy_from_slice(&value.to_le_bytes());
            true
        }),
        TensorType::F16 => each(values, bytes, |value, to| {
            let half = f16::from_f32(value);
            to.copy_from_slice(&half.to_le_bytes());
            half.is_finite()
        }),
        TensorType::BF16 => each(values, bytes, |value, to| {
            to.copy_from_slice(&bf16::from_f32(value).to_le_bytes());
            true
        }),
        TensorType::Q5_0 => each_block(kind, values, bytes, blocks::q5_0),
        TensorType::Q5_1 => each_block(kind, values, bytes, blocks::q5_1),
        TensorType::Q8_0 => each_block(kind, values, bytes, blocks::q8_0),
        TensorType::Q4_K => each_block(kind, values, bytes, super_blocks::q4_k),
        TensorType::Q5_K => each_block(kind, values, bytes, super_blocks::q5_k),
        TensorType::Q6_K => each_block(kind, values, bytes, super_blocks::q6_k),
        TensorType::Q4_0
        | TensorType::Q4_1
        | TensorType::Q2_K
        | TensorType::Q3_K
        | TensorType::IQ4_NL
        | TensorType::IQ4_XS => unreachable!("types that are only read"),
    }
}

fn each(values: &[f32], bytes: &mut [u8], put: impl Fn(f32, &mut [u8]) -> bool) -> bool {
    let width = bytes.len() / values.len();
    let places = bytes.chunks_exact_mut(width);
    values
        .iter()
        .zip(places)
        .fold(true, |all, (&value, to)| put(value, to) && all)
}

fn each_block<const N: usize>(
    kind: TensorType,
    values: &[f32],
    bytes: &mut [u8],
    pack: impl Fn(&[f32; N], &mut [u8]) -> bool,
) -> bool {
    let blocks = bytes.chunks_exact_mut(kind.block_bytes());
    let values = values.as_chunks().0.iter().zip(blocks);
    values.fold(true, |all, (values, block)| pack(values, block) && all)
}

#[cfg(test)]
mod tests {
    use super::super::dequantize::dequantize;
    use super::*;
    use crate::kernel::check::noise;

    fn golden() -> Vec<u8> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
        std::fs::read(folder.join("gguf/quantized.safetensors")).expect("a golden file")
    }

    fn floats(bytes: &[u8]) -> Vec<f32> {
        let (values, _) = bytes.as_chunks();
        values.iter().map(|&v| f32::from_le_bytes(v)).collect()
    }

    fn error_of(kind: TensorType, bytes: &[u8], values: &[f32]) -> f64 {
        let mut found = vec![0.0; values.len()];
        dequantize(kind, bytes, &mut found);
        let squares = found.iter().zip(values);
        let sum: f64 = squares.map(|(a, b)| f64::from(a - b).powi(2)).sum();
        (sum / values.len() as f64).sqrt()
    }

    /// `golden/gguf/quantized.py` records gguf-py's bytes.
    #[test]
    fn blocks_of_32_values_have_the_bytes_of_gguf_py() {
        let bytes = golden();
        let golden = safetensors::SafeTensors::deserialize(&bytes).expect("valid");
        for kind in [
            TensorType::F16,
            TensorType::BF16,
            TensorType::Q8_0,
            TensorType::Q5_0,
            TensorType::Q5_1,
        ] {
            for name in ["noise", "edges"] {
                let values = floats(
                    golden
                        .tensor(&format!("{name}.f32"))
                        .expect("values")
                        .data(),
                );
                let expected = golden
                    .tensor(&format!("{name}.{}", kind.name()))
                    .expect("bytes");
                let found = quantized(kind, &values).expect("small values");
                let width = kind.block_bytes();
                for (i, (found, expected)) in found
                    .chunks(width)
                    .zip(expected.data().chunks(width))
                    .enumerate()
                {
                    assert_eq!(found, expected, "{name}, block {i} of {}", kind.name());
                }
            }
        }
    }

    /// The bytes in the golden file are those of llama.cpp's `ggml_quantize_chunk`.
    #[test]
    fn blocks_of_256_values_have_a_smaller_error_than_llama_cpps() {
        let bytes = golden();
        let golden = safetensors::SafeTensors::deserialize(&bytes).expect("valid");
        for kind in [TensorType::Q4_K, TensorType::Q5_K, TensorType::Q6_K] {
            for name in ["noise", "heavy", "shifted", "edges"] {
                let values = floats(
                    golden
                        .tensor(&format!("{name}.f32"))
                        .expect("values")
                        .data(),
                );
                let theirs = golden
                    .tensor(&format!("{name}.{}", kind.name()))
                    .expect("bytes");
                let theirs = error_of(kind, theirs.data(), &values);
                let ours = quantized(kind, &values).expect("small values");
                let ours = error_of(kind, &ours, &values);
                assert!(
                    ours <= theirs,
                    "{name} as {}: {ours} and {theirs}",
                    kind.name()
                );
            }
        }
    }

    #[test]
    fn zeros_and_equal_values_stay_what_they_are() {
        for &kind in TensorType::ALL.iter().filter(|&&kind| is_written(kind)) {
            for value in [0.0, 0.5, -0.5] {
                let values = vec![value; 512];
                let bytes = quantized(kind, &values).expect("small values");
                let error = error_of(kind, &bytes, &values);
                assert!(
                    error <= f64::from(value.abs()) / 1000.0,
                    "{value} as {}: {error}",
                    kind.name()
                );
            }
        }
    }

    #[test]
    fn the_same_values_give_the_same_bytes_alone_and_in_a_long_tensor() {
        let values = noise(256 * 200, 11);
        for &kind in TensorType::ALL.iter().filter(|&&kind| is_written(kind)) {
            let all = quantized(kind, &values).expect("small values");
            let alone = quantized(kind, &values[256 * 150..][..256]).expect("small values");
            let start = 256 * 150 / kind.block_len() * kind.block_bytes();
            assert_eq!(all[start..][..alone.len()], alone, "{}", kind.name());
        }
    }

    #[test]
    fn what_no_block_can_hold_is_reported() {
        let mut values = vec![0.0; 512];
        values[300] = 1e30;
        for &kind in TensorType::ALL.iter().filter(|&&kind| is_written(kind)) {
            let wide = matches!(kind, TensorType::F32 | TensorType::BF16);
            assert_eq!(quantized(kind, &values).is_some(), wide, "{}", kind.name());
        }
    }
}
