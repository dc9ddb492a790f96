//! Merged models have the logits of base model plus adapter, here and in other programs.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use slm_model::{
    Adapter, Decoder, GgufType, NewGguf, WeightType, Weights, write_merged, write_merged_gguf,
};

use crate::support::{Expected, golden, max_difference, tiny};

/// Adapters of each kind, each with its model.
const ADAPTERS: [(&str, &str); 16] = [
    ("tiny-qwen2", "peft-later/lm-head"),
    ("tiny-llama", "peft-later/lm-head-untied"),
    ("tiny-qwen2", "peft-later/embed-tokens"),
    ("tiny-llama", "peft-later/embed-tokens-untied"),
    ("tiny-qwen2", "peft-later/tokens"),
    ("tiny-llama", "peft-later/tokens-of-both"),
    ("tiny-qwen2", "peft-later/saved-embedding"),
    ("tiny-llama", "peft-later/saved-embedding-untied"),
    ("tiny-qwen2", "peft-later/lora-bias"),
    ("tiny-llama", "peft-later/layers"),
    ("tiny-qwen2", "peft-qwen2/all-linear"),
    ("tiny-llama", "peft-llama/subset"),
    ("tiny-qwen2", "peft-variants/dora"),
    ("tiny-llama", "peft-variants/dora-rslora-patterns"),
    ("tiny-llama", "peft-variants/modules-to-save"),
    ("tiny-llama", "peft-variants/pissa-llama"),
];

/// The types of a base model that is a GGUF file, with the adapted weights in half precision.
const AS_BEFORE: NewGguf = NewGguf {
    kind: None,
    name: "tiny",
    chat_template: None,
};

fn adapter(decoder: &Decoder, folder: &str) -> Adapter {
    Adapter::load(&golden(folder), decoder.config(), "tiny", &Device::flex())
        .expect("golden adapter")
        .adapter
}

fn logits_of(path: &Path) -> Tensor<2> {
    let weights = Weights::open(path).expect("a merged model");
    let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
    decoder.logits(&tokens(), 1, None)
}

fn tokens() -> Vec<u32> {
    (3..40).map(|i| i * 7 % 340).collect()
}

#[test]
fn a_merged_model_has_the_logits_of_base_model_and_adapter() {
    for (model, folder) in ADAPTERS {
        let (weights, decoder) = tiny(model);
        let adapter = adapter(&decoder, folder);
        let side_by_side = decoder.logits(&tokens(), 1, Some(&adapter));
        // Logits differ by several units; sixteen bits round each weight by up to one part in 256.
        for (dtype, most) in [(WeightType::F32, 1e-4), (WeightType::F16, 0.1)] {
            let output = tempfile::tempdir().expect("a folder");
            write_merged(&weights, &adapter, output.path(), dtype, |_, _| ()).expect("merged");
            let difference = max_difference(&logits_of(output.path()), &side_by_side);
            assert!(difference < most, "{folder} as {dtype:?}: {difference}");
        }
    }
}

/// Embedding and head are one matrix in the base model.
#[test]
fn a_merged_model_has_a_head_apart_where_the_adapter_changes_one_of_two_tied_matrices() {
    for (folder, is_apart) in [
        ("peft-later/lm-head", true),
        ("peft-later/embed-tokens", true),
        ("peft-later/tokens", false),
        ("peft-later/saved-embedding", false),
    ] {
        let (weights, decoder) = tiny("tiny-qwen2");
        let adapter = adapter(&decoder, folder);
        let output = tempfile::tempdir().expect("a folder");
        let dtype = WeightType::F32;
        write_merged(&weights, &adapter, output.path(), dtype, |_, _| ()).expect("merged");
        let merged = Weights::open(output.path()).expect("a merged model");
        assert_eq!(merged.config().tie_word_embeddings, !is_apart, "{folder}");
        let has_head = merged
            .tensor_names()
            .iter()
            .any(|name| name == "lm_head.weight");
        assert_eq!(has_head, is_apart, "{folder}");

        let (weights, decoder) = tiny("gguf/tiny-qwen2.gguf");
        let adapter = self::adapter(&decoder, folder);
        let path = output.path().join("merged.gguf");
        let found = write_merged_gguf(&weights, &adapter, &path, AS_BEFORE, |_, _| ());
        if is_apart {
            let text = found.expect_err("refused").to_string();
            assert!(
                text.contains("the embedding is the head, too") && !path.exists(),
                "{text}"
            );
        } else {
            found.expect("merged");
            let side_by_side = decoder.logits(&tokens(), 1, Some(&adapter));
            let difference = max_difference(&logits_of(&path), &side_by_side);
            assert!(difference < 0.1, "{folder}: {difference}");
        }
    }
}

/// PEFT refuses this merge, too.
#[test]
fn a_bias_without_a_place_in_the_base_model_is_not_merged() {
    let (weights, decoder) = tiny("tiny-llama");
    let adapter = adapter(&decoder, "peft-later/lora-bias-beside-none");
    let output = tempfile::tempdir().expect("a folder");
    let dtype = WeightType::F32;
    let error = write_merged(&weights, &adapter, output.path(), dtype, |_, _| ());
    let text = error.expect_err("refused").to_string();
    assert!(
        text.contains("`layers.0.self_attn.o_proj`: the adapter has a bias"),
        "{text}"
    );
    assert_eq!(fs::read_dir(output.path()).expect("a folder").count(), 0);
}

/// `golden/saved-here/merged` was written by this code; transformers' logits for it are beside it.
#[test]
fn a_merged_model_has_the_same_logits_in_transformers() {
    let (weights, decoder) = tiny("tiny-qwen2");
    let adapter = adapter(&decoder, "peft-variants/dora");
    let output = tempfile::tempdir().expect("a folder");
    let dtype = WeightType::Bf16;
    write_merged(&weights, &adapter, output.path(), dtype, |_, _| ()).expect("merged");
    let judged = golden("saved-here/merged/model");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&judged).expect("folder");
        for entry in fs::read_dir(output.path()).expect("merged") {
            let entry = entry.expect("a file");
            fs::copy(entry.path(), judged.join(entry.file_name())).expect("copy");
        }
        return;
    }
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        assert_eq!(
            fs::read(output.path().join(name)).expect("merged"),
            fs::read(judged.join(name)).expect("golden"),
            "{name}: transformers has judged other bytes"
        );
    }
    let expected = Expected::read("saved-here/merged/expected.safetensors");
    let weights = Weights::open(&judged).expect("golden");
    let merged = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
    let batch = expected.shape("input_ids")[0];
    let found = merged.logits(&expected.ids("input_ids"), batch, None);
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "logits differ by {difference}");
}

/// The golden is of the Llama family, with query and key rows in llama.cpp's order, and quantised.
#[test]
fn a_merged_gguf_file_has_the_logits_of_base_model_and_adapter() {
    for file in ["gguf/tiny-llama.gguf", "gguf/tiny-llama-mixed.gguf"] {
        for folder in ["peft-llama/all-linear", "peft-variants/modules-to-save"] {
            let (weights, decoder) = tiny(file);
            let adapter = adapter(&decoder, folder);
            let side_by_side = decoder.logits(&tokens(), 1, Some(&adapter));
            let output = tempfile::tempdir().expect("a folder");
            let path = output.path().join("merged.gguf");
            write_merged_gguf(&weights, &adapter, &path, AS_BEFORE, |_, _| ()).expect("merged");
            let difference = max_difference(&logits_of(&path), &side_by_side);
            assert!(difference < 0.1, "{file}, {folder}: {difference}");
            let base = decoder.logits(&tokens(), 1, None);
            assert!(max_difference(&side_by_side, &base) > 1.0);
        }
    }
}

#[test]
fn tensors_without_an_adapter_keep_their_bytes_in_a_merged_gguf_file() {
    let (weights, decoder) = tiny("gguf/tiny-llama-mixed.gguf");
    let adapter = adapter(&decoder, "peft-variants/regex");
    let output = tempfile::tempdir().expect("a folder");
    let path = output.path().join("merged.gguf");
    write_merged_gguf(&weights, &adapter, &path, AS_BEFORE, |_, _| ()).expect("merged");
    let merged = Weights::open(&path).expect("a merged model");
    let mut changed = 0;
    for name in weights.tensor_names() {
        let (before, after) = (weights.tensor(&name), merged.tensor(&name));
        let same = before.expect("a tensor") == after.expect("a tensor");
        changed += usize::from(!same);
        let adapted = ["layers.0.", "layers.2."].iter().any(|l| name.contains(l))
            && ["q_proj.w", "o_proj.w", "down_proj.w"]
                .iter()
                .any(|l| name.contains(l));
        assert!(same != adapted, "{name}");
    }
    assert_eq!(changed, 6);
    assert_eq!(
        weights.tokenizer().expect("tokenizer").to_json(),
        merged.tokenizer().expect("tokenizer").to_json()
    );
}

/// Log probabilities of the two most likely tokens after a prompt.
fn best_two(logits: &Tensor<2>) -> [(i64, f64); 2] {
    let [rows, width] = logits.dims();
    let last = logits.clone().narrow(0, rows - 1, 1);
    let values: Vec<f32> = last.into_data().try_into_vec().expect("f32");
    let sum: f64 = values.iter().map(|&v| f64::from(v).exp()).sum();
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    [0, 1].map(|at| (order[at] as i64, f64::from(values[order[at]]) - sum.ln()))
}

/// `golden/saved-here/gguf` was written by this code; llama.cpp's results for it are beside it.
#[test]
fn exported_gguf_files_mean_the_same_to_llama_cpp() {
    let (weights, decoder) = tiny("gguf/tiny-llama.gguf");
    let adapter = adapter(&decoder, "peft-llama/all-linear");
    let output = tempfile::tempdir().expect("a folder");
    let path = |name: &str| output.path().join(name);
    adapter
        .save_gguf(&path("adapter.gguf"), decoder.config())
        .expect("saved");
    write_merged_gguf(
        &weights,
        &adapter,
        &path("merged.gguf"),
        AS_BEFORE,
        |_, _| (),
    )
    .expect("merged");
    let judged = golden("saved-here/gguf");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&judged).expect("folder");
        for name in ["adapter.gguf", "merged.gguf"] {
            fs::copy(path(name), judged.join(name)).expect("copy");
        }
        return;
    }
    let text = fs::read_to_string(judged.join("expected.json")).expect("golden");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let prompt = expected["prompt"].as_array().expect("ids").iter();
    let prompt: Vec<u32> = prompt.map(|id| id.as_u64().expect("id") as u32).collect();
    let merged_weights = Weights::open(&path("merged.gguf")).expect("merged");
    let merged = Decoder::load(&merged_weights, &Device::flex(), |_, _| ()).expect("weights");
    // With weights in half precision, llama.cpp rounds activations to it as well.
    for (name, logits, most) in [
        ("base", decoder.logits(&prompt, 1, None), 0.05),
        (
            "adapter.gguf",
            decoder.logits(&prompt, 1, Some(&adapter)),
            0.05,
        ),
        ("merged.gguf", merged.logits(&prompt, 1, None), 0.05),
    ] {
        let found = best_two(&logits);
        let tops = expected[name]["steps"][0].as_array().expect("two tokens");
        for ((id, logprob), top) in found.into_iter().zip(tops) {
            assert_eq!(Some(id), top["id"].as_i64(), "{name}");
            let theirs = top["logprob"].as_f64().expect("a number");
            assert!(
                (logprob - theirs).abs() < most,
                "{name}: {logprob} for {theirs}"
            );
        }
        if name != "base" {
            let same = fs::read(path(name)).expect("written")
                == fs::read(judged.join(name)).expect("golden");
            assert!(same, "{name}: llama.cpp has judged other bytes");
        }
    }
}

/// Both layouts of a base model give files with the logits of base model and adapter.
#[test]
fn a_gguf_file_of_any_type_has_the_logits_of_base_model_and_adapter() {
    for (model, folder) in [
        ("tiny-qwen2", "peft-qwen2/all-linear"),
        ("tiny-llama", "peft-variants/dora-rslora-patterns"),
        ("tiny-llama", "peft-variants/modules-to-save"),
        ("gguf/tiny-llama-mixed.gguf", "peft-llama/all-linear"),
    ] {
        let (weights, decoder) = tiny(model);
        let adapter = adapter(&decoder, folder);
        let side_by_side = decoder.logits(&tokens(), 1, Some(&adapter));
        let base = max_difference(&decoder.logits(&tokens(), 1, None), &side_by_side);
        assert!(base > 1.0, "{model}, {folder}: {base}");
        let mut last = 0.0;
        for (kind, most) in [
            (None, 0.1),
            (Some(GgufType::F16), 0.1),
            (Some(GgufType::Q8_0), 1.0),
            (Some(GgufType::Q4KM), 4.0),
        ] {
            let output = tempfile::tempdir().expect("a folder");
            let path = output.path().join("merged.gguf");
            let new = NewGguf { kind, ..AS_BEFORE };
            write_merged_gguf(&weights, &adapter, &path, new, |_, _| ()).expect("merged");
            let difference = max_difference(&logits_of(&path), &side_by_side);
            assert!(
                difference < most,
                "{model}, {folder} as {kind:?}: {difference}"
            );
            assert!(
                difference >= last,
                "{kind:?} is more exact than a wider type"
            );
            last = if kind.is_some() { difference } else { 0.0 };
        }
    }
}
