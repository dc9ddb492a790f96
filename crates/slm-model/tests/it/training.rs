//! Training in less memory gives the hidden states and gradients of plain training.

use burn::tensor::{Device, Tensor};
use slm_model::{
    Adapter, Decoder, NamedShape, Noise, SavedModule, SyntheticType, WeightFormat, Weights,
};

use crate::support::golden;

/// Adapters of each kind, each with its model.
const ADAPTERS: [(&str, &str); 5] = [
    ("tiny-qwen2", "peft-qwen2/all-linear"),
    ("tiny-llama", "peft-llama/subset"),
    ("tiny-qwen2", "peft-variants/dora"),
    ("tiny-llama", "peft-variants/dora-rslora-patterns"),
    ("tiny-llama", "peft-variants/modules-to-save"),
];

const NOISE: Noise = Noise {
    lora_dropout: 0.3,
    neftune_noise_alpha: 5.0,
    seed: 1,
    step: 2,
    micro_batch: 3,
};

fn decoder(model: &str, format: WeightFormat) -> Decoder {
    let weights = Weights::open(&golden(model)).expect("golden model");
    let device = Device::flex();
    Decoder::load_as(&weights, format, &device, |_, _| ()).expect("golden weights")
}

fn adapter(decoder: &Decoder, folder: &str) -> Adapter {
    let device = Device::flex().autodiff();
    let loaded = Adapter::load(&golden(folder), decoder.config(), "tiny", &device);
    loaded.expect("golden adapter").adapter
}

/// The states of two sequences of 45 tokens: one of three texts and padding, one of a single text.
fn states(decoder: &Decoder, adapter: &Adapter) -> Tensor<2> {
    let tokens: Vec<u32> = (0..90).map(|i| i * 7 % 340).collect();
    decoder.packed_hidden_states(&tokens, &[vec![20, 1, 15], vec![45]], Some(adapter))
}

/// The states, and the gradient of every parameter, with names.
fn everything(decoder: &Decoder, adapter: &Adapter) -> Vec<(String, Tensor<2>)> {
    let states = states(decoder, adapter);
    let [rows, width] = states.dims();
    let weights = Tensor::<1, burn::tensor::Int>::arange(0..(rows * width) as i64, &Device::flex());
    let weights = weights.float().sin().reshape([rows, width]);
    let mut found = vec![("states".to_owned(), states.clone().inner())];
    let gradients = (states * weights).sum().backward();
    let mut take = |name: String, parameter: Tensor<2>| {
        let gradient = parameter.grad(&gradients);
        found.push((name, gradient.expect("a gradient for each parameter")));
    };
    for (layer, target, pair) in adapter.pairs() {
        let name = target.module_path(layer);
        take(format!("{name} A"), pair.lora_a());
        take(format!("{name} B"), pair.lora_b());
        if let Some(magnitude) = pair.lora_magnitude_vector() {
            take(format!("{name} m"), magnitude);
        }
    }
    // The head has no influence on hidden states.
    if let Some(embedding) = adapter.saved_module(SavedModule::EmbedTokens) {
        take("embedding".to_owned(), embedding);
    }
    found
}

fn assert_equal(found: &[(String, Tensor<2>)], expected: &[(String, Tensor<2>)], bound: f32) {
    assert_eq!(found.len(), expected.len());
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        let largest = expected.clone().abs().max().into_scalar::<f32>();
        let difference = (found.clone() - expected.clone()).abs().max();
        let difference = difference.into_scalar::<f32>() / largest.max(f32::MIN_POSITIVE);
        assert!(difference < bound, "{name}: {difference}");
    }
}

/// A training resumed with less free memory ends with the same bytes.
#[test]
fn layers_that_are_computed_again_give_the_same_bits() {
    for (model, folder) in ADAPTERS {
        let kept = decoder(model, WeightFormat::F32);
        let plain = adapter(&kept, folder);
        for adapter in [plain.clone(), plain.with_noise(NOISE)] {
            let expected = everything(&kept, &adapter);
            for layers in [1, usize::MAX] {
                let recomputed = kept.clone().with_gradient_checkpointing(layers);
                assert_same_bits(&everything(&recomputed, &adapter), &expected);
            }
        }
    }
}

fn assert_same_bits(found: &[(String, Tensor<2>)], expected: &[(String, Tensor<2>)]) {
    assert_eq!(found.len(), expected.len());
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        assert_eq!(found.to_data(), expected.to_data(), "{name}");
    }
}

#[test]
fn noise_is_the_same_when_layers_are_computed_again() {
    let decoder = decoder("tiny-qwen2", WeightFormat::F32).with_gradient_checkpointing(usize::MAX);
    let adapter = adapter(&decoder, "peft-qwen2/all-linear");
    let noisy = adapter.with_noise(NOISE);
    let later = adapter.with_noise(Noise { step: 3, ..NOISE });
    let of = |adapter: &Adapter| everything(&decoder, adapter);
    assert_equal(&of(&noisy), &of(&noisy), 1e-9);
    let difference = (states(&decoder, &noisy) - states(&decoder, &later))
        .abs()
        .max();
    assert!(difference.into_scalar::<f32>() > 1e-3, "no noise at all");
}

/// `golden/saved-here/merged/model` has weights of 16 bits.
#[test]
fn weights_of_sixteen_bits_give_the_same_gradients_without_being_unpacked_at_once() {
    let model = "saved-here/merged/model";
    let wide = decoder(model, WeightFormat::F32);
    let narrow = decoder(model, WeightFormat::Bf16);
    assert_eq!(narrow.weight_bytes() * 2, wide.weight_bytes());
    for folder in ["peft-qwen2/all-linear", "peft-variants/dora"] {
        let plain = adapter(&wide, folder);
        for adapter in [plain.clone(), plain.with_noise(NOISE)] {
            let expected = everything(&wide, &adapter);
            assert_equal(&everything(&narrow, &adapter), &expected, 1e-6);
            let recomputed = narrow.clone().with_gradient_checkpointing(usize::MAX);
            assert_equal(&everything(&recomputed, &adapter), &expected, 1e-6);
        }
    }
}

#[test]
fn blocks_give_the_same_gradients_without_being_unpacked_at_once() {
    let shape: NamedShape = "tiny-llama".parse().expect("a shape");
    for (kind, format) in [
        (SyntheticType::Q8_0, WeightFormat::Q8),
        (SyntheticType::Q4_1, WeightFormat::Q4),
        (SyntheticType::Q4_0, WeightFormat::Q4),
    ] {
        let weights = Weights::synthetic(shape, kind, 5);
        let device = Device::flex();
        let load = |format| Decoder::load_as(&weights, format, &device, |_, _| ());
        let [wide, narrow] = [WeightFormat::F32, format].map(|format| load(format).expect("drawn"));
        assert!(narrow.weight_bytes() * 3 < wide.weight_bytes(), "{kind}");
        let adapter = Adapter::synthetic(wide.config(), 4, 6, &device.clone().autodiff());
        let expected = everything(&wide, &adapter);
        assert_equal(&everything(&narrow, &adapter), &expected, 1e-6);
    }
}

/// Some matrices of the file are packed, in llama.cpp's row order; the others are quantised here.
#[test]
fn blocks_of_a_gguf_file_are_put_in_order_and_the_rest_is_quantised() {
    let model = "gguf/tiny-llama-mixed.gguf";
    let wide = decoder(model, WeightFormat::F32);
    let adapter = adapter(&wide, "peft-llama/subset");
    let narrow = decoder(model, WeightFormat::Q8);
    assert!(narrow.weight_bytes() * 3 < wide.weight_bytes());
    let expected = everything(&wide, &adapter);
    let found = everything(&narrow, &adapter);
    assert_equal(&found[..1], &expected[..1], 0.03);
}

#[test]
fn a_base_model_quantised_here_is_near_the_one_that_is_not() {
    let wide = decoder("tiny-qwen2", WeightFormat::F32);
    let adapter = adapter(&wide, "peft-qwen2/all-linear");
    let exact = states(&wide, &adapter).inner();
    let error = |format| {
        let narrow = decoder("tiny-qwen2", format);
        let difference = states(&narrow, &adapter).inner() - exact.clone();
        let ratio = difference.square().mean() / exact.clone().square().mean();
        (ratio.sqrt().into_scalar::<f32>(), narrow.weight_bytes())
    };
    let [(bf16, two_bytes), (q8, a_byte), (q4, half_a_byte)] =
        [WeightFormat::Bf16, WeightFormat::Q8, WeightFormat::Q4].map(error);
    assert!(half_a_byte < a_byte && a_byte < two_bytes);
    // Steps are 2^-8 of a value, or 1/254 and 1/15 of a block's width (about three and two deviations to either side).
    assert!(bf16 < 0.01 && q8 < 0.03 && q4 < 0.3, "{bf16}, {q8}, {q4}");
    assert!(bf16 < q4 && q8 < q4, "{bf16}, {q8}, {q4}");
}
