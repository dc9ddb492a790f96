//! Checkpoints on disk: GGUF files against the folders they were converted from, and broken ones.

use std::path::{Path, PathBuf};

use model::{Architecture, Checkpoint, ModelConfig};
use tempfile::TempDir;

use crate::support::{golden, real_model};

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&golden(name)).expect("a golden checkpoint opens")
}

/// A copy of a golden folder, to be damaged.
fn copy_of(name: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(golden(name)).expect("a golden folder") {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("writable");
    }
    copy
}

/// Changes the text of a file.
fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{from:?} is not in {}", path.display());
    std::fs::write(path, text.replace(from, to)).expect("writable");
}

fn refusal(path: &Path) -> String {
    Checkpoint::open(path)
        .map(|_| ())
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn a_gguf_file_holds_the_same_tensors_as_the_folder_it_was_converted_from() {
    for (file, folder) in [
        ("gguf/tiny-qwen2.gguf", "tiny-qwen2"),
        ("gguf/tiny-llama.gguf", "tiny-llama"),
    ] {
        let (file, folder) = (open(file), open(folder));
        let tensors = folder.config().tensors();
        assert_eq!(file.config().tensors(), tensors);
        for (name, shape) in tensors {
            let (from_file, from_folder) = (
                file.tensor(&name).expect("readable"),
                folder.tensor(&name).expect("readable"),
            );
            assert_eq!(from_folder.shape, shape, "{name}");
            assert_eq!(from_file, from_folder, "{name}");
            assert!(file.has_tensor(&name) && folder.has_tensor(&name), "{name}");
        }
        let mut names = file.tensor_names();
        names.sort();
        let mut expected = folder.tensor_names();
        expected.sort();
        assert_eq!(names, expected);
    }
}

#[test]
fn a_gguf_file_and_its_folder_describe_the_same_model() {
    for (file, folder) in [
        ("gguf/tiny-qwen2.gguf", "tiny-qwen2"),
        ("gguf/tiny-llama.gguf", "tiny-llama"),
    ] {
        let (file, folder) = (open(file), open(folder));
        // The file holds epsilon in single precision.
        let rounded = ModelConfig {
            rms_norm_eps: f64::from(folder.config().rms_norm_eps as f32),
            ..folder.config().clone()
        };
        assert_eq!(file.config(), &rounded);
    }
}

#[test]
fn both_layouts_of_config_json_mean_the_same() {
    for name in ["tiny-qwen2", "tiny-llama", "tiny-llama3-rope"] {
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(path).expect("readable");
            ModelConfig::from_json(&text).expect("valid")
        };
        let old = read(golden(name).join("config.json"));
        assert_eq!(
            read(golden(&format!("config-v5/{name}.json"))),
            old,
            "{name}"
        );
    }
}

#[test]
fn the_end_tokens_come_from_both_configurations() {
    let copy = copy_of("tiny-llama");
    edit(
        &copy.path().join("generation_config.json"),
        "\"eos_token_id\": 2",
        "\"eos_token_id\": [2, 0]",
    );
    let checkpoint = Checkpoint::open(copy.path()).expect("valid");
    assert_eq!(checkpoint.config().eos_token_ids, [2, 0]);
}

#[test]
fn a_missing_path_says_what_a_model_is() {
    let message = refusal(Path::new("no/such/model"));
    assert!(
        message.contains("no/such/model: no such file") && message.contains("hint: "),
        "{message}"
    );
}

#[test]
fn a_weights_file_without_its_folder_points_to_the_folder() {
    let message = refusal(&golden("tiny-qwen2/model.safetensors"));
    assert!(message.contains("hint: pass the folder"), "{message}");
}

#[test]
fn a_folder_without_its_parts_names_the_missing_one() {
    for (file, expected) in [
        ("config.json", "config.json: "),
        (
            "model.safetensors.index.json",
            "neither model.safetensors nor",
        ),
        ("model-00002-of-00003.safetensors", "shard is missing"),
    ] {
        let copy = copy_of("tiny-llama");
        std::fs::remove_file(copy.path().join(file)).expect("removable");
        let message = refusal(copy.path());
        assert!(message.contains(expected), "{file}: {message}");
    }
    let copy = copy_of("tiny-llama");
    std::fs::remove_file(copy.path().join("tokenizer.json")).expect("removable");
    let checkpoint = Checkpoint::open(copy.path()).expect("the weights are there");
    let message = checkpoint
        .tokenizer()
        .expect_err("no tokenizer")
        .to_string();
    assert!(message.contains("tokenizer.json"), "{message}");
}

#[test]
fn an_unknown_architecture_is_named_with_those_supported() {
    let copy = copy_of("tiny-llama");
    edit(
        &copy.path().join("config.json"),
        "\"model_type\": \"llama\"",
        "\"model_type\": \"gemma\"",
    );
    let message = refusal(copy.path());
    assert!(
        message.contains("`gemma`") && message.contains("llama, qwen2"),
        "{message}"
    );

    let mut bytes = std::fs::read(golden("gguf/tiny-llama.gguf")).expect("readable");
    // A text's length stands before it, as eight bytes.
    let value = *b"\x05\0\0\0\0\0\0\0llama";
    let at = bytes
        .windows(value.len())
        .position(|window| window == value)
        .expect("there");
    bytes[at + 8..at + 13].copy_from_slice(b"mamba");
    let file = copy.path().join("mamba.gguf");
    std::fs::write(&file, bytes).expect("writable");
    let message = refusal(&file);
    assert!(
        message.contains("`mamba`") && message.contains("llama, qwen2"),
        "{message}"
    );
}

#[test]
fn weights_of_another_model_are_refused_by_shape() {
    let copy = copy_of("tiny-llama");
    edit(
        &copy.path().join("config.json"),
        "\"intermediate_size\": 96",
        "\"intermediate_size\": 128",
    );
    let checkpoint = Checkpoint::open(copy.path()).expect("headers agree with themselves");
    let message = checkpoint
        .tensor("model.layers.0.mlp.up_proj.weight")
        .expect_err("another shape")
        .to_string();
    assert!(
        message.contains("found [96, 64], expected [128, 64]"),
        "{message}"
    );
}

#[test]
fn a_head_that_should_be_there_and_is_not_is_missing() {
    let copy = copy_of("tiny-qwen2");
    edit(
        &copy.path().join("config.json"),
        "\"tie_word_embeddings\": true",
        "\"tie_word_embeddings\": false",
    );
    let checkpoint = Checkpoint::open(copy.path()).expect("headers agree with themselves");
    let message = checkpoint
        .tensor("lm_head.weight")
        .expect_err("missing")
        .to_string();
    assert!(message.contains("`lm_head.weight` is missing"), "{message}");
    assert!(
        checkpoint
            .tensor("model.layers.9.mlp.up_proj.weight")
            .is_err()
    );
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let copy = copy_of("tiny-qwen2");
    let path = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).expect("readable");
    let header_len = u64::from_le_bytes(*bytes.first_chunk().expect("a header")) as usize;
    bytes[8 + header_len..].fill(0xff);
    std::fs::write(&path, bytes).expect("writable");
    let checkpoint = Checkpoint::open(copy.path()).expect("the header is whole");
    let message = checkpoint
        .tensor("model.norm.weight")
        .expect_err("NaN")
        .to_string();
    assert!(message.contains("no finite numbers"), "{message}");
}

#[test]
fn a_truncated_gguf_file_says_how_long_it_should_be() {
    let bytes = std::fs::read(golden("gguf/tiny-llama.gguf")).expect("readable");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("short.gguf");
    for len in [5, 100, 5_000, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..len]).expect("writable");
        let message = refusal(&path);
        assert!(
            message.contains("truncated") && message.contains(&format!("found {len}")),
            "{message}"
        );
    }
}

#[test]
fn the_sha256_of_a_folder_changes_with_its_files() {
    let (copy, same) = (copy_of("tiny-qwen2"), copy_of("tiny-qwen2"));
    let sha256 = |folder: &TempDir| {
        let checkpoint = Checkpoint::open(folder.path()).expect("valid");
        checkpoint.sha256().expect("readable")
    };
    let before = sha256(&copy);
    assert_eq!(sha256(&same), before);
    let path = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).expect("readable");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&path, bytes).expect("writable");
    assert_ne!(sha256(&copy), before);
}

#[test]
fn the_real_smollm2_is_complete() {
    let Some(path) = real_model() else {
        return;
    };
    let checkpoint = Checkpoint::open(&path).expect("the pinned file opens");
    let config = checkpoint.config();
    assert_eq!(config.architecture, Architecture::Llama);
    assert_eq!(config.num_parameters(), 134_515_008);
    assert!(config.tie_word_embeddings);
    assert_eq!(config.eos_token_ids, [2]);
    for (name, shape) in config.tensors() {
        assert_eq!(
            checkpoint.tensor(&name).expect("readable").shape,
            shape,
            "{name}"
        );
    }
    let expected =
        std::fs::read_to_string(golden("tokenizer-real/smollm2.json")).expect("readable");
    let sha256 = checkpoint.sha256().expect("readable");
    assert!(expected.contains(&sha256), "{sha256}");
}
