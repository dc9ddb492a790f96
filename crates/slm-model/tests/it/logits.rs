//! Logits compared with transformers.

use slm_model::Family;

use crate::support::{Expected, copy_of, golden, max_difference, tiny};

fn check(model: &str, expected: &str) {
    let (_, decoder) = tiny(model);
    let expected = Expected::read(expected);
    let batch = expected.shape("input_ids")[0];
    let found = decoder.logits(&expected.ids("input_ids"), batch, None);
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "{model}: logits differ by {difference}");
}

/// The goldens differ on purpose: Qwen2 is tied and has biases; Llama is sharded bf16, with permuted heads in its GGUF.
#[test]
fn every_family_equals_transformers_from_a_folder_and_from_a_gguf_file() {
    for family in Family::ALL {
        let expected = format!("tiny-{family}/expected.safetensors");
        check(&format!("tiny-{family}"), &expected);
        check(&format!("gguf/tiny-{family}.gguf"), &expected);
    }
}

#[test]
fn a_gguf_of_mixed_types_equals_transformers() {
    check(
        "gguf/tiny-llama-mixed.gguf",
        "gguf/tiny-llama-mixed.expected.safetensors",
    );
}

#[test]
fn llama_3_rope_scaling_equals_transformers() {
    // The weights of tiny-llama with another configuration.
    let folder = copy_of("tiny-llama");
    let config = golden("tiny-llama3-rope/config.json");
    std::fs::copy(config, folder.path().join("config.json")).expect("copy");
    let weights = slm_model::Weights::open(folder.path()).expect("model");
    let decoder = slm_model::Decoder::load(&weights, &burn::tensor::Device::flex(), |_, _| ())
        .expect("weights");
    let expected = Expected::read("tiny-llama3-rope/expected.safetensors");
    let found = decoder.logits(&expected.ids("input_ids"), 1, None);
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "logits differ by {difference}");
}
