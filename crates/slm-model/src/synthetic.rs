//! Random weights in memory: for benchmarks, and to compare devices.
//!
//! Every value is a function of seed, tensor name and index, so that all devices, programs and runs get the same model,
//! independent of the order in which its tensors are requested.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use rayon::prelude::*;

use crate::gguf::dequantize::dequantize;
use crate::gguf::{PackedTensor, TensorType};
use crate::weight_file::HostTensor;

/// Storage type of a synthetic model's matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SyntheticType {
    /// Single precision.
    F32,
    /// bfloat16, as most models are published.
    #[default]
    Bf16,
    /// GGUF's 8 bits with a scale.
    Q8_0,
    /// GGUF's 4 bits with a scale.
    Q4_0,
    /// GGUF's 4 bits with a scale and a minimum.
    Q4_1,
    /// GGUF's 4 bits in blocks of 256; matrices of other widths have 5 bits, as in llama.cpp.
    Q4K,
}

/// An unknown weight type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown weight type `{0}`\nhint: one of f32, bf16, q8_0, q4_0, q4_1, q4_k")]
pub struct UnknownType(String);

impl SyntheticType {
    const ALL: [(&'static str, Self); 6] = [
        ("f32", Self::F32),
        ("bf16", Self::Bf16),
        ("q8_0", Self::Q8_0),
        ("q4_0", Self::Q4_0),
        ("q4_1", Self::Q4_1),
        ("q4_k", Self::Q4K),
    ];

    /// Returns GGUF's type of a matrix with rows of `columns` values, if it has codes.
    fn packed(self, columns: usize) -> Option<TensorType> {
        let kind = match self {
            Self::F32 | Self::Bf16 => return None,
            Self::Q8_0 => TensorType::Q8_0,
            Self::Q4_0 => TensorType::Q4_0,
            Self::Q4_1 => TensorType::Q4_1,
            Self::Q4K => TensorType::Q4_K,
        };
        let is_whole = |kind: &TensorType| columns.is_multiple_of(kind.block_len());
        [kind, TensorType::Q5_0].into_iter().find(is_whole)
    }
}

impl FromStr for SyntheticType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found
            .map(|&(_, kind)| kind)
            .ok_or_else(|| UnknownType(text.to_owned()))
    }
}

impl fmt::Display for SyntheticType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, kind)| kind == self);
        f.write_str(found.map_or("", |(name, _)| name))
    }
}

/// The tensors of a synthetic model.
#[derive(Debug)]
pub(crate) struct Synthetic {
    pub(crate) kind: SyntheticType,
    pub(crate) seed: u64,
}

impl Synthetic {
    /// Generates a tensor in single precision.
    ///
    /// Matrices have the standard deviation `1 / sqrt(in)`, biases 0.1; norm weights have the mean 1. Codes of few bits
    /// are drawn uniformly, so their mean deviates from zero by half a step, as in any type without a middle.
    pub(crate) fn tensor(&self, name: &str, shape: Vec<usize>) -> HostTensor {
        let n = shape.iter().product();
        let stream = Stream::new(self.seed, name);
        let &[_, columns] = &shape[..] else {
            let mean = if name.ends_with("norm.weight") {
                1.0
            } else {
                0.0
            };
            let values = (0..n).map(|i| mean + stream.normal(i, 0.1)).collect();
            return HostTensor { shape, values };
        };
        let mut values = vec![0.0; n];
        if let Some((kind, bytes)) = self.blocks(name, n, columns) {
            let row_bytes = columns / kind.block_len() * kind.block_bytes();
            values
                .par_chunks_mut(columns)
                .zip(bytes.par_chunks(row_bytes))
                .for_each(|(values, bytes)| dequantize(kind, bytes, values));
            return HostTensor { shape, values };
        }
        let deviation = (columns as f32).sqrt().recip();
        let is_half = self.kind == SyntheticType::Bf16;
        values
            .par_chunks_mut(columns)
            .enumerate()
            .for_each(|(row, values)| {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = stream.normal(row * columns + i, deviation);
                    if is_half {
                        *value = bf16::from_f32(*value).to_f32();
                    }
                }
            });
        HostTensor { shape, values }
    }

    /// Generates a matrix in GGUF blocks, if its type has blocks.
    pub(crate) fn packed(&self, name: &str, shape: &[usize]) -> Option<PackedTensor> {
        let &[rows, columns] = shape else {
            return None;
        };
        let (kind, bytes) = self.blocks(name, rows * columns, columns)?;
        PackedTensor::new(kind, columns, bytes)
    }

    /// Size in bytes of [`Self::packed`].
    pub(crate) fn packed_bytes(&self, shape: &[usize]) -> Option<usize> {
        let &[rows, columns] = shape else {
            return None;
        };
        let kind = self.kind.packed(columns)?;
        Some(rows * columns / kind.block_len() * kind.block_bytes())
    }

    /// Generates blocks of random codes, with the scale that gives values the same spread as other types.
    fn blocks(&self, name: &str, n: usize, columns: usize) -> Option<(TensorType, Vec<u8>)> {
        let kind = self.kind.packed(columns)?;
        let stream = Stream::new(self.seed, name);
        let mut bytes = vec![0; n / kind.block_len() * kind.block_bytes()];
        let head = head(kind, (columns as f32).sqrt().recip());
        bytes
            .par_chunks_mut(kind.block_bytes())
            .with_min_len(1 << 10)
            .enumerate()
            .for_each(|(block, bytes)| {
                let (start, codes) = bytes.split_at_mut(head.len());
                start.copy_from_slice(&head);
                for (i, codes) in codes.chunks_mut(8).enumerate() {
                    // No block has more than 128 bytes of codes.
                    let drawn = stream.bits((block * 16 + i) as u64).to_le_bytes();
                    codes.copy_from_slice(&drawn[..codes.len()]);
                }
            });
        Some((kind, bytes))
    }
}

/// The scales and minima before the codes of a block, the same in all blocks.
fn head(kind: TensorType, deviation: f32) -> Vec<u8> {
    // The standard deviation of uniformly distributed integers.
    let of_codes = |n: f32| ((n * n - 1.0) / 12.0).sqrt();
    let half = |value: f32| f16::from_f32(value).to_le_bytes();
    let four_bits = deviation / of_codes(16.0);
    match kind {
        TensorType::Q8_0 => half(deviation / of_codes(256.0)).to_vec(),
        TensorType::Q5_0 => half(deviation / of_codes(32.0)).to_vec(),
        TensorType::Q4_0 => half(four_bits).to_vec(),
        TensorType::Q4_1 => [half(four_bits), half(-7.5 * four_bits)].concat(),
        TensorType::Q4_K => {
            // Each of the eight sub-blocks has the 6-bit scale and minimum 32.
            let sub_blocks: [u8; 12] = [0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0, 0, 0, 0];
            let (scale, minimum) = (four_bits / 32.0, 7.5 * four_bits / 32.0);
            [&half(scale)[..], &half(minimum), &sub_blocks].concat()
        }
        _ => unreachable!("synthetic models have no {}", kind.name()),
    }
}

/// Counter-based random numbers.
#[derive(Clone, Copy)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a; the finaliser of `bits` mixes it.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(Self(seed).bits(hash))
    }

    /// Returns 64 random bits for an index.
    ///
    /// # Source
    /// Steele et al. 2014, "Fast splittable pseudorandom number generators": `SplitMix64`.
    fn bits(self, place: u64) -> u64 {
        let z = self
            .0
            .wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Approximates a normal distribution around 0 by the sum of four uniform numbers.
    pub(crate) fn normal(self, place: usize, deviation: f32) -> f32 {
        let bits = self.bits(place as u64);
        let sum: u64 = [0, 16, 32, 48]
            .iter()
            .map(|shift| (bits >> shift) & 0xffff)
            .sum();
        // The sum of four uniform numbers from 0 to 1 has the variance 1/3.
        (sum as f32 / 65_536.0 - 2.0) * 3.0f32.sqrt() * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decoder::Decoder;
    use crate::engine::Engine;
    use crate::lora::Adapter;
    use crate::shape::NamedShape;
    use crate::weights::Weights;
    use burn::tensor::Device;

    fn deviation(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let squares = values.iter().map(|&v| (f64::from(v) - mean).powi(2));
        (mean, (squares.sum::<f64>() / n).sqrt())
    }

    #[test]
    fn matrices_of_every_type_have_one_spread() {
        for (_, kind) in SyntheticType::ALL {
            let synthetic = Synthetic { kind, seed: 1 };
            // Rows of 320 values are not whole blocks of 256.
            for columns in [512, 320] {
                let tensor = synthetic.tensor("a.weight", vec![300, columns]);
                let (mean, found) = deviation(&tensor.values);
                let expected = 1.0 / (columns as f64).sqrt();
                assert!((found / expected - 1.0).abs() < 0.02, "{kind}: {found}");
                assert!(mean.abs() < 0.12 * expected, "{kind}: mean {mean}");
            }
        }
    }

    #[test]
    fn seed_and_name_decide_every_value() {
        let draw = |seed, name: &str| {
            let kind = SyntheticType::F32;
            Synthetic { kind, seed }.tensor(name, vec![3, 64]).values
        };
        assert_eq!(draw(1, "a.weight"), draw(1, "a.weight"));
        assert_ne!(draw(1, "a.weight"), draw(2, "a.weight"));
        assert_ne!(draw(1, "a.weight"), draw(1, "b.weight"));
    }

    #[test]
    fn decoder_and_engine_agree_on_a_synthetic_model_of_every_type() {
        let device = Device::flex();
        let tokens: Vec<u32> = (0..20).map(|i| i * 17 % 384).collect();
        for shape in ["tiny-qwen2", "tiny-llama"] {
            let shape: NamedShape = shape.parse().expect("a known shape");
            for (_, kind) in SyntheticType::ALL {
                let weights = Weights::synthetic(shape, kind, 7);
                let adapter = Adapter::synthetic(weights.config(), 4, 3, &device);
                let decoder = Decoder::load(&weights, &device, |_, _| ()).expect("decoder");
                let engine = Engine::load(&weights, |_, _| ()).expect("engine");
                let laid_out = crate::EngineAdapter::new(&adapter, &weights).expect("adapter");
                for adapted in [false, true] {
                    let logits = decoder.logits(&tokens, 1, adapted.then_some(&adapter));
                    let expected: Vec<f32> = logits
                        .narrow(0, tokens.len() - 1, 1)
                        .into_data()
                        .try_into_vec()
                        .expect("f32");
                    let mut cache = engine.cache(1);
                    let found =
                        engine.prefill(&mut cache, 0, 0, &tokens, adapted.then_some(&laid_out));
                    let worst = found
                        .iter()
                        .zip(&expected)
                        .map(|(a, b)| (a - b).abs())
                        .fold(0.0, f32::max);
                    assert!(worst < 1e-4, "{shape} {kind}: {worst}");
                    let spread = deviation(&expected).1;
                    assert!((0.3..3.0).contains(&spread), "{shape} {kind}: {spread}");
                }
            }
        }
    }
}
