//! Quantization from single precision to blocks of 8 or 4 bits, for base models that are not quantised on disk.

use half::f16;
use rayon::prelude::*;

use super::WeightFormat;
use crate::gguf::{PackedTensor, TensorType};
use crate::weight_file::HostTensor;

/// Returns the block type of a matrix; `None` if it stays in 16 bits: embedding and head, as is usual, and matrices
/// whose rows are not whole blocks.
pub(super) fn block_type(name: &str, shape: &[usize], format: WeightFormat) -> Option<TensorType> {
    let kind = match format {
        WeightFormat::Q8 => TensorType::Q8_0,
        WeightFormat::Q4 => TensorType::Q4_1,
        WeightFormat::F32 | WeightFormat::Bf16 => return None,
    };
    let fits = shape[1].is_multiple_of(kind.block_len());
    (fits && name.starts_with("model.layers.")).then_some(kind)
}

/// Returns the size of a quantised matrix in bytes, if it is one.
pub(super) fn bytes(name: &str, shape: &[usize], format: WeightFormat) -> Option<usize> {
    let kind = block_type(name, shape, format)?;
    Some(shape[0] * shape[1] / kind.block_len() * kind.block_bytes())
}

/// Quantises to `Q8_0` or `Q4_1`; `None` if values are too large for a block's scale.
///
/// Rounds to nearest. The scale is rounded to half precision first, so that codes match the scale they are multiplied
/// with.
///
/// # Source
/// The block types of <https://github.com/ggml-org/ggml>.
pub(super) fn quantized(tensor: &HostTensor, kind: TensorType) -> Option<PackedTensor> {
    let pack = match kind {
        TensorType::Q8_0 => eight_bits,
        TensorType::Q4_1 => four_bits,
        _ => unreachable!("blocks that nothing is quantised to"),
    };
    let columns = tensor.shape[1];
    let blocks = tensor.values.len() / kind.block_len();
    let mut bytes = vec![0; blocks * kind.block_bytes()];
    let all_fit = tensor
        .values
        .par_chunks_exact(kind.block_len())
        .zip(bytes.par_chunks_exact_mut(kind.block_bytes()))
        .map(|(values, block)| pack(values, block))
        .reduce(|| true, |a, b| a && b);
    if !all_fit {
        return None;
    }
    PackedTensor::new(kind, columns, bytes)
}

/// Packs `Q8_0`: the largest absolute value becomes 127 or -127. Returns false if the scale exceeds half precision.
fn eight_bits(values: &[f32], block: &mut [u8]) -> bool {
    let largest = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
    let scale = f16::from_f32(largest / 127.0);
    block[..2].copy_from_slice(&scale.to_le_bytes());
    let scale = scale.to_f32();
    for (code, value) in block[2..].iter_mut().zip(values) {
        *code = rounded(*value, scale, -127.0..=127.0) as i8 as u8;
    }
    scale.is_finite()
}

/// Packs `Q4_1`: fifteen steps from the smallest value to the largest. Returns false if they exceed half precision.
fn four_bits(values: &[f32], block: &mut [u8]) -> bool {
    let (least, most) = values
        .iter()
        .fold((f32::MAX, f32::MIN), |(least, most), v| {
            (least.min(*v), most.max(*v))
        });
    let minimum = f16::from_f32(least);
    let scale = f16::from_f32((most - minimum.to_f32()) / 15.0);
    block[..2].copy_from_slice(&scale.to_le_bytes());
    block[2..4].copy_from_slice(&minimum.to_le_bytes());
    let (scale, minimum) = (scale.to_f32(), minimum.to_f32());
    let code = |value: &f32| rounded(value - minimum, scale, 0.0..=15.0) as u8;
    let (low, high) = values.split_at(values.len() / 2);
    for ((byte, low), high) in block[4..].iter_mut().zip(low).zip(high) {
        *byte = code(low) | code(high) << 4;
    }
    scale.is_finite() && minimum.is_finite()
}

/// Rounds `value / scale` to the nearest integer in the range; 0 if the scale is 0.
fn rounded(value: f32, scale: f32, range: std::ops::RangeInclusive<f32>) -> f32 {
    if scale == 0.0 {
        return 0.0;
    }
    (value / scale).round().clamp(*range.start(), *range.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frozen::NarrowMatrix;
    use crate::kernel::check::noise;

    fn check(values: Vec<f32>, format: WeightFormat, steps: f32) {
        let columns = 64;
        let shape = vec![values.len() / columns, columns];
        let tensor = HostTensor { shape, values };
        let kind = block_type("model.layers.0.mlp.up_proj.weight", &tensor.shape, format);
        let kind = kind.expect("whole blocks");
        let matrix = NarrowMatrix::blocks(quantized(&tensor, kind).expect("small values"));
        let mut found = vec![0.0; tensor.values.len()];
        matrix.unpack(0..matrix.rows(), &mut found);
        for (found, values) in found.chunks(32).zip(tensor.values.chunks(32)) {
            let range = |f: fn(f32, f32) -> f32| values.iter().copied().reduce(f).expect("values");
            let (least, most) = (range(f32::min), range(f32::max));
            let width = if format == WeightFormat::Q8 {
                least.abs().max(most.abs()) * 2.0
            } else {
                most - least
            };
            // Half a step, plus the effect of rounding scale and minimum to half precision.
            let bound = width / steps * 0.5 + (width + least.abs()) / 1024.0;
            for (found, value) in found.iter().zip(values) {
                assert!(
                    (found - value).abs() <= bound,
                    "{found} for {value}, {bound}"
                );
            }
        }
    }

    fn small_noise() -> Vec<f32> {
        noise(640, 7).into_iter().map(|v| v * 0.05).collect()
    }

    #[test]
    fn values_come_back_within_half_a_step() {
        check(small_noise(), WeightFormat::Q8, 254.0);
        check(small_noise(), WeightFormat::Q4, 15.0);
        let shifted = small_noise().into_iter().map(|v| v + 1.0).collect();
        check(shifted, WeightFormat::Q4, 15.0);
    }

    #[test]
    fn zeros_and_equal_values_stay_what_they_are() {
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            check(vec![0.0; 64], format, 1e9);
            check(vec![-0.5; 64], format, 1e9);
        }
    }

    #[test]
    fn what_no_block_can_hold_is_left_alone() {
        let huge = HostTensor {
            shape: vec![1, 32],
            values: vec![1e30; 32],
        };
        assert!(quantized(&huge, TensorType::Q8_0).is_none());
        assert!(quantized(&huge, TensorType::Q4_1).is_none());
        let kind = |name, columns| block_type(name, &[2, columns], WeightFormat::Q4);
        assert_eq!(kind("model.layers.0.mlp.up_proj.weight", 33), None);
        assert_eq!(kind("model.embed_tokens.weight", 32), None);
        assert_eq!(
            kind("model.layers.0.mlp.up_proj.weight", 32),
            Some(TensorType::Q4_1)
        );
    }
}
