//! Training against PEFT: losses, gradients and updates of the goldens under crates/slm-model/tests/it/golden/.

use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use serde_json::Value;
use slm_config::{LrSchedulerType, Optim};
use slm_model::loss::IGNORE_LABEL;
use slm_model::{Adapter, Decoder, SavedModule, Weights};
use trainer::batch::{Batch, Example, pack};
use trainer::difference::relative;
use trainer::schedule::Schedule;
use trainer::step::{AdapterOptimizer, OptimizerSettings, StepAt, StepError};

fn golden(path: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../crates/slm-model/tests/it/golden"
    ))
    .join(path)
}

struct Tensors(Vec<u8>);

impl Tensors {
    fn read(path: &str) -> Self {
        Self(std::fs::read(golden(path)).expect("golden file"))
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("golden safetensors")
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        let file = self.file();
        let data = file.tensor(name).expect("golden tensor").data();
        data.chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().expect("eight bytes")))
            .collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let file = self.file();
        let data = file.tensor(name).expect("golden tensor").data();
        data.chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    fn shape(&self, name: &str) -> [usize; 2] {
        let file = self.file();
        let shape = file.tensor(name).expect("golden tensor").shape().to_vec();
        shape.try_into().unwrap_or_default()
    }

    fn names(&self) -> Vec<String> {
        self.file().names().into_iter().map(str::to_owned).collect()
    }

    /// Builds a batch from transformers' layout, whose labels are not shifted yet.
    fn batch(&self, prefix: &str) -> Batch {
        let name = |part: &str| format!("{prefix}{part}");
        let lengths = self.integers(&name("lengths"));
        let ids = self.integers(&name("input_ids"));
        let width = ids.len() / lengths.len();
        let labels = self.integers(&name("labels"));
        let shifted = labels
            .chunks_exact(width)
            .flat_map(|row| row[1..].iter().copied().chain([IGNORE_LABEL]));
        Batch {
            tokens: ids
                .iter()
                .map(|&id| u32::try_from(id).expect("token id"))
                .collect(),
            labels: shifted.collect(),
            texts: vec![vec![width]; lengths.len()],
            n_tokens: lengths.iter().sum::<i64>() as usize,
        }
    }
}

fn load(model: &str, adapter: &str) -> (Decoder, Adapter) {
    let device = Device::flex();
    let weights = Weights::open(&golden(model)).expect("golden checkpoint");
    let decoder = Decoder::load(&weights, &device, |_, _| ()).expect("golden weights");
    let adapter = Adapter::load(
        &golden(adapter),
        decoder.config(),
        model,
        &device.autodiff(),
    )
    .expect("golden adapter");
    (decoder, adapter.adapter)
}

fn settings(max_grad_norm: Option<f64>, weight_decay: f64) -> OptimizerSettings {
    OptimizerSettings {
        weight_decay,
        max_grad_norm,
        loss_chunk_size: 7,
        ..OptimizerSettings::plain(Optim::Adamw)
    }
}

fn at(step: usize, learning_rate: f64) -> StepAt {
    StepAt {
        step,
        learning_rate,
    }
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32")
}

fn check_gradients(architecture: &str, folder: &str) {
    let (decoder, adapter) = load(&format!("tiny-{architecture}"), folder);
    let expected = Tensors::read(&format!("{folder}/expected.safetensors"));
    let batch = expected.batch("");
    assert_eq!(
        batch.n_supervised() as i64,
        expected.integers("n_supervised")[0]
    );
    let optimizer = AdapterOptimizer::new(settings(None, 0.0));
    let (loss, mut gradients) = optimizer
        .gradients(&decoder, &adapter, &[batch], 0)
        .expect("supervised tokens");
    assert!(relative(&[loss.into_scalar::<f32>()], &expected.floats("loss")) < 1e-4);
    let mut checked = 0;
    for (layer, target, pair) in adapter.pairs() {
        let ids = [
            ("lora_A.weight", Some(pair.lora_a_id())),
            ("lora_B.weight", Some(pair.lora_b_id())),
            ("lora_B.bias", pair.lora_bias_id()),
            (
                "lora_magnitude_vector.weight",
                pair.lora_magnitude_vector_id(),
            ),
        ];
        for (name, id) in ids {
            let Some(id) = id else { continue };
            let key = format!(
                "base_model.model.model.{}.{name}.grad",
                target.module_path(layer)
            );
            let found = values(gradients.remove::<2>(id).expect("gradient"));
            let difference = relative(&found, &expected.floats(&key));
            assert!(difference < 1e-4, "{key}: {difference}");
            checked += 1;
        }
    }
    let names = expected.names();
    for module in SavedModule::ALL {
        let pair = adapter.vocabulary_pair(module).into_iter().flatten();
        let pair = ["A", "B"].into_iter().zip(pair.map(|(id, _)| id));
        let rows = adapter.token_rows(module).map(|(id, _)| ("rows", id));
        for (part, id) in pair.chain(rows) {
            let ends = match (module, part) {
                (_, "rows") => "token_adapter.trainable_tokens_delta.grad".to_owned(),
                (SavedModule::EmbedTokens, part) => format!("lora_embedding_{part}.grad"),
                (SavedModule::LmHead, part) => format!("lora_{part}.weight.grad"),
            };
            let ends = format!("{}.{ends}", module.name());
            let key = names.iter().find(|name| name.ends_with(&ends));
            let key = key.unwrap_or_else(|| panic!("no {ends} in {names:?}"));
            let found = values(gradients.remove::<2>(id).expect("gradient"));
            let difference = relative(&found, &expected.floats(key));
            assert!(difference < 1e-4, "{key}: {difference}");
            checked += 1;
        }
        let Some(id) = adapter.saved_module_id(module) else {
            continue;
        };
        let ends = format!("{}.modules_to_save.weight.grad", module.name());
        let key = names.iter().find(|name| name.ends_with(&ends));
        let key = key.expect("a golden gradient");
        let found = values(gradients.remove::<2>(id).expect("gradient"));
        let difference = relative(&found, &expected.floats(key));
        assert!(difference < 1e-4, "{key}: {difference}");
        checked += 1;
    }
    assert_eq!(
        checked,
        expected
            .names()
            .iter()
            .filter(|name| name.contains(".grad"))
            .count()
    );
}

#[test]
fn loss_and_every_gradient_equal_pefts() {
    check_gradients("qwen2", "peft-qwen2/all-linear");
    check_gradients("llama", "peft-llama/all-linear");
}

#[test]
fn gradients_of_dora_equal_pefts() {
    check_gradients("qwen2", "peft-variants/dora");
    check_gradients("llama", "peft-variants/dora-rslora-patterns");
}

#[test]
fn gradients_of_modules_trained_as_a_whole_equal_pefts() {
    check_gradients("llama", "peft-variants/modules-to-save");
}

#[test]
fn gradients_of_chosen_layers_equal_pefts() {
    check_gradients("llama", "peft-variants/regex");
    check_gradients("qwen2", "peft-variants/names");
}

fn check_training(architecture: &str, start: &str) {
    let folder = format!("training-{architecture}/{start}");
    let ends = [format!("{folder}/before"), format!("{folder}/after")];
    check_steps(architecture, &ends, &folder);
}

/// Compares ten steps from one adapter to another with the log in `folder`.
fn check_steps(architecture: &str, [before, after]: &[String; 2], folder: &str) {
    let text = std::fs::read_to_string(golden(&format!("{folder}/expected.json"))).expect("golden");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let number = |value: &Value| value.as_f64().expect("number");
    let setting = |name: &str| number(&expected["settings"][name]);
    let batches = Tensors::read(&format!(
        "training-{architecture}/micro_batches.safetensors"
    ));
    let (decoder, mut adapter) = load(&format!("tiny-{architecture}"), before);
    let steps = expected["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 10);
    let schedule = Schedule {
        kind: LrSchedulerType::Cosine,
        peak: setting("learning_rate"),
        warmup_steps: setting("warmup_steps") as usize,
        total_steps: steps.len(),
    };
    let ratio = &expected["settings"]["loraplus_lr_ratio"];
    let mut optimizer = AdapterOptimizer::new(OptimizerSettings {
        loraplus_lr_ratio: ratio.as_f64().unwrap_or(1.0),
        ..settings(Some(setting("max_grad_norm")), setting("weight_decay"))
    });
    let mut clipped = 0;
    for (index, step) in steps.iter().enumerate() {
        let learning_rate = schedule.learning_rate(index);
        assert!((learning_rate - number(&step["learning_rate"])).abs() < 1e-12);
        let window: Vec<Batch> = step["micro_batches"]
            .as_array()
            .expect("micro-batches")
            .iter()
            .map(|n| batches.batch(&format!("{n}.")))
            .collect();
        let outcome;
        (adapter, outcome) = optimizer
            .step(&decoder, adapter, &window, at(index, learning_rate))
            .expect("step");
        let (loss, norm) = (number(&step["loss"]), number(&step["grad_norm"]));
        assert!(
            (outcome.loss - loss).abs() < 1e-3,
            "step {index}: loss {} for {loss}",
            outcome.loss
        );
        assert!(
            (outcome.grad_norm - norm).abs() / norm < 1e-3,
            "step {index}: norm {} for {norm}",
            outcome.grad_norm
        );
        clipped += usize::from(norm > setting("max_grad_norm"));
    }
    assert!(clipped > 0, "clipping is part of what is compared");
    let after = Tensors::read(&format!("{after}/adapter_model.safetensors"));
    let mut compared = 0;
    for (layer, target, pair) in adapter.pairs() {
        let parts = [
            ("lora_A.weight", Some(pair.lora_a())),
            ("lora_B.weight", Some(pair.lora_b())),
            ("lora_B.bias", pair.lora_bias()),
            ("lora_magnitude_vector", pair.lora_magnitude_vector()),
        ];
        for (name, tensor) in parts {
            let Some(tensor) = tensor else { continue };
            compared += 1;
            let module = target.module_path(layer);
            let key = format!("base_model.model.model.{module}.{name}");
            let difference = relative(&values(tensor.inner()), &after.floats(&key));
            assert!(difference < 1e-3, "{key}: {difference}");
        }
    }
    let names = after.names();
    for module in SavedModule::ALL {
        let pair = adapter.vocabulary_pair(module).into_iter().flatten();
        let rows = adapter.token_rows(module).into_iter();
        for (_, tensor) in pair.chain(rows) {
            let key = names.iter().find(|name| {
                let is_same_shape = after.shape(name) == tensor.dims();
                name.contains(module.name()) && is_same_shape
            });
            let key = key.expect("a tensor of this module and shape");
            let difference = relative(&values(tensor.inner()), &after.floats(key));
            assert!(difference < 1e-3, "{key}: {difference}");
            compared += 1;
        }
    }
    assert_eq!(compared, names.len());
}

#[test]
fn an_adapter_that_is_trained_further_follows_pefts_losses_norms_and_weights() {
    for (architecture, adapter) in [
        ("qwen2", "peft-variants/dora"),
        ("llama", "peft-later/layers"),
        ("qwen2", "peft-later/lora-bias"),
        ("qwen2", "peft-later/lm-head"),
        ("llama", "peft-later/embed-tokens-untied"),
        ("qwen2", "peft-later/tokens"),
    ] {
        let (_, name) = adapter.split_once('/').expect("a folder");
        let folder = format!("training-further/{name}");
        check_steps(architecture, &[adapter.to_owned(), folder.clone()], &folder);
    }
}

#[test]
fn gradients_beside_restricted_layers_and_biases_equal_pefts() {
    check_gradients("llama", "peft-later/layers");
    check_gradients("qwen2", "peft-later/one-layer");
    check_gradients("qwen2", "peft-later/exclude-names");
    check_gradients("llama", "peft-later/exclude-pattern");
    check_gradients("qwen2", "peft-later/lora-bias");
    check_gradients("llama", "peft-later/lora-bias-beside-none");
}

#[test]
fn gradients_of_the_head_and_the_embedding_equal_pefts() {
    check_gradients("qwen2", "peft-later/lm-head");
    check_gradients("llama", "peft-later/lm-head-untied");
    check_gradients("qwen2", "peft-later/embed-tokens");
    check_gradients("llama", "peft-later/embed-tokens-untied");
    check_gradients("qwen2", "peft-later/tokens");
    check_gradients("llama", "peft-later/tokens-untied");
    check_gradients("llama", "peft-later/tokens-of-both");
}

#[test]
fn trap_13_clipping_scales_all_gradients_by_one_factor() {
    let (decoder, adapter) = load("tiny-qwen2", "peft-qwen2/all-linear");
    let batch = [Tensors::read("peft-qwen2/all-linear/expected.safetensors").batch("")];
    let of = |max_grad_norm| {
        let optimizer = AdapterOptimizer::new(settings(max_grad_norm, 0.0));
        let found = optimizer.gradients(&decoder, &adapter, &batch, 0);
        let (gradients, norm) = optimizer.clip(found.expect("tokens").1, &adapter);
        (gradients, norm.into_scalar::<f32>())
    };
    let (mut whole, norm) = of(None);
    let limit = f64::from(norm) / 4.0;
    let (mut clipped, of_clipped) = of(Some(limit));
    assert!(
        (of_clipped - norm).abs() < 1e-6 * norm,
        "the norm before clipping"
    );
    let (mut squares, mut norms) = (0.0_f64, Vec::new());
    for id in adapter.parameter_ids() {
        let before = values(whole.remove::<2>(id).expect("gradient"));
        let after = values(clipped.remove::<2>(id).expect("gradient"));
        let quartered: Vec<f32> = before.iter().map(|value| value / 4.0).collect();
        assert!(relative(&after, &quartered) < 1e-4);
        squares += after.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        norms.push(before.iter().map(|v| v * v).sum::<f32>().sqrt());
    }
    assert!((squares.sqrt() - limit).abs() < 1e-4 * limit);
    // Clipped one by one, the smaller tensors would have been left unchanged.
    assert!(norms.iter().any(|&of_one| f64::from(of_one) < limit));
}

#[test]
fn ten_steps_follow_pefts_losses_norms_and_weights() {
    for architecture in ["qwen2", "llama"] {
        for start in ["zero-b", "random-b"] {
            check_training(architecture, start);
        }
    }
}

#[test]
fn a_window_of_micro_batches_gives_the_gradients_of_one_batch() {
    let (decoder, adapter) = load("tiny-qwen2", "peft-qwen2/all-linear");
    let whole = Tensors::read("peft-qwen2/all-linear/expected.safetensors").batch("");
    let width = whole.tokens.len() / whole.texts.len();
    let parts: Vec<Batch> = (0..whole.texts.len())
        .map(|i| Batch {
            tokens: whole.tokens[i * width..(i + 1) * width].to_vec(),
            labels: whole.labels[i * width..(i + 1) * width].to_vec(),
            texts: vec![vec![width]],
            n_tokens: width,
        })
        .collect();
    let optimizer = AdapterOptimizer::new(settings(None, 0.0));
    let (loss, mut together) = optimizer
        .gradients(&decoder, &adapter, &[whole], 0)
        .expect("batch");
    let (loss_of_parts, mut apart) = optimizer
        .gradients(&decoder, &adapter, &parts, 0)
        .expect("parts");
    assert!(
        relative(
            &[loss_of_parts.into_scalar::<f32>()],
            &[loss.into_scalar::<f32>()]
        ) < 1e-6
    );
    for id in adapter.parameter_ids() {
        let (a, b) = (
            together.remove::<2>(id).expect("gradient"),
            apart.remove::<2>(id).expect("gradient"),
        );
        assert!(relative(&values(b), &values(a)) < 1e-5);
    }
}

#[test]
fn ten_steps_with_lora_plus_follow_pefts() {
    check_training("qwen2", "loraplus");
}

/// The trap of packing: attention across examples, or continuous positions, change loss and gradients.
#[test]
fn packed_examples_have_the_loss_and_gradients_that_they_have_apart() {
    for architecture in ["qwen2", "llama"] {
        let folder = format!("peft-{architecture}/all-linear");
        let (decoder, adapter) = load(&format!("tiny-{architecture}"), &folder);
        let example = |first: u32, n: u32| {
            let tokens: Vec<u32> = (0..n).map(|i| (first + 7 * i) % 200).collect();
            Example::new(tokens, (0..n).map(|i| i % 3 > 0).collect())
        };
        let examples = [
            example(3, 20),
            example(50, 9),
            example(90, 14),
            example(7, 5),
        ];
        let packed = [Batch::packed(&pack(&examples, 32))];
        assert_eq!(
            packed[0].texts.iter().map(Vec::len).collect::<Vec<_>>(),
            [2, 2]
        );
        let apart: Vec<Batch> = examples
            .iter()
            .map(|example| Batch::new(&[example]))
            .collect();
        let optimizer = AdapterOptimizer::new(settings(None, 0.0));
        let find = |window: &[Batch]| {
            optimizer
                .gradients(&decoder, &adapter, window, 0)
                .expect("tokens")
        };
        let ((loss, mut together), (expected, mut singly)) = (find(&packed), find(&apart));
        let loss = relative(
            &[loss.into_scalar::<f32>()],
            &[expected.into_scalar::<f32>()],
        );
        assert!(loss < 1e-6, "{architecture}: loss {loss}");
        for id in adapter.parameter_ids() {
            let found = values(together.remove::<2>(id).expect("gradient"));
            let expected = values(singly.remove::<2>(id).expect("gradient"));
            let difference = relative(&found, &expected);
            assert!(difference < 1e-4, "{architecture}: {difference}");
        }
    }
}

/// Returns how far one step moves A and B, with a given optimizer and ratio of rates.
fn moved(optim: Optim, loraplus_lr_ratio: f64) -> (f32, f32) {
    let (decoder, adapter) = load("tiny-qwen2", "peft-qwen2/all-linear");
    let batch = Tensors::read("peft-qwen2/all-linear/expected.safetensors").batch("");
    let mut optimizer = AdapterOptimizer::new(OptimizerSettings {
        optim,
        loraplus_lr_ratio,
        ..settings(None, 0.0)
    });
    let before = adapter.clone();
    let (after, _) = optimizer
        .step(&decoder, adapter, &[batch], at(0, 1e-3))
        .expect("step");
    let mut far = (0.0f32, 0.0f32);
    for ((_, _, a), (_, _, b)) in before.pairs().zip(after.pairs()) {
        let largest = |x: Tensor<2>, y: Tensor<2>| (x - y).abs().max().into_scalar::<f32>();
        far.0 = far.0.max(largest(a.lora_a(), b.lora_a()));
        far.1 = far.1.max(largest(a.lora_b(), b.lora_b()));
    }
    far
}

#[test]
fn lora_plus_lets_b_learn_faster_by_its_ratio_and_a_as_before() {
    let (a, b) = moved(Optim::Adamw, 1.0);
    let (plus_a, plus_b) = moved(Optim::Adamw, 16.0);
    assert!((plus_a - a).abs() < 1e-7, "{plus_a} for {a}");
    assert!(
        (plus_b / b - 16.0).abs() < 0.01,
        "{plus_b} for 16 times {b}"
    );
}

/// The first step of each optimizer has the length that its paper implies: Adam and Lion move every value by the rate.
#[test]
fn the_first_step_of_each_optimizer_is_as_long_as_its_paper_says() {
    for optim in [Optim::Adamw, Optim::Lion] {
        let (a, b) = moved(optim, 1.0);
        assert!(
            (a - 1e-3).abs() < 1e-5 && (b - 1e-3).abs() < 1e-5,
            "{optim:?}: {a}, {b}"
        );
    }
    for optim in [Optim::Adafactor, Optim::Muon] {
        let (a, b) = moved(optim, 1.0);
        assert!(
            a > 1e-5 && b > 1e-5 && a < 2e-2 && b < 2e-2,
            "{optim:?}: {a}, {b}"
        );
    }
}

#[test]
fn a_step_that_diverges_is_an_error_that_names_the_number() {
    let (decoder, adapter) = load("tiny-qwen2", "peft-qwen2/all-linear");
    let batch = Tensors::read("peft-qwen2/all-linear/expected.safetensors").batch("");
    let mut optimizer = AdapterOptimizer::new(settings(Some(1.0), 0.0));
    let window = [batch];
    let (adapter, _) = optimizer
        .step(&decoder, adapter, &window, at(0, 1e30))
        .expect("the first step is finite");
    let error = optimizer
        .step(&decoder, adapter, &window, at(1, 1e-3))
        .expect_err("diverged");
    assert!(
        matches!(error, StepError::Diverged { what: "loss", .. }),
        "{error}"
    );
}
