//! Logits against transformers.

use crate::support::{Expected, max_difference, tiny};

fn check(model: &str, expected: &str) {
    let (_, decoder) = tiny(model);
    let expected = Expected::read(expected);
    let batch = expected.shape("input_ids")[0];
    let found = decoder.logits(&expected.ids("input_ids"), batch, None);
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "{model}: logits differ by {difference}");
}

#[test]
fn a_tied_qwen2_with_biases_equals_transformers() {
    check("tiny-qwen2", "tiny-qwen2/expected.safetensors");
}

#[test]
fn a_sharded_bf16_llama_equals_transformers() {
    check("tiny-llama", "tiny-llama/expected.safetensors");
}

#[test]
fn a_qwen2_gguf_equals_transformers() {
    check("gguf/tiny-qwen2.gguf", "tiny-qwen2/expected.safetensors");
}

#[test]
fn a_llama_gguf_with_permuted_heads_equals_transformers() {
    check("gguf/tiny-llama.gguf", "tiny-llama/expected.safetensors");
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
    // The same weights as tiny-llama under another config: a folder of links makes the checkpoint.
    let folder = tempfile::tempdir().expect("temporary folder");
    for entry in std::fs::read_dir(crate::support::golden("tiny-llama")).expect("golden folder") {
        let entry = entry.expect("entry");
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copy");
    }
    let config = crate::support::golden("tiny-llama3-rope/config.json");
    std::fs::copy(config, folder.path().join("config.json")).expect("copy");
    let checkpoint = slm_model::Checkpoint::open(folder.path()).expect("checkpoint");
    let decoder = slm_model::Decoder::load(&checkpoint, &burn::tensor::Device::flex(), |_, _| ())
        .expect("weights");
    let expected = Expected::read("tiny-llama3-rope/expected.safetensors");
    let found = decoder.logits(&expected.ids("input_ids"), 1, None);
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "logits differ by {difference}");
}
