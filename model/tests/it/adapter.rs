//! Adapters against PEFT, both ways.

use std::fs;

use burn::tensor::Device;
use model::{Adapter, AdapterError, AdapterOrigin, Decoder, LoraSettings, Target};

use crate::support::{Expected, golden, max_difference, tiny};

fn load(decoder: &Decoder, folder: &str) -> Adapter {
    Adapter::load(&golden(folder), decoder.config(), "tiny", &Device::flex())
        .expect("golden adapter")
        .adapter
}

fn check_logits(model: &str, adapter: &str) {
    let (_, decoder) = tiny(model);
    let adapter_model = load(&decoder, adapter);
    let expected = Expected::read(&format!("{adapter}/expected.safetensors"));
    let shape = expected.shape("input_ids");
    let found = decoder.logits(&expected.ids("input_ids"), shape[0], Some(&adapter_model));
    // Padding is not part of a sequence; where there is none, every row counts.
    let lengths = if adapter.ends_with("all-linear") {
        expected.integers("lengths")
    } else {
        vec![shape[1] as i64; shape[0]]
    };
    for (sequence, length) in lengths.into_iter().enumerate() {
        let rows =
            |t: &burn::tensor::Tensor<2>| t.clone().narrow(0, sequence * shape[1], length as usize);
        let difference = max_difference(&rows(&found), &rows(&expected.rows("logits")));
        assert!(
            difference < 1e-4,
            "{adapter}, sequence {sequence}: logits differ by {difference}"
        );
    }
    let base = decoder.logits(&expected.ids("input_ids"), shape[0], None);
    assert!(
        max_difference(&found, &base) > 1e-2,
        "the adapter changes nothing"
    );
}

#[test]
fn adapters_that_peft_saved_give_pefts_logits() {
    check_logits("tiny-qwen2", "peft-qwen2/all-linear");
    check_logits("tiny-llama", "peft-llama/all-linear");
}

#[test]
fn rslora_and_patterns_give_pefts_logits() {
    check_logits("tiny-qwen2", "peft-qwen2/subset");
    check_logits("tiny-llama", "peft-llama/subset");
}

fn settings() -> LoraSettings {
    LoraSettings {
        r: 4,
        lora_alpha: 8.0,
        use_rslora: false,
        targets: Target::ALL.to_vec(),
        rank_pattern: Vec::new(),
        alpha_pattern: Vec::new(),
    }
}

fn origin() -> AdapterOrigin {
    AdapterOrigin {
        base_model_name_or_path: "tiny-qwen2".to_owned(),
        revision: None,
    }
}

#[test]
fn a_fresh_adapter_leaves_the_base_model_as_it_is() {
    let (_, decoder) = tiny("tiny-qwen2");
    let adapter = Adapter::init(&settings(), decoder.config(), 1, &Device::flex());
    let tokens: Vec<u32> = (3..20).collect();
    let difference = max_difference(
        &decoder.logits(&tokens, 1, Some(&adapter)),
        &decoder.logits(&tokens, 1, None),
    );
    assert!(difference == 0.0, "{difference}");
}

/// The adapter that `golden/saved-here/` holds was written by this very code; PEFT's logits for it lie
/// beside it.
#[test]
fn an_adapter_saved_here_has_pefts_logits_in_peft() {
    let (_, decoder) = tiny("tiny-qwen2");
    let adapter = load(&decoder, "peft-qwen2/all-linear");
    let folder = tempfile::tempdir().expect("temporary folder");
    adapter
        .save(folder.path(), &settings(), &origin())
        .expect("saved");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let target = golden("saved-here/adapter");
        fs::create_dir_all(&target).expect("folder");
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            fs::copy(folder.path().join(name), target.join(name)).expect("copy");
        }
    }
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let (found, expected) = (
            fs::read(folder.path().join(name)),
            fs::read(golden("saved-here/adapter").join(name)),
        );
        assert_eq!(
            found.expect("saved"),
            expected.expect("golden"),
            "{name}: PEFT has judged other bytes"
        );
    }
    let expected = Expected::read("saved-here/expected.safetensors");
    let saved = load(&decoder, "saved-here/adapter");
    let batch = expected.shape("input_ids")[0];
    let found = decoder.logits(&expected.ids("input_ids"), batch, Some(&saved));
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "logits differ by {difference}");
}

#[test]
fn an_adapter_of_another_model_is_refused_with_its_shapes() {
    let (_, decoder) = tiny("tiny-llama");
    let error = Adapter::load(
        &golden("peft-qwen2/all-linear"),
        decoder.config(),
        "tiny-llama",
        &Device::flex(),
    );
    let text = error.expect_err("another model").to_string();
    assert!(
        text.contains("does not fit base model `tiny-llama`"),
        "{text}"
    );
    assert!(
        text.contains("layers.2.") && text.contains("missing"),
        "{text}"
    );
}

#[test]
fn missing_and_broken_files_are_named() {
    let (_, decoder) = tiny("tiny-qwen2");
    let folder = tempfile::tempdir().expect("temporary folder");
    let load = || Adapter::load(folder.path(), decoder.config(), "tiny", &Device::flex());
    assert!(
        matches!(load(), Err(AdapterError::Io { path, .. }) if path.ends_with("adapter_config.json"))
    );
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(
            golden("peft-qwen2/all-linear").join(name),
            folder.path().join(name),
        )
        .expect("copy");
    }
    let weights = folder.path().join("adapter_model.safetensors");
    let whole = fs::read(&weights).expect("weights");
    for length in [0, 4, 100, whole.len() - 1] {
        fs::write(&weights, &whole[..length]).expect("write");
        assert!(
            matches!(load(), Err(AdapterError::Corrupt { .. })),
            "cut at {length}"
        );
    }
}
