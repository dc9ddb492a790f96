//! The random parts of a training forward pass: dropout on the inputs of LoRA pairs, and `NEFTune`'s noise on the
//! embeddings.
//!
//! No generator has state. Each value is a pure function of the seed, the optimizer step, the micro-batch, the module
//! and its index in the matrix, so a resumed training draws the values of an uninterrupted one, with any number of
//! threads.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::device::is_cpu;
use crate::fused::Kernels;
#[cfg(feature = "cube")]
use crate::fused::{Kernel, cube};

/// The module index of the embeddings; those of pairs start at 0.
const EMBEDDINGS: u64 = u64::MAX;

/// Dropout and `NEFTune` settings of one forward pass, with its position in the training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Fraction of each pair's input that is zeroed; the rest is scaled by `1 / (1 - lora_dropout)`. In `[0, 1)`.
    pub lora_dropout: f64,
    /// Bound of the uniform noise on the embeddings, before division by `sqrt(length * hidden_size)`.
    pub neftune_noise_alpha: f64,
    /// The training's seed.
    pub seed: u64,
    /// The optimizer step.
    pub step: u64,
    /// Index of the micro-batch within the step.
    pub micro_batch: u64,
}

impl Noise {
    /// Returns the generator for one module, keyed by seed, step, micro-batch and `index`.
    fn generator(&self, index: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        let words = [self.seed, self.step, self.micro_batch, index];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }

    /// Returns a matrix with `value` applied to 32 random bits per element.
    fn matrix(
        &self,
        index: u64,
        [rows, width]: [usize; 2],
        device: &Device,
        value: impl Fn(u32) -> f32 + Sync,
    ) -> Tensor<2> {
        let start = self.generator(index);
        let mut values = vec![0.0; rows * width];
        let each = values.par_chunks_mut(width).enumerate();
        each.for_each(|(row, values)| {
            let mut generator = start.clone();
            generator.set_word_pos((row * width) as u128);
            for v in values {
                *v = value(generator.next_u32());
            }
        });
        Tensor::from_data(TensorData::new(values, [rows, width]), device)
    }

    /// Returns `NEFTune` noise for the embeddings of sequences of `length` tokens; `None` if it is off.
    ///
    /// # Shapes
    /// returns `[rows, hidden_size]`
    /// # Source
    /// Jain et al. 2023, arXiv:2310.05914; as in transformers, padding counts as part of a sequence.
    pub(crate) fn of_embeddings(
        &self,
        [rows, hidden_size]: [usize; 2],
        length: usize,
        device: &Device,
    ) -> Option<Tensor<2>> {
        if self.neftune_noise_alpha == 0.0 {
            return None;
        }
        let bound = self.neftune_noise_alpha / ((length * hidden_size) as f64).sqrt();
        let uniform = |bits: u32| (bound * (f64::from(bits) / 2f64.powi(31) - 1.0)) as f32;
        Some(self.matrix(EMBEDDINGS, [rows, hidden_size], device, uniform))
    }
}

/// Dropout on the input of one pair.
#[derive(Clone, Debug)]
pub(crate) struct Dropout {
    /// Rate, seed and position in the training.
    pub(super) noise: Noise,
    /// The index of the linear layer, see [`super::module_index`].
    pub(super) index: u64,
    /// The kernels of the device; none on the CPU.
    pub(super) kernels: Kernels,
}

impl Dropout {
    /// Zeroes a random part of `x` and scales up the rest.
    ///
    /// # Source
    /// Srivastava et al. 2014, in the inverted form of PyTorch's `Dropout`.
    pub(super) fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        if !is_cpu(&x.device()) {
            let mask = self.mask_on_device(x.dims(), &x.device().inner(), x.dtype());
            return x * mask;
        }
        let share = self.noise.lora_dropout;
        let kept = (1.0 / (1.0 - share)) as f32;
        let threshold = (share * 2f64.powi(32)) as u32;
        let mask = |bits: u32| if bits < threshold { 0.0 } else { kept };
        // Outside autodiff: a mask has no gradient.
        let (shape, device) = (x.dims(), x.device().inner());
        let mask = self.noise.matrix(self.index, shape, &device, mask);
        let kind = x.dtype();
        x * mask.cast(kind)
    }

    /// Draws the mask with a generator that a device can run; the values are the same with and without its kernel.
    fn mask_on_device(&self, shape: [usize; 2], device: &Device, kind: DType) -> Tensor<2> {
        let (mut generator, share) = (self.noise.generator(self.index), self.noise.lora_dropout);
        let key = std::array::from_fn(|_| generator.next_u32());
        #[cfg(feature = "cube")]
        if self.kernels.is_on(Kernel::Dropout) {
            return cube::dropout_mask(&self.kernels, device, shape, share, key, kind);
        }
        #[cfg(not(feature = "cube"))]
        let _ = &self.kernels;
        host_mask(shape, share, key, device).cast(kind)
    }
}

/// Draws a dropout mask on the host: 0 with the given probability, otherwise `1 / (1 - probability)`. The counterpart of
/// `slm_kernels::dropout::dropout_mask`, with the same values.
///
/// # Source
/// Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10).
pub(crate) fn host_mask(
    [rows, columns]: [usize; 2],
    probability: f64,
    key: [u32; 4],
    device: &Device,
) -> Tensor<2> {
    let threshold = (probability * 2f64.powi(32)).round() as u32;
    let kept = (1.0 / (1.0 - probability)) as f32;
    let mut values = vec![0.0; rows * columns];
    let each = values.par_chunks_mut(columns).enumerate();
    each.for_each(|(row, values)| {
        for (block, values) in values.chunks_mut(4).enumerate() {
            let counter = [row as u32, block as u32, key[2], key[3]];
            for (value, bits) in values.iter_mut().zip(philox(counter, [key[0], key[1]])) {
                *value = if bits < threshold { 0.0 } else { kept };
            }
        }
    });
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Ten rounds of Philox 4x32.
fn philox(mut words: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let wide = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let (high_0, low_0) = wide(words[0], 0xD251_1F53);
        let (high_1, low_1) = wide(words[2], 0xCD9E_8D57);
        words = [
            high_1 ^ words[1] ^ key[0],
            low_1,
            high_0 ^ words[3] ^ key[1],
            low_0,
        ];
        key = [
            key[0].wrapping_add(0x9E37_79B9),
            key[1].wrapping_add(0xBB67_AE85),
        ];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Noise = Noise {
        lora_dropout: 0.25,
        neftune_noise_alpha: 5.0,
        seed: 42,
        step: 3,
        micro_batch: 1,
    };

    fn dropped(noise: Noise, index: u64) -> Vec<f32> {
        let x = Tensor::ones([200, 300], &Device::flex());
        let kernels = Kernels::default();
        let y = Dropout {
            noise,
            index,
            kernels,
        }
        .apply(x);
        y.into_data().try_into_vec().expect("f32")
    }

    #[test]
    fn a_share_is_zeroed_and_the_rest_keeps_the_mean() {
        let values = dropped(NOISE, 5);
        let n = values.len() as f64;
        let zeros = values.iter().filter(|&&v| v == 0.0).count() as f64 / n;
        // Six standard deviations of a share of 0.25 in 60,000 draws.
        assert!((zeros - 0.25).abs() < 0.011, "{zeros}");
        let kept = |v: &f32| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6;
        assert!(values.iter().all(kept));
    }

    #[test]
    fn zeros_depend_on_seed_step_micro_batch_and_place_and_on_nothing_else() {
        let first = dropped(NOISE, 5);
        assert_eq!(first, dropped(NOISE, 5));
        let others = [
            dropped(Noise { seed: 43, ..NOISE }, 5),
            dropped(Noise { step: 4, ..NOISE }, 5),
            dropped(
                Noise {
                    micro_batch: 2,
                    ..NOISE
                },
                5,
            ),
            dropped(NOISE, 6),
        ];
        for other in others {
            let same = first
                .iter()
                .zip(&other)
                .filter(|(a, b)| (**a == 0.0) == (**b == 0.0))
                .count();
            // Independent masks agree at 0.25² + 0.75² of all elements.
            let share = same as f64 / first.len() as f64;
            assert!((share - 0.625).abs() < 0.02, "{share}");
        }
    }

    #[test]
    fn no_row_of_a_mask_repeats_another() {
        let values = dropped(NOISE, 0);
        let rows: Vec<&[f32]> = values.chunks(300).collect();
        assert!(rows.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn embeddings_get_uniform_noise_as_wide_as_the_paper_says() {
        let noise = NOISE
            .of_embeddings([40, 64], 20, &Device::flex())
            .expect("noise");
        let values: Vec<f32> = noise.into_data().try_into_vec().expect("f32");
        let bound = 5.0 / (20.0f32 * 64.0).sqrt();
        let largest = values.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        assert!(
            largest <= bound && largest > 0.99 * bound,
            "{largest} of {bound}"
        );
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.1 * bound, "{mean}");
        let silent = Noise {
            neftune_noise_alpha: 0.0,
            ..NOISE
        };
        assert!(
            silent
                .of_embeddings([40, 64], 20, &Device::flex())
                .is_none()
        );
    }

    /// Known answers of Random123 1.14 (`kat_vectors`, philox4x32, 10 rounds).
    #[test]
    fn the_generator_gives_the_known_answers() {
        let ones = u32::MAX;
        for (counter, key, expected) in [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [ones; 4],
                [ones; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
        ] {
            assert_eq!(philox(counter, key), expected);
        }
    }
}
