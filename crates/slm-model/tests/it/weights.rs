//! Models on disk: GGUF files compared with the folders they were converted from, and broken ones.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use slm_model::{Adapter, Decoder, Engine, ModelConfig, WeightType, Weights, write_merged};
use tempfile::TempDir;

use crate::support::{Expected, FULL_GOLDENS, copy_of, golden, max_difference, real_model};

fn open(name: &str) -> Weights {
    Weights::open(&golden(name)).expect("a golden model opens")
}

/// Replaces text in a file.
fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{from:?} is not in {}", path.display());
    std::fs::write(path, text.replace(from, to)).expect("writable");
}

/// The golden GGUF file of each family with the folder that it was converted from.
fn golden_pairs() -> impl Iterator<Item = (Weights, Weights)> {
    FULL_GOLDENS.into_iter().map(|family| {
        let (file, folder) = (format!("gguf/tiny-{family}.gguf"), format!("tiny-{family}"));
        (open(&file), open(&folder))
    })
}

fn refusal(path: &Path) -> String {
    Weights::open(path)
        .map(|_| ())
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn a_gguf_file_holds_the_same_tensors_as_the_folder_it_was_converted_from() {
    for (file, folder) in golden_pairs() {
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
    for (file, folder) in golden_pairs() {
        // The file contains epsilon in single precision.
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
    let weights = Weights::open(copy.path()).expect("valid");
    assert_eq!(weights.config().eos_token_ids, [2, 0]);
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
    let weights = Weights::open(copy.path()).expect("the weights are there");
    let message = weights.tokenizer().expect_err("no tokenizer").to_string();
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
    // A string is preceded by its length, as eight bytes.
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
    let message = refusal(copy.path());
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
    let message = refusal(copy.path());
    assert!(message.contains("`lm_head.weight` is missing"), "{message}");
}

#[test]
fn a_tensor_that_the_configuration_does_not_have_is_unknown() {
    let weights = open("tiny-qwen2");
    for name in ["lm_head.weight", "model.layers.9.mlp.up_proj.weight"] {
        let message = weights.tensor(name).expect_err("unknown").to_string();
        assert!(
            message.contains(&format!("no tensor `{name}`")),
            "{message}"
        );
    }
}

/// Rewrites the tensors of a folder's only file with a change.
fn rewrite(folder: &Path, change: impl FnOnce(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>)) {
    let path = folder.join("model.safetensors");
    let bytes = std::fs::read(&path).expect("readable");
    let file = SafeTensors::deserialize(&bytes).expect("valid");
    let mut tensors: Vec<_> = file
        .iter()
        .map(|(name, view)| {
            let (dtype, shape) = (view.dtype(), view.shape().to_vec());
            (name.to_owned(), dtype, shape, view.data().to_vec())
        })
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("a view");
        (name.as_str(), view)
    });
    let bytes = safetensors::serialize(views, None).expect("a file");
    std::fs::write(path, bytes).expect("writable");
}

/// A copy of the tied model with a head in its file: the embedding with its rows in the same or in reverse order.
fn with_head(reversed: bool) -> TempDir {
    let copy = copy_of("tiny-qwen2");
    rewrite(copy.path(), |tensors| {
        let embedding = tensors
            .iter()
            .find(|(name, ..)| name == "model.embed_tokens.weight");
        let (_, dtype, shape, bytes) = embedding.expect("an embedding").clone();
        let mut rows: Vec<&[u8]> = bytes.chunks(bytes.len() / shape[0]).collect();
        if reversed {
            rows.reverse();
        }
        let head = rows.concat();
        tensors.push(("lm_head.weight".to_owned(), dtype, shape, head));
    });
    copy
}

#[test]
fn a_head_that_differs_from_the_embedding_is_used_as_in_transformers_5() {
    let copy = with_head(true);
    let weights = Weights::open(copy.path()).expect("valid");
    assert!(!weights.config().tie_word_embeddings);
    let [warning] = weights.warnings() else {
        panic!("one warning: {:?}", weights.warnings());
    };
    assert!(
        warning.contains("`tie_word_embeddings` is true, but `lm_head.weight`"),
        "{warning}"
    );
    let expected = Expected::read("untied-head/expected.safetensors");
    let ids = expected.ids("input_ids");
    let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
    let found = decoder.logits(&ids, 1, None);
    let difference = max_difference(&found, &expected.rows("logits"));
    assert!(difference < 1e-4, "logits differ by {difference}");
    let engine = Engine::load(&weights, |_, _| ()).expect("weights");
    let last = engine.prefill(&mut engine.cache(1), 0, 0, &ids, None);
    let last = Tensor::<1>::from_floats(&last[..], &Device::flex()).unsqueeze();
    let row = expected.rows("logits").narrow(0, ids.len() - 1, 1);
    let difference = max_difference(&last, &row);
    assert!(
        difference < 1e-3,
        "the engine's logits differ by {difference}"
    );

    // A merged model keeps the head, and its config is valid for every release of transformers.
    let adapter = golden("peft-qwen2/all-linear");
    let adapter = Adapter::load(&adapter, decoder.config(), "tiny", &Device::flex());
    let adapter = adapter.expect("golden adapter").adapter;
    let side_by_side = decoder.logits(&ids, 1, Some(&adapter));
    let output = tempfile::tempdir().expect("a folder");
    let dtype = WeightType::F32;
    write_merged(&weights, &adapter, output.path(), dtype, |_, _| ()).expect("merged");
    let config = std::fs::read_to_string(output.path().join("config.json")).expect("readable");
    assert!(
        config.contains("\"tie_word_embeddings\": false"),
        "{config}"
    );
    let merged = Weights::open(output.path()).expect("valid");
    assert!(merged.warnings().is_empty());
    let merged = Decoder::load(&merged, &Device::flex(), |_, _| ()).expect("weights");
    let difference = max_difference(&merged.logits(&ids, 1, None), &side_by_side);
    assert!(
        difference < 1e-4,
        "the merged model's logits differ by {difference}"
    );
}

#[test]
fn a_head_that_equals_the_embedding_is_tied_without_a_word() {
    let copy = with_head(false);
    let weights = Weights::open(copy.path()).expect("valid");
    assert!(weights.config().tie_word_embeddings);
    assert!(weights.warnings().is_empty());
    // With another shape it is not a head of this model.
    rewrite(copy.path(), |tensors| {
        let head = tensors
            .iter_mut()
            .find(|(name, ..)| name == "lm_head.weight")
            .expect("a head");
        head.2 = vec![head.2[0] / 2, 2 * head.2[1]];
    });
    let message = refusal(copy.path());
    assert!(
        message.contains("`lm_head.weight`: found [176, 128], expected [352, 64]"),
        "{message}"
    );
}

#[test]
fn quantised_weights_are_named_with_the_method_and_a_way_out() {
    let check = |change: &dyn Fn(&Path), parts: &[&str]| {
        let copy = copy_of("tiny-qwen2");
        change(copy.path());
        let message = refusal(copy.path());
        for part in parts
            .iter()
            .chain(&["hint: ", "unquantised", "model.quantization"])
        {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
        // A server may still run it.
        Weights::open_without_weights(copy.path()).expect("configuration and tokenizer");
    };
    let by_config = |settings: &'static str| {
        move |folder: &Path| {
            let all = format!("\"model_type\": \"qwen2\", {settings}");
            edit(
                &folder.join("config.json"),
                "\"model_type\": \"qwen2\"",
                &all,
            );
        }
    };
    for (settings, expected) in [
        (
            r#""quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}"#,
            "quantised by bitsandbytes, 4 bits (`quantization_config`)",
        ),
        (
            r#""quantization_config": {"quant_method": "gptq", "bits": 4}"#,
            "gptq, 4 bits",
        ),
        (
            r#""quantization_config": {"quant_method": "awq", "bits": 4}"#,
            "awq, 4 bits",
        ),
        (
            r#""quantization_config": {"quant_method": "fbgemm_fp8"}"#,
            "quantised by fbgemm_fp8",
        ),
        (
            r#""quantization": {"group_size": 64, "bits": 8}"#,
            "8 bits (`quantization`)",
        ),
    ] {
        check(&by_config(settings), &["config.json", expected]);
    }
    let by_file = |folder: &Path| {
        std::fs::write(folder.join("quantize_config.json"), "{\"bits\": 4}").expect("writable");
    };
    check(&by_file, &["GPTQ (`quantize_config.json`)"]);
    let query = "model.layers.0.self_attn.q_proj.weight";
    let by_names = |folder: &Path| {
        rewrite(folder, |tensors| {
            let weight = tensors
                .iter_mut()
                .find(|(name, ..)| name == query)
                .expect("a weight");
            weight.0 = query.replace("weight", "qweight");
        });
    };
    check(
        &by_names,
        &["GPTQ or AWQ (tensor `model.layers.0.self_attn.q_proj.qweight`)"],
    );
    let by_type = |folder: &Path| {
        rewrite(folder, |tensors| {
            let weight = tensors
                .iter_mut()
                .find(|(name, ..)| name == query)
                .expect("a weight");
            (weight.1, weight.3) = (Dtype::F8_E4M3, weight.3[..weight.3.len() / 4].to_vec());
        });
    };
    check(
        &by_type,
        &["`model.layers.0.self_attn.q_proj.weight` is of type F8_E4M3"],
    );
}

#[test]
fn git_lfs_pointers_are_named_wherever_they_are() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n";
    let copy = copy_of("tiny-qwen2");
    let check = |file: &str, message: String| {
        let parts = [file, ": a git-lfs pointer", "hint: run `git lfs pull`"];
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    };
    let put = |file: &str| {
        let path = copy.path().join(file);
        std::fs::write(&path, pointer).expect("writable");
        path
    };
    check("model.gguf", refusal(&put("model.gguf")));
    put("tokenizer.json");
    let weights = Weights::open(copy.path()).expect("the weights are there");
    let message = weights.tokenizer().expect_err("a pointer").to_string();
    check("tokenizer.json", message);
    for file in ["model.safetensors", "config.json"] {
        put(file);
        check(file, refusal(copy.path()));
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    let copy = copy_of("tiny-qwen2");
    let path = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).expect("readable");
    let header_len = u64::from_le_bytes(*bytes.first_chunk().expect("a header")) as usize;
    bytes[8 + header_len..].fill(0xff);
    std::fs::write(&path, bytes).expect("writable");
    let weights = Weights::open(copy.path()).expect("the header is whole");
    let message = weights
        .tensor("model.norm.weight")
        .expect_err("NaN")
        .to_string();
    assert!(message.contains("non-finite values"), "{message}");
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
        let weights = Weights::open(folder.path()).expect("valid");
        weights.sha256().expect("readable")
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
    let weights = Weights::open(&path).expect("the pinned file opens");
    let config = weights.config();
    assert_eq!(config.family.model_type, "llama");
    assert_eq!(config.num_parameters(), 134_515_008);
    assert!(config.tie_word_embeddings);
    assert_eq!(config.eos_token_ids, [2]);
    for (name, shape) in config.tensors() {
        assert_eq!(
            weights.tensor(&name).expect("readable").shape,
            shape,
            "{name}"
        );
    }
    let expected =
        std::fs::read_to_string(golden("tokenizer-real/smollm2.json")).expect("readable");
    let sha256 = weights.sha256().expect("readable");
    assert!(expected.contains(&sha256), "{sha256}");
}
