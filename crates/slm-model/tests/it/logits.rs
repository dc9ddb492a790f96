//! Logits compared with transformers.

use slm_model::Runtime;

use crate::support::{Expected, FULL_GOLDENS, copy_of, golden, max_difference, tiny};

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
fn llama_and_qwen2_equal_transformers_from_a_folder_and_from_a_gguf_file() {
    for family in FULL_GOLDENS {
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

/// The losses follow from the recorded logits of transformers; both runtimes must have them, for any length of the
/// prompt.
#[test]
fn the_loss_of_each_token_of_an_answer_is_that_of_transformers_logits() {
    for family in FULL_GOLDENS {
        let (weights, decoder) = tiny(&format!("tiny-{family}"));
        let engine = slm_model::Engine::load(&weights, |_, _| ()).expect("weights");
        let expected = Expected::read(&format!("tiny-{family}/expected.safetensors"));
        let shape = expected.shape("input_ids");
        let tokens = &expected.ids("input_ids")[..shape[1]];
        let logits = expected.floats("logits");
        let width = expected.shape("logits")[2];
        let loss = |position: usize| {
            let row = &logits[(position - 1) * width..position * width];
            let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
            sum.ln() - f64::from(row[tokens[position] as usize])
        };
        for runtime in [Runtime::Engine(engine), Runtime::Device(decoder)] {
            for start in [1, tokens.len() / 2, tokens.len() - 1] {
                let found = runtime.answer_losses(&tokens[..start], &tokens[start..], None);
                assert_eq!(found.len(), tokens.len() - start);
                for (found, position) in found.into_iter().zip(start..) {
                    let difference = (f64::from(found) - loss(position)).abs();
                    assert!(difference < 1e-4, "{family} at {position}: {difference}");
                }
            }
        }
    }
}
