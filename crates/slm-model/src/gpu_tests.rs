//! Tests of the GPU path on `CubeCL`'s CPU runtime: kernels, their check, and the number of launches of a step.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor};
use cubecl::logging::{LaunchObservation, LaunchObserver};

use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::frozen::WeightFormat;
use crate::fused::{Kernel, KernelState, Kernels};
use crate::kernel_check::cases::checked;
use crate::layer_tests::{adapter, assert_equal, decoder, everything};
use crate::lora::Adapter;
use crate::loss::chunked_cross_entropy;
use crate::shape::NamedShape;
use crate::synthetic::SyntheticType;
use crate::weights::Weights;

fn device() -> Device {
    Device::cpu()
}

/// The loss of two packed sequences, and a tensor whose backward pass gives its gradients.
fn loss(decoder: &Decoder, adapter: &Adapter) -> (Tensor<1>, Tensor<1>) {
    let vocab = decoder.config().vocab_size as u32;
    let tokens: Vec<u32> = (0..64).map(|i| i * 7 % vocab).collect();
    let labels: Vec<i64> = tokens.iter().map(|&token| i64::from(token) / 2).collect();
    let texts = [vec![9, 20], vec![32]];
    let states = decoder.packed_hidden_states(&tokens, &texts, Some(adapter));
    let head = decoder.head(Some(adapter));
    let found = chunked_cross_entropy(states, &head, &labels, 64, 256).expect("supervised tokens");
    (found.loss, found.backward_seed)
}

/// One optimizer step; returns the loss before it and the new adapter.
fn step(
    decoder: &Decoder,
    adapter: Adapter,
    optimizer: &mut ModuleOptimizer,
) -> (Tensor<1>, Adapter) {
    let (loss, seed) = loss(decoder, &adapter);
    let gradients = GradientsParams::from_grads(seed.backward(), &adapter);
    (loss, optimizer.step(1e-3, adapter, gradients))
}

/// Losses of ten steps from the same adapter.
fn losses(decoder: &Decoder) -> Vec<f32> {
    let mut optimizer = AdamWConfig::new().init();
    let mut current = adapter(decoder, true);
    let mut losses = Vec::new();
    for _ in 0..10 {
        let (loss, next) = step(decoder, current, &mut optimizer);
        losses.push(loss.into_scalar::<f32>());
        current = next;
    }
    losses
}

#[test]
fn every_kernel_is_on_in_both_dtypes() {
    for format in [WeightFormat::F32, WeightFormat::Bf16] {
        let decoder = decoder("tiny-qwen2", format, &device());
        let listed: Vec<_> = decoder.kernels().iter().collect();
        let on = KernelState::On;
        assert_eq!(
            listed,
            Kernel::ALL.map(|kernel| (kernel, &on)),
            "{format:?}"
        );
    }
}

#[test]
fn kernels_in_single_precision_give_the_states_and_gradients_of_the_cpu() {
    for shape in ["tiny-qwen2", "tiny-llama"] {
        let expected = decoder(shape, WeightFormat::F32, &Device::flex());
        let found = decoder(shape, WeightFormat::F32, &device());
        let recomputed = found.clone().with_gradient_checkpointing(1);
        for (is_whole, packed) in [(true, true), (false, false)] {
            let of = |decoder: &Decoder| everything(decoder, &adapter(decoder, is_whole), packed);
            let expected = of(&expected);
            assert_equal(&of(&found), &expected, 1e-5);
            assert_equal(&of(&recomputed), &expected, 1e-5);
        }
    }
}

/// Asserts that values in bf16 are those of single precision up to rounding, relative to the largest of each tensor.
///
/// Products and the residual stream are rounded to bf16, by at most 2^-9 of a value: about ten times on the longest way
/// through two layers, and ten times more on the way back.
fn assert_equal_in_bf16(found: &[(String, Tensor<2>)], expected: &[(String, Tensor<2>)]) {
    assert_equal(&found[..1], &expected[..1], 10.0 / 512.0);
    assert_equal(&found[1..], &expected[1..], 20.0 / 512.0);
}

#[test]
fn kernels_in_bf16_give_the_states_and_gradients_of_the_cpu_up_to_rounding() {
    let expected = decoder("tiny-qwen2", WeightFormat::Bf16, &Device::flex());
    let found = decoder("tiny-qwen2", WeightFormat::Bf16, &device());
    let recomputed = found.clone().with_gradient_checkpointing(1);
    let of = |decoder: &Decoder| everything(decoder, &adapter(decoder, true), true);
    let expected = of(&expected);
    assert_equal_in_bf16(&of(&found), &expected);
    assert_equal_in_bf16(&of(&recomputed), &expected);
}

#[test]
fn the_losses_of_ten_steps_in_bf16_are_those_of_single_precision() {
    let expected = losses(&decoder("tiny-qwen2", WeightFormat::F32, &Device::flex()));
    let found = losses(&decoder("tiny-qwen2", WeightFormat::Bf16, &device()));
    assert!(
        expected[9] < 0.9 * expected[0],
        "nothing is learned: {expected:?}"
    );
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-2, "{found} for {expected}");
    }
}

#[test]
fn a_broken_kernel_is_switched_off_alone_and_changes_no_result() {
    let reference = decoder("tiny-qwen2", WeightFormat::Bf16, &Device::flex());
    let of = |decoder: &Decoder| {
        let adapter = adapter(decoder, true);
        let (loss, _) = loss(decoder, &adapter);
        (
            loss.into_scalar::<f32>(),
            everything(decoder, &adapter, true),
        )
    };
    let expected = of(&reference);
    let loaded = decoder("tiny-qwen2", WeightFormat::Bf16, &device());
    for kernel in Kernel::ALL {
        let broken = kernel.results()[0];
        let kernels = assert_switches_off(kernel, broken, loaded.config());
        let decoder = loaded.clone().with_fused_layers(true, kernels);
        let found = of(&decoder);
        let difference = (found.0 - expected.0).abs();
        assert!(
            difference < 1e-2,
            "{kernel:?}: loss differs by {difference}"
        );
        assert_equal_in_bf16(&found.1, &expected.1);
    }
}

/// Asserts that a wrong result switches off its kernel alone; returns the kernels.
fn assert_switches_off(kernel: Kernel, broken: &'static str, config: &ModelConfig) -> Kernels {
    let kernels = checked(&device(), DType::BF16, config, Some((kernel, broken)));
    let off: Vec<(Kernel, &str)> = kernels.off().collect();
    assert_eq!(off.len(), 1, "{kernel:?}, {broken}: {off:?}");
    assert_eq!(off[0].0, kernel, "{broken}");
    assert!(off[0].1.contains("is expected"), "{broken}: {off:?}");
    kernels
}

#[test]
fn each_wrong_result_of_each_kernel_switches_it_off_alone() {
    let shape: NamedShape = "tiny-qwen2".parse().expect("a shape");
    for kernel in Kernel::ALL {
        for broken in kernel.results() {
            assert_switches_off(kernel, broken, &shape.config());
        }
    }
}

#[test]
fn heads_that_attention_does_not_support_are_named_without_a_panic() {
    let shape: NamedShape = "tiny-qwen2".parse().expect("a shape");
    let mut config = shape.config();
    config.set_head_dim(32);
    let kernels = checked(&device(), DType::BF16, &config, None);
    let reason = "it does not support heads of 32 values on this device";
    let off: Vec<_> = kernels.off().collect();
    assert_eq!(off, [(Kernel::Attention, reason)]);
}

/// Counts the launches of the thread that created it.
struct Launches {
    thread: ThreadId,
    count: AtomicUsize,
}

impl LaunchObserver for Launches {
    fn launched(&self, _: &'static str) {
        if std::thread::current().id() == self.thread {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The launches of a step of one layer of the 1.5B shape, in bf16: forward, loss, backward, optimizer.
fn launches(recompute: bool) -> [usize; 4] {
    let shape: NamedShape = "qwen2.5-1.5b".parse().expect("a shape");
    let mut config = shape.config();
    config.num_hidden_layers = 1;
    config.vocab_size = 512;
    let weights = Weights::synthetic_of_config(config, SyntheticType::Bf16, 5);
    let decoder = Decoder::load_as(&weights, WeightFormat::Bf16, &device(), |_, _| ());
    let decoder = decoder.expect("synthetic weights");
    let decoder = decoder.with_gradient_checkpointing(usize::from(recompute));
    let device = device().autodiff();
    let adapter = Adapter::synthetic(decoder.config(), 16, 6, &device);
    // Some of burn's kernels are chosen in the first step, by running them.
    observed_step(&decoder, &adapter);
    observed_step(&decoder, &adapter)
}

/// The launches of a step: forward, loss, backward, optimizer.
fn observed_step(decoder: &Decoder, adapter: &Adapter) -> [usize; 4] {
    let observer = Arc::new(Launches {
        thread: std::thread::current().id(),
        count: AtomicUsize::new(0),
    });
    let observation = LaunchObservation::new(observer.clone());
    let count = || observer.count.load(Ordering::Relaxed);
    let tokens: Vec<u32> = (0..8).collect();
    let states = decoder.hidden_states(&tokens, 2, Some(adapter));
    let forward = count();
    let labels: Vec<i64> = (0..8).collect();
    let head = decoder.head(Some(adapter));
    let found = chunked_cross_entropy(states, &head, &labels, 8, 8).expect("supervised");
    let loss = count();
    let gradients = GradientsParams::from_grads(found.backward_seed.backward(), adapter);
    let backward = count();
    AdamWConfig::new()
        .init()
        .step(1e-3, adapter.clone(), gradients);
    let all = count();
    drop(observation);
    [forward, loss - forward, backward - loss, all - backward]
}

/// One layer with the embedding, the final norm and a chunk of the loss. Before layers were one function: forward 130, loss
/// 32, backward 216 and with recomputing 344, in one tile of attention (2026-12-01).
#[test]
fn a_step_of_a_layer_launches_few_kernels() {
    let assert_few = |found: [usize; 4], most: [usize; 4]| {
        let are_few = found.iter().zip(&most).all(|(found, most)| found <= most);
        assert!(
            are_few,
            "forward, loss, backward, optimizer: {found:?}, expected at most {most:?}"
        );
    };
    let crate::Launches {
        forward,
        loss,
        backward,
        backward_recomputed,
    } = crate::LAUNCHES;
    assert_few(launches(false), [forward, loss, backward, 154]);
    assert_few(launches(true), [forward, loss, backward_recomputed, 154]);
}
