//! Folders as GGUF files, compared with llama.cpp's converter, and files with one type for all weights.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde_json::{Map, Value, json};
use slm_artifacts::sha256;

use super::*;
use crate::gguf::metadata::MetadataValue;
use crate::lora::LoraSettings;
use crate::{Decoder, Weights};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name)
}

/// An adapter that changes nothing.
fn neutral(weights: &Weights) -> Adapter {
    let device = Device::flex();
    let decoder = Decoder::load(weights, &device, |_, _| ()).expect("golden weights");
    decoder.init_adapter(&LoraSettings::plain(2, 4.0), 1, &device)
}

/// Writes a golden model with a neutral adapter, and opens the file.
fn written(name: &str, kind: Option<GgufType>) -> (tempfile::TempDir, GgufFile) {
    let weights = Weights::open(&golden(name)).expect("golden model");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("model.gguf");
    let new = NewGguf {
        kind,
        name,
        chat_template: None,
    };
    let (mut last, adapter) = ((0, 0), neutral(&weights));
    write_file(&weights, &adapter, new, &path, |done, total| {
        assert_eq!(done, last.0 + 1);
        last = (done, total);
    })
    .expect("written");
    let file = GgufFile::open(&path).expect("a GGUF file");
    assert_eq!(last, (file.tensors().count(), file.tensors().count()));
    (folder, file)
}

fn as_json(value: &MetadataValue) -> Value {
    match value {
        MetadataValue::Integer(number) => json!(*number as i64),
        MetadataValue::Float(number) => json!(number),
        MetadataValue::Bool(is) => json!(is),
        MetadataValue::String(text) => json!(text),
        MetadataValue::Integers(numbers) => json!(numbers),
        MetadataValue::Floats(numbers) => json!(numbers),
        MetadataValue::Strings(texts) => json!(texts),
        MetadataValue::Arrays(_) => Value::Null,
    }
}

/// `golden/gguf/converted.py` records what the converter writes.
#[test]
fn a_folder_is_converted_as_llama_cpp_does() {
    let text = std::fs::read_to_string(golden("gguf/converted.json")).expect("golden");
    let models: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
    assert!(models.len() >= 2);
    for (name, expected) in &models {
        let (_folder, file) = written(name, Some(GgufType::F16));
        let pairs = file.metadata().pairs;
        let theirs = expected["metadata"].as_object().expect("pairs");
        for (key, value) in theirs {
            let found = pairs.get(key).map(as_json);
            assert_eq!(found.as_ref(), Some(value), "{name}: {key}");
        }
        let more: Vec<&String> = pairs
            .keys()
            .filter(|key| !theirs.contains_key(*key))
            .collect();
        for key in &more {
            // The first two are those of a configuration without `head_dim`.
            let known = [
                "vocab_size",
                "dimension_count",
                "key_length",
                "value_length",
                "add_bos_token",
                "eot_token_id",
                "eom_token_id",
            ];
            assert!(
                known.iter().any(|known| key.ends_with(known)),
                "{name}: {more:?}"
            );
        }
        let theirs = expected["tensors"].as_object().expect("tensors");
        assert_eq!(file.tensors().count(), theirs.len(), "{name}");
        for (tensor, info) in file.tensors() {
            let hash = sha256(file.bytes(info).expect("readable"));
            let found = json!([info.kind.name(), info.shape, hash]);
            assert_eq!(found, theirs[tensor], "{name}: {tensor}");
        }
    }
}

#[test]
fn the_written_tokenizer_and_template_are_the_folders() {
    for name in ["tiny-llama", "tiny-qwen2"] {
        let base = Weights::open(&golden(name)).expect("golden");
        let (folder, _) = written(name, None);
        let read = Weights::open(&folder.path().join("model.gguf")).expect("written");
        let [old, new] = [&base, &read].map(|weights| weights.tokenizer().expect("a tokenizer"));
        for text in [
            "def f(x):\n    return x\n",
            "<|im_start|>user\nhé<|im_end|>",
            "  12 345",
        ] {
            assert_eq!(
                old.encode(text).ok(),
                new.encode(text).ok(),
                "{name}: {text:?}"
            );
        }
        assert_eq!(old.eos_ids()[0], new.eos_ids()[0], "{name}");
        let [old, new] = [&base, &read].map(|weights| weights.template_text().expect("a template"));
        assert_eq!(old.0, new.0, "{name}");
        assert!(new.0.is_some());
    }
}

#[test]
fn every_type_of_weights_gives_values_near_those_of_the_base_model() {
    for name in ["tiny-llama", "tiny-qwen2", "gguf/tiny-llama-mixed.gguf"] {
        let base = Weights::open(&golden(name)).expect("golden");
        for (kind, most) in [
            (GgufType::F16, 1e-3),
            (GgufType::Q8_0, 0.01),
            // Rows of 64 values are stored in 5 and 8 bits.
            (GgufType::Q4KM, 0.06),
        ] {
            let (folder, _) = written(name, Some(kind));
            let read = Weights::open(&folder.path().join("model.gguf")).expect("written");
            assert_eq!(read.config().hidden_size, base.config().hidden_size);
            for (tensor, shape) in base.config().tensors() {
                let values = base.tensor(&tensor).expect("golden").values;
                let found = read.tensor(&tensor).expect("written").values;
                let square = |v: f32| f64::from(v) * f64::from(v);
                let size: f64 = values.iter().map(|&v| square(v)).sum();
                let pairs = values.iter().zip(&found);
                let error: f64 = pairs.map(|(a, b)| square(a - b)).sum();
                let error = (error / size.max(f64::MIN_POSITIVE)).sqrt();
                let most = if shape.len() == 1 { 0.0 } else { most };
                assert!(error <= most, "{name} as {kind:?}: {tensor}: {error}");
            }
        }
    }
}

#[test]
fn what_llama_cpp_counts_on_is_replaced_and_the_rest_of_the_metadata_kept() {
    let base = GgufFile::open(&golden("gguf/tiny-llama-mixed.gguf")).expect("golden");
    let (_folder, file) = written("gguf/tiny-llama-mixed.gguf", Some(GgufType::Q8_0));
    let (before, after) = (base.metadata().pairs, file.metadata().pairs);
    assert_eq!(after["general.file_type"], MetadataValue::Integer(7));
    let differ = before
        .iter()
        .filter(|(key, value)| after.get(*key) != Some(value));
    let differ: Vec<&String> = differ.map(|(key, _)| key).collect();
    assert_eq!(differ, ["general.file_type"]);
}

#[test]
fn a_type_that_a_tensor_already_has_keeps_its_bytes() {
    let base = GgufFile::open(&golden("gguf/tiny-llama-mixed.gguf")).expect("golden");
    let (_folder, file) = written("gguf/tiny-llama-mixed.gguf", Some(GgufType::Q8_0));
    let mut kept = 0;
    for (name, info) in base
        .tensors()
        .filter(|(_, info)| info.kind == TensorType::Q8_0)
    {
        let is_adapted = name.starts_with("blk.");
        let found = file.tensor_info(name).expect("written");
        let same = file.bytes(found).expect("bytes") == base.bytes(info).expect("bytes");
        assert!(same || is_adapted, "{name}");
        kept += usize::from(!is_adapted);
    }
    assert!(kept > 0, "no tensor to look at");
}

#[test]
fn a_tokenizer_without_a_known_name_is_refused_before_anything_else() {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(golden("tiny-qwen2")).expect("golden") {
        let entry = entry.expect("readable");
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("writable");
    }
    let refusal = |change: &dyn Fn(&mut Value)| {
        let path = copy.path().join("tokenizer.json");
        let original =
            std::fs::read_to_string(golden("tiny-qwen2/tokenizer.json")).expect("golden");
        let mut tokenizer: Value = serde_json::from_str(&original).expect("JSON");
        change(&mut tokenizer);
        std::fs::write(&path, tokenizer.to_string()).expect("written");
        let weights = Weights::open(copy.path()).expect("a model");
        let new = NewGguf {
            kind: None,
            name: "x",
            chat_template: None,
        };
        let mut out = Vec::new();
        let adapter = neutral(&weights);
        let error = |error| super::super::io_error(Path::new("x"))(error);
        let error = write_model(&weights, &adapter, new, &mut out, error, |_, _| ());
        assert!(out.is_empty());
        error.expect_err("refused").to_string()
    };
    let split = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "[aeiou]"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}]});
    let rules = refusal(&|tokenizer| tokenizer["pre_tokenizer"] = split.clone());
    assert!(
        rules.contains("no pre-tokenizer that is known") && rules.contains("hint: "),
        "{rules}"
    );
    let kind = refusal(&|tokenizer| {
        tokenizer["model"] = json!({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"});
    });
    assert!(kind.contains("WordLevel"), "{kind}");
    let id = refusal(&|tokenizer| tokenizer["model"]["vocab"]["zzz"] = json!(352));
    assert!(id.contains("id 352, but there are 352 embeddings"), "{id}");
}

/// A tokenizer of 64 letters for models of 96 rows.
fn small_tokenizer() -> Value {
    let letters = ('!'..='`').enumerate();
    let mut vocabulary: Map<String, Value> = letters
        .map(|(id, letter)| (letter.to_string(), json!(id)))
        .collect();
    vocabulary.insert("DE".to_owned(), json!(64));
    json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "added_tokens": [],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [["D", "E"]]},
    })
}

/// Whether a pair of the converter is in our file or means nothing.
fn is_written(key: &str, value: &MetadataValue, ours: &GgufFile) -> bool {
    let (_, part) = key.split_once('.').expect("an architecture");
    // Of Mamba layers and experts, which Granite 4's dense models do not have; the last is llama.cpp's default.
    let is_void = ["ssm.", "expert_"]
        .iter()
        .any(|start| part.starts_with(start))
        || part == "rope.scaling.finetuned";
    // The two whose values depend on windows are compared as configurations.
    let depends = part.ends_with("context_length") || part == "attention.sliding_window";
    let same_in_all_layers = match value {
        MetadataValue::Integers(numbers) if numbers.iter().all(|n| *n == numbers[0]) => {
            Some(MetadataValue::Integer(i128::from(numbers[0])))
        }
        _ => None,
    };
    let found = ours.metadata().pairs.get(key);
    let of_file = key.starts_with("general.") || key.starts_with("tokenizer.");
    of_file
        || is_void
        || depends
        || found.is_some_and(|found| found == value || Some(found) == same_in_all_layers.as_ref())
}

/// `golden/families` has a folder and llama.cpp's conversion of each family. Its Gemma has another factor of attention
/// scores than llama.cpp, which is refused.
#[test]
fn every_family_is_converted_as_llama_cpp_does() {
    for name in [
        "qwen3",
        "smollm3",
        "granite",
        "granitemoehybrid",
        "phi3",
        "starcoder2",
        "olmo2",
        "gemma3_text",
        "llama-biases",
        "qwen2-yarn",
    ] {
        let source = golden("families").join(name);
        let copy = tempfile::tempdir().expect("a temporary folder");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(source.join(file), copy.path().join(file)).expect("golden");
        }
        let path = copy.path().join("tokenizer.json");
        std::fs::write(path, small_tokenizer().to_string()).expect("written");
        let mut base = Weights::open(copy.path()).expect("golden model");
        let path = copy.path().join("new.gguf");
        let new = NewGguf {
            kind: Some(GgufType::F16),
            name,
            chat_template: None,
        };
        let write = |base: &Weights| write_file(base, &neutral(base), new, &path, |_, _| ());
        if name == "gemma3_text" {
            let refusal = write(&base).expect_err("refused").to_string();
            let expected = "cannot represent the factor of attention scores";
            assert!(refusal.contains(expected), "{refusal}");
            let config = copy.path().join("config.json");
            let text = std::fs::read_to_string(&config).expect("golden");
            let scalar = "\"query_pre_attn_scalar\": ";
            let text = text.replace(&format!("{scalar}24"), &format!("{scalar}16"));
            std::fs::write(config, text).expect("written");
            base = Weights::open(copy.path()).expect("golden model");
        }
        write(&base).expect("written");
        let ours = GgufFile::open(&path).expect("written");
        let theirs = GgufFile::open(&source.join("model.gguf")).expect("golden");
        for (key, value) in theirs.metadata().pairs {
            let found = ours.metadata().pairs.get(key);
            assert!(
                is_written(key, value, &ours),
                "{name}: {key}: {found:?} for {value:?}"
            );
        }
        let names = |file: &GgufFile| {
            let tensors = file.tensors();
            let tensors = tensors.map(|(name, info)| (name.to_owned(), info.shape.clone()));
            tensors.collect::<Vec<_>>()
        };
        assert_eq!(names(&ours), names(&theirs), "{name}");
        for (tensor, _) in ours.tensors() {
            let [found, expected] =
                [&ours, &theirs].map(|file| file.tensor(tensor).expect("readable"));
            for (found, expected) in found.values.iter().zip(&expected.values) {
                let most = expected.abs() * 5e-4 + 6e-8;
                assert!(
                    (found - expected).abs() <= most,
                    "{name}: {tensor}: {found} for {expected}"
                );
            }
        }
        let read = Weights::open(&path).expect("written");
        let (read, base) = (read.config(), base.config());
        if name == "starcoder2" {
            // llama.cpp knows no windows here, and within one they make no difference.
            assert_eq!(
                Some(read.max_position_embeddings),
                base.layer_kind(0).window,
                "{name}"
            );
        } else {
            assert_eq!(read.layer_kinds, base.layer_kinds, "{name}");
            assert_eq!(
                read.max_position_embeddings, base.max_position_embeddings,
                "{name}"
            );
        }
    }
}

#[test]
fn a_sentence_piece_vocabulary_is_written_with_scores() {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for file in ["config.json", "model.safetensors"] {
        let source = golden("tiny-qwen2").join(file);
        std::fs::copy(source, copy.path().join(file)).expect("golden");
    }
    let text = std::fs::read_to_string(golden("chat/metaspace-prepend.json")).expect("golden");
    let mut tokenizer: Value = serde_json::from_str(&text).expect("JSON");
    for (id, token) in (320..).zip(["de", "def", "\u{2581}def"]) {
        tokenizer["model"]["vocab"][token] = json!(id);
    }
    tokenizer["model"]["merges"] = json!([["d", "e"], ["de", "f"], ["\u{2581}", "def"]]);
    let path = copy.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_string()).expect("written");
    let base = Weights::open(copy.path()).expect("a model");
    let path = copy.path().join("new.gguf");
    let new = NewGguf {
        kind: None,
        name: "x",
        chat_template: None,
    };
    write_file(&base, &neutral(&base), new, &path, |_, _| ()).expect("written");
    let read = Weights::open(&path).expect("written");
    let pairs = read.gguf().expect("a file").metadata().pairs;
    let model = MetadataValue::String("llama".to_owned());
    assert_eq!(pairs["tokenizer.ggml.model"], model);
    let [old, new] = [&base, &read].map(|weights| weights.tokenizer().expect("a tokenizer"));
    for text in ["def f", "a defdef  d\n", "é🙂"] {
        let ids = old.encode(text).expect("encodes");
        assert_eq!(new.encode(text).ok(), Some(ids), "{text:?}");
    }
    assert_eq!(old.encode("def").ok(), Some(vec![322]));
}
