//! Errors for unsupported adapters name the cause: what they train, or how they were saved.
//!
//! `golden/peft-foreign` contains the settings and tensor shapes of adapters that PEFT has written; their values do not
//! matter here and are zeros.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use slm_model::{Adapter, AdapterError, LoadedAdapter};
use tempfile::TempDir;

use crate::support::{golden, tiny};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Writes an adapter as PEFT wrote it, with renamed tensors and zeros as values.
fn written(name: &str, rename: impl Fn(&str) -> String) -> TempDir {
    let text = fs::read_to_string(golden(&format!("peft-foreign/{name}.json"))).expect("golden");
    let golden: Value = serde_json::from_str(&text).expect("JSON");
    let folder = tempfile::tempdir().expect("a folder");
    let config = golden["adapter_config"].to_string();
    fs::write(folder.path().join(CONFIG), config).expect("written");
    let tensors = golden["tensors"].as_object().expect("tensors").iter();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .map(|(name, shape)| {
            let shape = shape.as_array().expect("a shape").iter();
            let shape: Vec<usize> = shape
                .map(|d| d.as_u64().expect("a size") as usize)
                .collect();
            let bytes = vec![0; 4 * shape.iter().product::<usize>()];
            (rename(name), shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a view");
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).expect("a file");
    fs::write(folder.path().join(WEIGHTS), bytes).expect("written");
    folder
}

fn same(name: &str) -> String {
    name.to_owned()
}

fn load(model: &str, folder: &Path) -> Result<LoadedAdapter, AdapterError> {
    let (_, decoder) = tiny(model);
    let name = format!("example/{model}");
    Adapter::load(folder, decoder.config(), &name, &Device::flex())
}

/// Returns the refusal of an adapter of this model, which must not be reported as one of another model.
fn refusal(model: &str, folder: &Path) -> String {
    let error = load(model, folder).expect_err("must be refused");
    assert!(matches!(error, AdapterError::Refused { .. }), "{error:?}");
    let text = error.to_string();
    assert!(!text.contains("as its base model"), "{text}");
    assert!(!text.contains("not part of this model"), "{text}");
    text
}

fn check(model: &str, name: &str, rename: impl Fn(&str) -> String, parts: &[&str]) {
    let folder = written(name, rename);
    let text = refusal(model, folder.path());
    for part in parts {
        assert!(text.contains(part), "{name}: no {part:?} in\n{text}");
    }
}

#[test]
fn an_adapter_of_todays_peft_is_read_without_a_warning() {
    let folder = written("plain", same);
    let loaded = load("tiny-qwen2", folder.path()).expect("plain LoRA");
    assert_eq!(loaded.warnings, [""; 0]);
    for (model, folder) in [
        ("tiny-qwen2", "peft-qwen2/all-linear"),
        ("tiny-llama", "peft-variants/regex"),
        ("tiny-qwen2", "peft-variants/dora"),
        ("tiny-llama", "peft-variants/modules-to-save"),
    ] {
        let loaded = load(model, &golden(folder)).expect("an adapter of PEFT 0.18.1");
        assert_eq!(loaded.warnings, [""; 0], "{folder}");
    }
}

/// Their values are compared in `adapter.rs`.
#[test]
fn lora_on_the_head_or_the_embedding_is_read() {
    for (model, name) in [
        ("tiny-qwen2", "lm-head"),
        ("tiny-llama", "lm-head-untied"),
        ("tiny-qwen2", "embed-tokens"),
        ("tiny-qwen2", "saved-embedding"),
        ("tiny-llama", "saved-embedding-untied"),
    ] {
        let folder = written(name, same);
        let loaded = load(model, folder.path()).expect("an adapter");
        assert_eq!(loaded.warnings, [""; 0], "{name}");
    }
}

/// Changes the settings of an adapter.
fn set(folder: &Path, key: &str, value: Value) {
    let path = folder.join(CONFIG);
    let text = fs::read_to_string(&path).expect("settings");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    config[key] = value;
    fs::write(path, config.to_string()).expect("written");
}

#[test]
fn two_matrices_for_one_are_refused_unless_they_are_equal() {
    let folder = written("saved-embedding", same);
    load("tiny-qwen2", folder.path()).expect("equal");
    let path = folder.path().join(WEIGHTS);
    let mut bytes = fs::read(&path).expect("a file");
    let start = 8 + usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    bytes[start..start + 4].copy_from_slice(&1f32.to_le_bytes());
    fs::write(&path, bytes).expect("written");
    let text = load("tiny-qwen2", folder.path())
        .expect_err("another head")
        .to_string();
    assert!(
        text.contains("lm_head: differs from embed_tokens"),
        "{text}"
    );
}

#[test]
fn settings_and_tensors_of_the_head_must_belong_together() {
    let folder = written("plain", same);
    set(
        folder.path(),
        "target_modules",
        json!(["q_proj", "lm_head"]),
    );
    let text = load("tiny-qwen2", folder.path())
        .expect_err("no tensors")
        .to_string();
    assert!(
        text.contains("lm_head.lora_A: missing, expected [2, 64]"),
        "{text}"
    );
    let folder = written("lm-head", same);
    set(folder.path(), "target_modules", json!(["q_proj"]));
    let text = refusal("tiny-qwen2", folder.path());
    assert!(
        text.contains("holds LoRA for `lm_head`, which `target_modules`"),
        "{text}"
    );
    let hint = "hint: merge the adapter into its base model with PEFT";
    for key in ["use_dora", "ensure_weight_tying", "lora_bias"] {
        let folder = written("lm-head", same);
        set(folder.path(), key, json!(true));
        let text = refusal("tiny-qwen2", folder.path());
        let problem = format!("`{key}` together with LoRA on `lm_head` is not supported");
        assert!(text.contains(&problem) && text.contains(hint), "{text}");
    }
}

#[test]
fn tokens_that_the_model_lacks_or_that_are_named_twice_are_refused() {
    for (tokens, part) in [
        (
            json!([1, 1]),
            "`trainable_token_indices` contains a token twice",
        ),
        (
            json!([-1]),
            "`trainable_token_indices` contains a value that is not a list of tokens",
        ),
        (
            json!("all"),
            "`trainable_token_indices` contains a value that is not a list of tokens",
        ),
        (
            json!({"norm": [1]}),
            "`trainable_token_indices` names `norm`, expected embed_tokens or lm_head",
        ),
        (
            json!([1, 400]),
            "trainable_token_indices: token 400 of embed_tokens, this model has 352 tokens",
        ),
        (
            json!({"lm_head": [1]}),
            "this model ties the embedding to the head",
        ),
    ] {
        let folder = written("plain", same);
        set(folder.path(), "trainable_token_indices", tokens.clone());
        let text = load("tiny-qwen2", folder.path())
            .expect_err("refused")
            .to_string();
        assert!(text.contains(part), "{tokens}: {text}");
    }
}

#[test]
fn a_resized_vocabulary_is_named() {
    let resized = [
        "a weight for `embed_tokens` with 360 rows, the base model has 352",
        "its vocabulary was resized",
        "hint: merge the adapter into its base model with PEFT",
    ];
    check("tiny-qwen2", "resized", same, &resized);
    check("tiny-llama", "resized-untied", same, &resized);
    // Also if the settings name the module.
    let folder = written("resized-untied", same);
    set(
        folder.path(),
        "modules_to_save",
        json!(["embed_tokens", "lm_head"]),
    );
    let text = refusal("tiny-llama", folder.path());
    assert!(text.contains(resized[0]), "{text}");
}

#[test]
fn names_that_a_wrapper_has_changed_are_read_with_a_warning() {
    let read = |name: &str, rename: &dyn Fn(&str) -> String, part: &str, wrapper: &str| {
        let folder = written(name, rename);
        let loaded = load("tiny-qwen2", folder.path()).expect("an adapter");
        let [warning] = &loaded.warnings[..] else {
            panic!("{:?}", loaded.warnings);
        };
        for part in [
            format!("names contain `{part}.`"),
            format!("wrapped by {wrapper}"),
        ] {
            assert!(warning.contains(&part), "{warning}");
        }
        let plain = load("tiny-qwen2", written("plain", same).path()).expect("an adapter");
        assert_eq!(
            loaded.adapter.num_trainable(),
            plain.adapter.num_trainable()
        );
    };
    let compiled = ("_orig_mod", "torch.compile");
    read("compiled", &same, compiled.0, compiled.1);
    read("compiled-inside", &same, compiled.0, compiled.1);
    let before = |prefix: &'static str| move |name: &str| format!("{prefix}{name}");
    read("plain", &before("_orig_mod."), compiled.0, compiled.1);
    read(
        "plain",
        &before("module."),
        "module",
        "DistributedDataParallel",
    );
    let within = |part: &'static str| move |name: &str| name.replace(".self_attn.", part);
    for (part, wrapper) in [
        ("_fsdp_wrapped_module", "FSDP"),
        ("_checkpoint_wrapped_module", "activation checkpointing"),
    ] {
        let infix = if wrapper == "FSDP" {
            "._fsdp_wrapped_module.self_attn."
        } else {
            "._checkpoint_wrapped_module.self_attn."
        };
        read("plain", &within(infix), part, wrapper);
    }
}

#[test]
fn names_without_a_known_wrapper_still_have_no_place() {
    let folder = written("plain", |name| name.replace("q_proj", "c_attn"));
    let error = load("tiny-qwen2", folder.path())
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("c_attn.lora_A: not part of this model"),
        "{error}"
    );
    assert!(
        error.contains("names this model, `example/tiny-qwen2`"),
        "{error}"
    );
}

#[test]
fn an_adapter_in_a_pickle_file_says_how_to_save_it() {
    let folder = written("plain", same);
    let (weights, pickle) = (
        folder.path().join(WEIGHTS),
        folder.path().join("adapter_model.bin"),
    );
    fs::rename(&weights, &pickle).expect("renamed");
    let text = refusal("tiny-qwen2", folder.path());
    for part in [
        "adapter_model.bin: a pickle file",
        "hint: save it as safetensors",
        "save_file(",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let error = Adapter::sha256(folder.path())
        .expect_err("refused")
        .to_string();
    assert_eq!(error, text);
    // Beside a safetensors file it is ignored.
    fs::copy(&pickle, &weights).expect("copied");
    load("tiny-qwen2", folder.path()).expect("an adapter");
}

#[test]
fn a_git_lfs_pointer_is_named_in_place_of_an_adapters_file() {
    let folder = written("plain", same);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n";
    fs::write(folder.path().join(WEIGHTS), pointer).expect("written");
    let text = load("tiny-qwen2", folder.path())
        .expect_err("a pointer")
        .to_string();
    assert!(
        text.contains("a git-lfs pointer") && text.contains("git lfs pull"),
        "{text}"
    );
    fs::write(folder.path().join(CONFIG), pointer).expect("written");
    let text = load("tiny-qwen2", folder.path())
        .expect_err("a pointer")
        .to_string();
    assert!(
        text.contains("adapter_config.json: a git-lfs pointer"),
        "{text}"
    );
}

#[test]
fn values_that_are_no_numbers_and_tensors_for_one_place_are_refused() {
    let folder = written("plain", same);
    let path = folder.path().join(WEIGHTS);
    let mut bytes = fs::read(&path).expect("a file");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &bytes).expect("written");
    let text = load("tiny-qwen2", folder.path())
        .expect_err("NaN")
        .to_string();
    assert!(text.contains("non-finite values"), "{text}");
    let twice = written("plain", |name| {
        name.replace(
            "layers.1.self_attn.q_proj.lora_A",
            "layers.0.self_attn.q_proj.lora_A.other",
        )
    });
    let text = load("tiny-qwen2", twice.path())
        .expect_err("two")
        .to_string();
    assert!(
        text.contains("are both for layers.0.self_attn.q_proj.lora_A"),
        "{text}"
    );
}
