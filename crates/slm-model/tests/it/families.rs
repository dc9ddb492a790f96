//! The families beyond llama and qwen2, compared with transformers, PEFT and llama.cpp on tiny random checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use slm_model::loss::{IGNORE_LABEL, chunked_cross_entropy};
use slm_model::{Adapter, AdapterOrigin, Decoder, Engine, EngineAdapter, LoraSettings, Weights};

use crate::support::{Expected, golden, max_difference};

/// A golden checkpoint.
struct Case {
    name: &'static str,
    /// Changes to the configuration that make it describe what a GGUF file contains; `None` without such a file.
    gguf: Option<&'static [(&'static str, &'static str)]>,
    /// Largest difference from the logits of llama.cpp, which looks GELU up in a table of half precision.
    of_llama_cpp: f32,
}

const CASES: [Case; 11] = [
    case("qwen3"),
    case("smollm3"),
    case("granite"),
    case("granitemoehybrid"),
    // llama.cpp converts it to `llama`, without the window.
    Case {
        name: "mistral",
        gguf: None,
        of_llama_cpp: 0.0,
    },
    case("phi3"),
    // llama.cpp has no window for this family.
    Case {
        name: "starcoder2",
        gguf: Some(&[("\"sliding_window\": 8", "\"sliding_window\": null")]),
        of_llama_cpp: 2e-2,
    },
    case("olmo2"),
    // The file does not contain this number.
    Case {
        name: "gemma3_text",
        gguf: Some(&[(
            "\"query_pre_attn_scalar\": 24",
            "\"query_pre_attn_scalar\": 16",
        )]),
        of_llama_cpp: 2e-2,
    },
    case("qwen2-yarn"),
    case("llama-biases"),
];

const fn case(name: &'static str) -> Case {
    Case {
        name,
        gguf: Some(&[]),
        of_llama_cpp: 1e-4,
    }
}

impl Case {
    fn path(&self, file: &str) -> PathBuf {
        golden(&format!("families/{}/{file}", self.name))
    }

    fn expected(&self) -> Expected {
        Expected::read(&format!("families/{}/expected.safetensors", self.name))
    }

    /// The checkpoint with the rotary frequencies of contexts as long as the golden sequences.
    fn weights(&self, path: PathBuf) -> Weights {
        let mut weights = Weights::open(&path).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        weights.set_context_length(64).expect("within the maximum");
        weights
    }

    fn decoder(&self) -> (Weights, Decoder) {
        let weights = self.weights(self.path(""));
        let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
        (weights, decoder)
    }
}

fn adapter(case: &Case, decoder: &Decoder, device: &Device) -> Adapter {
    Adapter::load(&case.path("adapter"), decoder.config(), "tiny", device)
        .unwrap_or_else(|e| panic!("{}: {e}", case.name))
        .adapter
}

/// Prints a line of the parity table, with --nocapture.
#[expect(clippy::print_stderr, reason = "prints the distance from the bound")]
fn tell(name: &str, what: &str, difference: f32) {
    eprintln!("{name}, {what}: {difference:.1e}");
}

/// The rows of each sequence without its padding.
fn real_rows(expected: &Expected, rows: &Tensor<2>) -> Vec<Tensor<2>> {
    let length = expected.shape("input_ids")[1];
    let lengths = expected.integers("lengths");
    let sequences = lengths.into_iter().enumerate();
    sequences
        .map(|(i, n)| rows.clone().narrow(0, i * length, n as usize))
        .collect()
}

fn difference(expected: &Expected, found: &Tensor<2>, name: &str) -> f32 {
    let expected_rows = real_rows(expected, &expected.rows(name));
    let pairs = real_rows(expected, found).into_iter().zip(expected_rows);
    let differences = pairs.map(|(found, expected)| max_difference(&found, &expected));
    differences.fold(0.0, f32::max)
}

#[test]
fn logits_of_every_family_equal_transformers_and_with_an_adapter_pefts() {
    for case in &CASES {
        let (_, decoder) = case.decoder();
        let expected = case.expected();
        let tokens = expected.ids("input_ids");
        let found = decoder.logits(&tokens, 2, None);
        let of_base = difference(&expected, &found, "base_logits");
        tell(case.name, "logits", of_base);
        let adapter = adapter(case, &decoder, &Device::flex());
        let found = decoder.logits(&tokens, 2, Some(&adapter));
        let adapted = difference(&expected, &found, "logits");
        tell(case.name, "logits with an adapter", adapted);
        assert!(of_base < 1e-4, "{}: {of_base}", case.name);
        assert!(adapted < 1e-4, "{}, adapted: {adapted}", case.name);
    }
}

#[test]
fn the_engine_equals_transformers_and_neither_chunks_nor_the_cache_change_a_bit() {
    for case in &CASES {
        let (weights, decoder) = case.decoder();
        let adapter = adapter(case, &decoder, &Device::flex());
        let engine = Engine::load(&weights, |_, _| ()).expect("weights");
        let adapter = EngineAdapter::new(&adapter, &weights).expect("weights");
        let expected = case.expected();
        let length = expected.shape("input_ids")[1];
        let tokens = &expected.ids("input_ids")[..length];
        for (name, adapter) in [("base_logits", None), ("logits", Some(&adapter))] {
            let rows = expected.rows(name);
            let mut cache = engine.cache(2);
            let whole = engine.prefill(&mut cache, 0, 0, tokens, adapter);
            let first = engine.prefill(&mut cache, 1, 0, &tokens[..3], adapter);
            let mut last = first;
            for (position, &token) in tokens.iter().enumerate().skip(3) {
                last = engine.decode(&mut cache, &[token], &[(1, position)], adapter);
                let found = Tensor::<1>::from_floats(&last[..], &Device::flex()).unsqueeze();
                let worst = max_difference(&found, &rows.clone().narrow(0, position, 1));
                assert!(worst < 1e-4, "{} at {position}: {worst}", case.name);
            }
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&whole), bits(&last), "{}", case.name);
        }
    }
}

#[test]
fn cached_passes_of_the_decoder_equal_those_over_full_sequences() {
    for case in &CASES {
        let (_, decoder) = case.decoder();
        let expected = case.expected();
        let length = expected.shape("input_ids")[1];
        let tokens = &expected.ids("input_ids")[..length];
        let rows = expected.rows("base_logits");
        let mut cache = slm_model::KvCache::new(decoder.config(), 3, 64, &Device::flex());
        decoder.prefill(&mut cache, 2, &tokens[..12], None);
        for (position, &token) in tokens.iter().enumerate().skip(12) {
            let found = decoder.decode(&mut cache, &[token], &[(2, position)], None);
            let worst = max_difference(&found, &rows.clone().narrow(0, position, 1));
            assert!(worst < 1e-4, "{} at {position}: {worst}", case.name);
        }
    }
}

#[test]
fn loss_and_every_gradient_equal_pefts() {
    for case in &CASES {
        let (_, decoder) = case.decoder();
        let expected = case.expected();
        for recomputed in [0, decoder.config().num_hidden_layers] {
            let decoder = decoder.clone().with_gradient_checkpointing(recomputed);
            check_gradients(case, &decoder, &expected);
        }
    }
}

fn check_gradients(case: &Case, decoder: &Decoder, expected: &Expected) {
    let adapter = adapter(case, decoder, &Device::flex().autodiff());
    let states = decoder.hidden_states(&expected.ids("input_ids"), 2, Some(&adapter));
    // The model predicts a label from the position before it.
    let length = expected.shape("input_ids")[1];
    let labels: Vec<i64> = expected
        .integers("labels")
        .chunks_exact(length)
        .flat_map(|row| row[1..].iter().copied().chain([IGNORE_LABEL]))
        .collect();
    let count = labels
        .iter()
        .filter(|&&label| label != IGNORE_LABEL)
        .count();
    assert_eq!(count as i64, expected.integers("n_supervised")[0]);
    let head = decoder.head(Some(&adapter));
    let found = chunked_cross_entropy(states, &head, &labels, count, 7).expect("labels");
    let value = found.loss.into_scalar::<f32>();
    let of_peft = expected.floats("loss")[0];
    tell(case.name, "loss", (value - of_peft).abs());
    assert!((value - of_peft).abs() < 1e-4, "{}: {value}", case.name);
    let gradients = found.backward_seed.backward();
    let mut worst = 0.0f32;
    for (layer, target, pair) in adapter.pairs() {
        for (part, tensor) in [("lora_A", pair.lora_a()), ("lora_B", pair.lora_b())] {
            let module = target.module_path(layer);
            let name = format!("base_model.model.model.{module}.{part}.weight.grad");
            let found = tensor.grad(&gradients).expect("a gradient");
            let expected = expected.rows(&name);
            let norm = expected.clone().square().sum().sqrt().into_scalar::<f32>();
            let error = (found - expected)
                .square()
                .sum()
                .sqrt()
                .into_scalar::<f32>();
            worst = worst.max(error / norm);
        }
    }
    tell(case.name, "gradients, relative", worst);
    assert!(worst < 1e-4, "{}: gradients differ by {worst}", case.name);
    assert_eq!(
        adapter.pairs().count(),
        decoder.config().num_hidden_layers * decoder.config().targets().len()
    );
}

#[test]
fn a_gguf_file_by_llama_cpps_converter_gives_the_logits_of_its_folder() {
    for case in &CASES {
        let Some(changes) = case.gguf else {
            continue;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config.json");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(case.path(file), folder.path().join(file)).expect("writable");
        }
        let mut config = std::fs::read_to_string(&path).expect("readable");
        for (from, to) in changes {
            assert!(config.contains(from), "{}: {from}", case.name);
            config = config.replace(from, to);
        }
        std::fs::write(&path, config).expect("writable");
        let expected = case.expected();
        let length = expected.shape("input_ids")[1];
        let tokens = &expected.ids("input_ids")[..length];
        let logits = |weights: &Weights| {
            let decoder = Decoder::load(weights, &Device::flex(), |_, _| ()).expect("weights");
            decoder.logits(tokens, 1, None)
        };
        let of_folder = logits(&case.weights(folder.path().to_owned()));
        let file = case.weights(case.path("model.gguf"));
        let found = logits(&file);
        let worst = max_difference(&found, &of_folder);
        tell(case.name, "GGUF against the folder", worst);
        // The file contains constants in single precision.
        assert!(worst < 1e-4, "{}: {worst}", case.name);
        let worst = max_difference(&found, &expected.rows("llama_cpp_logits"));
        tell(case.name, "GGUF against llama.cpp", worst);
        assert!(worst < case.of_llama_cpp, "{}: {worst}", case.name);
    }
}

/// PEFT finds a module by its name in the base model, so the names of the tensors must be those that PEFT wrote.
#[test]
fn a_saved_adapter_has_the_tensors_and_modules_of_pefts_file() {
    for case in &CASES {
        let (_, decoder) = case.decoder();
        let adapter = adapter(case, &decoder, &Device::flex());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = LoraSettings::plain(2, 4.0);
        let origin = AdapterOrigin {
            base_model_name_or_path: case.name.to_owned(),
            revision: None,
        };
        adapter
            .save(folder.path(), &settings, &origin)
            .expect("writable");
        let read = |path: PathBuf| std::fs::read(path).expect("readable");
        let tensors = |folder: PathBuf| {
            let bytes = read(folder.join("adapter_model.safetensors"));
            let file = SafeTensors::deserialize(&bytes).expect("safetensors");
            let shape = |(name, view): (String, TensorView<'_>)| (name, view.shape().to_vec());
            file.tensors()
                .into_iter()
                .map(shape)
                .collect::<BTreeMap<_, _>>()
        };
        let theirs = case.path("adapter");
        assert_eq!(tensors(folder.path().to_owned()), tensors(theirs.clone()));
        let modules = |folder: PathBuf| {
            let text = read(folder.join("adapter_config.json"));
            let config: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            let listed = config["target_modules"].as_array().expect("a list").clone();
            let names = listed
                .iter()
                .map(|name| name.as_str().expect("text").to_owned());
            names.collect::<BTreeSet<_>>()
        };
        assert_eq!(modules(folder.path().to_owned()), modules(theirs));
    }
}

/// A text's states depend neither on the texts packed beside it nor on the batch, windows included.
#[test]
fn packed_texts_have_the_states_of_separate_ones() {
    for case in &CASES {
        let (_, decoder) = case.decoder();
        let expected = case.expected();
        let tokens = &expected.ids("input_ids")[..20];
        let (first, second) = tokens.split_at(12);
        let packed = decoder.packed_hidden_states(tokens, &[vec![12, 8]], None);
        for (text, start) in [(first, 0), (second, 12)] {
            let alone = decoder.hidden_states(text, 1, None);
            let found = packed.clone().narrow(0, start, text.len());
            let worst = max_difference(&found, &alone);
            assert!(worst < 1e-5, "{}: {worst}", case.name);
        }
    }
}

#[test]
fn longrope_has_the_short_factors_within_the_original_context() {
    let case = case("phi3");
    let weights = Weights::open(&case.path("")).expect("model");
    assert_eq!(weights.config().context_length(), 12);
    let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
    let expected = case.expected();
    let shape = expected.shape("short_logits");
    let length = expected.shape("input_ids")[1];
    let ids = expected.ids("input_ids");
    let tokens: Vec<u32> = ids
        .chunks(length)
        .flat_map(|row| &row[..shape[1]])
        .copied()
        .collect();
    let found = decoder.logits(&tokens, 2, None);
    let worst = max_difference(&found, &expected.rows("short_logits"));
    assert!(worst < 1e-4, "{worst}");
    let mut weights = weights;
    let error = weights
        .set_context_length(65)
        .expect_err("beyond the maximum");
    assert!(
        error
            .to_string()
            .contains("at most max_position_embeddings, 64"),
        "{error}"
    );
}

#[test]
fn an_unknown_family_is_answered_with_its_nearest_kin() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.json");
    for (model_type, expected) in [
        (
            "qwen3_5",
            "its nearest supported kin is `qwen3`; supported architectures: llama, qwen2",
        ),
        ("mamba", "hint: supported architectures: llama, qwen2"),
    ] {
        std::fs::write(&path, format!("{{\"model_type\": \"{model_type}\"}}")).expect("writable");
        let error = Weights::open(folder.path())
            .expect_err("unknown")
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Changes to configurations, each of which removes one operation. `OLMo` 2 has none that can be removed so: without its
/// places of norms, the weights do not load.
const REMOVALS: [(&str, &str, &str); 23] = [
    // Norms of queries and keys.
    (
        "qwen3",
        "\"model_type\": \"qwen3\"",
        "\"model_type\": \"llama\"",
    ),
    ("smollm3", "    0,\n", "    1,\n"),
    (
        "granite",
        "\"embedding_multiplier\": 12.0",
        "\"embedding_multiplier\": 1.0",
    ),
    (
        "granite",
        "\"residual_multiplier\": 0.22",
        "\"residual_multiplier\": 1.0",
    ),
    (
        "granite",
        "\"attention_multiplier\": 0.05",
        "\"attention_multiplier\": 0.35",
    ),
    (
        "granite",
        "\"logits_scaling\": 3.0",
        "\"logits_scaling\": 1.0",
    ),
    (
        "granitemoehybrid",
        "\"position_embedding_type\": \"rope\"",
        "\"position_embedding_type\": null",
    ),
    (
        "granitemoehybrid",
        "\"residual_multiplier\": 0.22",
        "\"residual_multiplier\": 1.0",
    ),
    (
        "mistral",
        "\"sliding_window\": 8",
        "\"sliding_window\": null",
    ),
    (
        "phi3",
        "\"rope_type\": \"longrope\"",
        "\"rope_type\": \"default\"",
    ),
    (
        "phi3",
        "\"rope_theta\"",
        "\"attention_factor\": 1.0, \"rope_theta\"",
    ),
    (
        "starcoder2",
        "\"sliding_window\": 8",
        "\"sliding_window\": null",
    ),
    ("starcoder2", "\"gelu_pytorch_tanh\"", "\"silu\""),
    ("starcoder2", "\"use_bias\": true", "\"use_bias\": false"),
    (
        "gemma3_text",
        "\"sliding_window\": 8",
        "\"sliding_window\": 64",
    ),
    (
        "gemma3_text",
        "\"rope_theta\": 10000.0",
        "\"rope_theta\": 1000000.0",
    ),
    (
        "gemma3_text",
        "\"query_pre_attn_scalar\": 24",
        "\"query_pre_attn_scalar\": 16",
    ),
    ("gemma3_text", "\"gelu_pytorch_tanh\"", "\"silu\""),
    (
        "gemma3_text",
        "    \"full_attention\",\n",
        "    \"sliding_attention\",\n",
    ),
    (
        "qwen2-yarn",
        "\"rope_type\": \"yarn\"",
        "\"rope_type\": \"default\"",
    ),
    (
        "qwen2-yarn",
        "\"factor\": 4.0",
        "\"factor\": 4.0, \"attention_factor\": 1.0",
    ),
    (
        "llama-biases",
        "\"attention_bias\": true",
        "\"attention_bias\": false",
    ),
    ("llama-biases", "\"mlp_bias\": true", "\"mlp_bias\": false"),
];

/// A golden that does not need an operation would not notice its absence.
#[test]
fn every_golden_needs_the_operations_of_its_family() {
    for (name, from, to) in REMOVALS {
        let case = case(name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(case.path(file), folder.path().join(file)).expect("writable");
        }
        let path = folder.path().join("config.json");
        let config = std::fs::read_to_string(&path).expect("readable");
        assert!(config.contains(from), "{name}: {from}");
        std::fs::write(&path, config.replace(from, to)).expect("writable");
        let weights = case.weights(folder.path().to_owned());
        let decoder = Decoder::load(&weights, &Device::flex(), |_, _| ()).expect("weights");
        let expected = case.expected();
        let found = decoder.logits(&expected.ids("input_ids"), 2, None);
        let worst = difference(&expected, &found, "base_logits");
        tell(name, to, worst);
        assert!(worst > 1e-2, "{name} without {from}: {worst}");
    }
}
