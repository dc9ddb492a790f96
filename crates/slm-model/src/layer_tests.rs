//! Tests of layers as one autograd function: against autodiff on the CPU, and with kernels on `CubeCL`'s CPU runtime.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::decoder::Decoder;
use crate::frozen::WeightFormat;
use crate::fused::Kernels;
use crate::lora::Adapter;
use crate::shape::NamedShape;
use crate::synthetic::SyntheticType;
use crate::target::Target;
use crate::weights::Weights;

/// Lengths of the texts of two sequences.
const PACKED: [&[usize]; 2] = [&[20, 1, 15], &[45]];
const LENGTH: usize = 45;

pub(crate) fn decoder(shape: &str, format: WeightFormat, device: &Device) -> Decoder {
    let shape: NamedShape = shape.parse().expect("a shape");
    let weights = Weights::synthetic(shape, SyntheticType::F32, 5);
    Decoder::load_as(&weights, format, device, |_, _| ()).expect("synthetic weights")
}

/// An adapter with random pairs, of which some may be missing.
pub(crate) fn adapter(decoder: &Decoder, is_whole: bool) -> Adapter {
    let device = decoder.device().clone().autodiff();
    let mut adapter = Adapter::synthetic(decoder.config(), 4, 6, &device);
    if !is_whole {
        for (index, layer) in adapter.layers.iter_mut().enumerate() {
            let others: &[Target] = if index == 0 {
                &[Target::QProj, Target::VProj, Target::GateProj]
            } else {
                &[Target::DownProj]
            };
            for target in [Target::KProj, Target::OProj, Target::UpProj] {
                layer.remove(target);
            }
            for &target in others {
                layer.remove(target);
            }
        }
    }
    adapter
}

/// Hidden states, and the gradient of every parameter, with names; in the CPU's memory.
pub(crate) fn everything(
    decoder: &Decoder,
    adapter: &Adapter,
    packed: bool,
) -> Vec<(String, Tensor<2>)> {
    let vocab = decoder.config().vocab_size as u32;
    let tokens: Vec<u32> = (0..2 * LENGTH as u32).map(|i| i * 7 % vocab).collect();
    let states = if packed {
        let texts = PACKED.map(<[usize]>::to_vec);
        decoder.packed_hidden_states(&tokens, &texts, Some(adapter))
    } else {
        decoder.hidden_states(&tokens, 2, Some(adapter))
    };
    let [rows, width] = states.dims();
    let host = Device::flex();
    let weights = Tensor::<1, Int>::arange(0..(rows * width) as i64, &host);
    let weights = weights.float().sin().reshape([rows, width]);
    let weights = Tensor::<2>::from_data(weights.into_data(), decoder.device());
    let on_host = |tensor: Tensor<2>| {
        let shape = tensor.dims();
        let values = tensor.into_data().convert::<f32>();
        let values: Vec<f32> = values.try_into_vec().expect("f32");
        Tensor::<2>::from_data(TensorData::new(values, shape), &host)
    };
    let mut found = vec![("states".to_owned(), on_host(states.clone().inner()))];
    let gradients = (states * weights).sum().backward();
    for (layer, target, pair) in adapter.pairs() {
        let name = target.module_path(layer);
        for (part, parameter) in [("A", pair.lora_a()), ("B", pair.lora_b())] {
            let gradient = parameter.grad(&gradients).expect("a gradient");
            found.push((format!("{name} {part}"), on_host(gradient)));
        }
    }
    found
}

/// The largest difference of each pair of tensors, relative to the largest value of the second.
pub(crate) fn assert_equal(
    found: &[(String, Tensor<2>)],
    expected: &[(String, Tensor<2>)],
    bound: f32,
) {
    assert_eq!(found.len(), expected.len());
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        let largest = expected.clone().abs().max().into_scalar::<f32>();
        let difference = (found.clone() - expected.clone()).abs().max();
        let difference = difference.into_scalar::<f32>() / largest.max(f32::MIN_POSITIVE);
        assert!(difference < bound, "{name}: {difference} of {bound}");
    }
}

#[test]
fn a_layer_as_one_function_has_the_value_and_gradients_of_autodiff() {
    // With biases, and without; groups of two and three heads.
    for shape in ["tiny-qwen2", "tiny-llama"] {
        let plain = decoder(shape, WeightFormat::F32, &Device::flex());
        let fused = plain.clone().with_fused_layers(true, Kernels::default());
        let recomputed = fused.clone().with_gradient_checkpointing(usize::MAX);
        for is_whole in [true, false] {
            let adapter = adapter(&plain, is_whole);
            for packed in [true, false] {
                let expected = everything(&plain, &adapter, packed);
                let found = everything(&fused, &adapter, packed);
                assert_equal(&found, &expected, 1e-5);
                let again = everything(&recomputed, &adapter, packed);
                for ((name, again), (_, found)) in again.iter().zip(&found) {
                    assert_eq!(again.to_data(), found.to_data(), "{shape}, {name}");
                }
            }
        }
    }
}

#[test]
fn a_layer_as_one_function_without_an_adapter_has_the_same_states() {
    let plain = decoder("tiny-qwen2", WeightFormat::F32, &Device::flex());
    let fused = plain.clone().with_fused_layers(true, Kernels::default());
    let tokens: Vec<u32> = (0..40).collect();
    let expected = plain.hidden_states(&tokens, 2, None);
    let found = fused.hidden_states(&tokens, 2, None);
    assert!(!found.is_autodiff());
    let [found, expected] = [found, expected].map(|states| vec![("states".to_owned(), states)]);
    assert_equal(&found, &expected, 1e-5);
}
