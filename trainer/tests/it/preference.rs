//! Preference objectives against TRL: losses, figures and every gradient of the goldens in `golden/preference`.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use safetensors::SafeTensors;
use slm_config::Optim;
use slm_model::loss::IGNORE_LABEL;
use slm_model::{Adapter, Decoder, Weights};
use trainer::batch::{Batch, Example};
use trainer::difference::relative;
use trainer::preference::{Objective, PreferenceBatch, PreferenceSums};
use trainer::step::{AdapterOptimizer, OptimizerSettings};

/// Largest difference, relative to the largest value of a tensor.
const CLOSE: f64 = 1e-5;

const DPO: Objective = Objective::Dpo {
    beta: 0.1,
    sft_weight: 0.0,
};
const DPO_SFT: Objective = Objective::Dpo {
    beta: 0.1,
    sft_weight: 0.2,
};
const ORPO: Objective = Objective::Orpo { beta: 0.1 };
const SIMPO: Objective = Objective::Simpo {
    beta: 2.0,
    gamma: 0.5,
};
const KTO: Objective = Objective::Kto {
    beta: 0.1,
    desirable_weight: 1.0,
    undesirable_weight: 1.5,
};

struct Golden(Vec<u8>);

impl Golden {
    fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/preference");
        Self(std::fs::read(folder.join(format!("{name}.safetensors"))).expect("golden file"))
    }

    fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("golden safetensors")
    }

    fn words(&self, name: &str) -> Vec<[u8; 8]> {
        let file = self.file();
        let data = file.tensor(name).expect("golden tensor").data();
        let words = data.chunks_exact(8);
        words
            .map(|word| word.try_into().expect("8 bytes"))
            .collect()
    }

    fn integers(&self, name: &str) -> Vec<i64> {
        self.words(name)
            .into_iter()
            .map(i64::from_le_bytes)
            .collect()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.words(name)
            .into_iter()
            .map(f64::from_le_bytes)
            .collect()
    }

    fn gradient(&self, name: &str) -> Vec<f32> {
        let file = self.file();
        let data = file.tensor(name).expect("golden gradient").data();
        let words = data.chunks_exact(4);
        words
            .map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes")))
            .collect()
    }

    /// The sequences, without padding.
    fn examples(&self, prefix: &str) -> Vec<Example> {
        let shape = |name: &str| {
            let file = self.file();
            file.tensor(name).expect("golden tensor").shape()[1]
        };
        let name = |part: &str| format!("{prefix}{part}");
        let width = shape(&name("input_ids"));
        let ids = self.integers(&name("input_ids"));
        let kept = self.integers(&name("attention_mask"));
        let learned = self.integers(&name("completion_mask"));
        let rows = ids
            .chunks(width)
            .zip(kept.chunks(width))
            .zip(learned.chunks(width));
        rows.map(|((ids, kept), learned)| {
            let n = kept.iter().sum::<i64>() as usize;
            let tokens = ids[..n].iter().map(|&id| id as u32).collect();
            Example::new(tokens, learned[..n].iter().map(|&mark| mark == 1).collect())
        })
        .collect()
    }

    fn reference(&self, objective: Objective) -> Vec<f64> {
        if objective.has_reference() {
            self.numbers("reference_log_p")
        } else {
            Vec::new()
        }
    }

    /// The batch, in micro-batches of `size` pairs.
    fn pairs(&self, objective: Objective, size: usize) -> Vec<PreferenceBatch> {
        let examples = self.examples("");
        let n = examples.len() / 2;
        let reference = self.reference(objective);
        let part = |pairs: std::ops::Range<usize>| {
            let both = |at: usize| (&examples[at], &examples[at + n]);
            let sides = pairs.clone().chain(pairs.start + n..pairs.end + n);
            let reference = if reference.is_empty() {
                Vec::new()
            } else {
                sides.map(|at| reference[at]).collect()
            };
            PreferenceBatch::of_pairs(&pairs.map(both).collect::<Vec<_>>(), reference)
        };
        (0..n)
            .step_by(size)
            .map(|start| part(start..(start + size).min(n)))
            .collect()
    }

    /// The batch of labelled answers.
    fn answers(&self, objective: Objective) -> Vec<PreferenceBatch> {
        let examples = self.examples("");
        let labels = self.integers("label").into_iter().map(|label| label == 1);
        let batch = PreferenceBatch::of_answers(
            &examples.iter().collect::<Vec<_>>(),
            labels.collect(),
            self.reference(objective),
            usize::MAX,
        );
        // The mismatched sequences are those of the golden.
        let expected = self.examples("KL_");
        let expected = Batch::new(&expected.iter().collect::<Vec<_>>());
        assert_eq!(batch.mismatched.as_ref(), Some(&expected));
        vec![batch]
    }
}

fn golden_of_model(path: &str) -> PathBuf {
    let folder = "../crates/slm-model/tests/it/golden";
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(path)
}

fn load() -> (Decoder, Adapter) {
    let device = Device::flex();
    let weights = Weights::open(&golden_of_model("tiny-qwen2")).expect("golden checkpoint");
    let decoder = Decoder::load(&weights, &device, |_, _| ()).expect("golden weights");
    let folder = golden_of_model("peft-qwen2/all-linear");
    let trainable = device.autodiff();
    let adapter = Adapter::load(&folder, decoder.config(), "tiny-qwen2", &trainable);
    (decoder, adapter.expect("golden adapter").adapter)
}

fn optimizer(objective: Objective) -> AdapterOptimizer {
    AdapterOptimizer::new(OptimizerSettings {
        objective,
        loss_chunk_size: 7,
        ..OptimizerSettings::plain(Optim::Adamw)
    })
}

/// Loss, figures, and the gradients by PEFT's names.
type Found = (f64, PreferenceSums, Vec<(String, Vec<f32>)>);

fn gradients(objective: Objective, window: &[PreferenceBatch]) -> Found {
    let (decoder, adapter) = load();
    let (loss, sums, mut gradients) = optimizer(objective)
        .preference_gradients(&decoder, &adapter, window, 0)
        .expect("gradients");
    let mut named = Vec::new();
    for (layer, target, pair) in adapter.pairs() {
        for (name, id) in [("lora_A", pair.lora_a_id()), ("lora_B", pair.lora_b_id())] {
            let path = target.module_path(layer);
            let key = format!("base_model.model.model.{path}.{name}.weight.grad");
            let gradient: Tensor<2> = gradients.remove(id).expect("a gradient");
            named.push((key, gradient.into_data().try_into_vec().expect("f32")));
        }
    }
    (loss, sums, named)
}

fn assert_equal(found: f64, expected: f64, what: &str) {
    let difference = (found - expected).abs() / expected.abs().max(0.1);
    assert!(difference < CLOSE, "{what}: {found} for {expected}");
}

fn check(name: &str, objective: Objective) {
    let golden = Golden::read(name);
    let window = if objective == KTO {
        golden.answers(objective)
    } else {
        golden.pairs(objective, usize::MAX)
    };
    let (loss, sums, named) = gradients(objective, &window);
    assert_equal(loss, golden.numbers("loss")[0], "loss");
    let figures = sums.figures().expect("figures");
    let (chosen, rejected) = (sums.chosen, sums.rejected);
    let n = |count: usize| count as f64;
    assert_equal(
        chosen.reward / n(chosen.count),
        golden.numbers("rewards/chosen")[0],
        "chosen",
    );
    assert_equal(
        rejected.reward / n(rejected.count),
        golden.numbers("rewards/rejected")[0],
        "rejected",
    );
    assert_equal(
        figures.reward_margin.expect("both sides"),
        golden.numbers("rewards/margins")[0],
        "margin",
    );
    if objective != KTO {
        assert_equal(
            figures.accuracy,
            golden.numbers("rewards/accuracies")[0],
            "accuracy",
        );
    }
    let expected: f64 = golden.numbers("log_p").iter().sum();
    assert_equal(chosen.log_p + rejected.log_p, expected, "log-probabilities");
    let mut worst = 0.0_f64;
    for (key, gradient) in &named {
        let difference = relative(gradient, &golden.gradient(key));
        assert!(difference < CLOSE, "{key}: {difference:e}");
        worst = worst.max(difference);
    }
    let file = golden.file();
    let names = file.names().into_iter();
    assert_eq!(
        named.len(),
        names.filter(|name| name.contains(".weight.grad")).count()
    );
    assert!(worst > 0.0, "nothing was compared");
}

#[test]
fn dpo_and_every_gradient_equal_trls() {
    check("dpo", DPO);
}

#[test]
fn dpo_with_the_loss_of_sft_equals_trls() {
    check("dpo-sft", DPO_SFT);
}

#[test]
fn orpo_equals_trls() {
    check("orpo", ORPO);
}

#[test]
fn simpo_equals_trls() {
    check("simpo", SIMPO);
}

#[test]
fn kto_equals_trls_with_its_reference_point() {
    check("kto", KTO);
}

#[test]
fn micro_batches_equal_one_batch() {
    for (name, objective) in [
        ("dpo", DPO),
        ("dpo-sft", DPO_SFT),
        ("orpo", ORPO),
        ("simpo", SIMPO),
    ] {
        let golden = Golden::read(name);
        let (loss, sums, named) = gradients(objective, &golden.pairs(objective, usize::MAX));
        for size in [1, 2] {
            let (other_loss, other, others) = gradients(objective, &golden.pairs(objective, size));
            assert!(
                (loss - other_loss).abs() < 1e-6,
                "{name}: {loss} for {other_loss}"
            );
            assert_eq!((sums.units, sums.right), (other.units, other.right));
            for ((key, gradient), (_, other)) in named.iter().zip(&others) {
                let difference = relative(other, gradient);
                assert!(difference < 1e-5, "{name}, {key}: {difference:e}");
            }
        }
    }
}

#[test]
fn orpo_without_odds_is_the_loss_of_the_chosen_answers() {
    let golden = Golden::read("orpo");
    let objective = Objective::Orpo { beta: 0.0 };
    let (loss, _, named) = gradients(objective, &golden.pairs(objective, 2));
    let (decoder, adapter) = load();
    let examples = golden.examples("");
    let chosen: Vec<&Example> = examples.iter().take(examples.len() / 2).collect();
    let batch = Batch::new(&chosen);
    assert!(batch.labels.contains(&IGNORE_LABEL));
    let (expected, mut gradients) = optimizer(Objective::Sft)
        .gradients(&decoder, &adapter, &[batch], 0)
        .expect("gradients");
    assert!((loss - f64::from(expected.into_scalar::<f32>())).abs() < 1e-5);
    let mut ids = adapter
        .pairs()
        .flat_map(|(_, _, pair)| [pair.lora_a_id(), pair.lora_b_id()]);
    for (key, gradient) in &named {
        let id = ids.next().expect("a parameter");
        let expected: Tensor<2> = gradients.remove(id).expect("a gradient");
        let expected: Vec<f32> = expected.into_data().try_into_vec().expect("f32");
        let difference = relative(gradient, &expected);
        assert!(difference < 1e-5, "{key}: {difference:e}");
    }
}
