//! Padding and filler sequences, which devices with static shapes need, change neither losses, gradients nor counts.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use slm_config::Optim;
use slm_model::Adapter;
use trainer::batch::{Batch, Example, StaticShapes, pack};
use trainer::difference::relative;
use trainer::preference::{Objective, PreferenceBatch};
use trainer::step::{AdapterOptimizer, OptimizerSettings};

use crate::tiny::{example, host, load};

fn optimizer(objective: Objective) -> AdapterOptimizer {
    AdapterOptimizer::new(OptimizerSettings {
        objective,
        loss_chunk_size: 16,
        ..OptimizerSettings::plain(Optim::Adamw)
    })
}

fn examples() -> [Example; 5] {
    [(3, 20), (50, 9), (90, 14), (7, 5), (21, 30)].map(|(first, n)| example(first, n))
}

fn shapes(sequences: usize, packing: bool) -> StaticShapes {
    StaticShapes {
        sequences,
        limit: 64,
        packing,
    }
}

/// The gradients of all parameters, in order.
fn values(adapter: &Adapter, mut gradients: GradientsParams) -> Vec<f32> {
    let ids = adapter.parameter_ids();
    ids.flat_map(|id| host(gradients.remove(id).expect("a gradient")))
        .collect()
}

/// Compares loss, gradients and counts of micro-batches with those of the same in static shapes.
fn check(device: &Device, micro_batches: &[Batch], shapes: StaticShapes) {
    let (decoder, adapter) = load(device);
    let optimizer = optimizer(Objective::Sft);
    let find = |window: &[Batch]| {
        let found = optimizer.gradients(&decoder, &adapter, window, 0);
        let (loss, gradients) = found.expect("supervised tokens");
        (loss.into_scalar::<f32>(), values(&adapter, gradients))
    };
    let filled = micro_batches.iter().cloned();
    let filled: Vec<Batch> = filled.map(|batch| batch.in_shape(Some(shapes))).collect();
    for (batch, filled) in micro_batches.iter().zip(&filled) {
        assert!(filled.tokens.len() > batch.tokens.len(), "padded or filled");
        assert_eq!(filled.n_tokens, batch.n_tokens);
        assert_eq!(filled.n_supervised(), batch.n_supervised());
        assert_eq!(filled.n_sequences(), batch.n_sequences());
    }
    let ((expected_loss, expected), (loss, found)) = (find(micro_batches), find(&filled));
    let of_loss = relative(&[loss], &[expected_loss]);
    assert!(of_loss < 1e-6, "loss: {loss} for {expected_loss}");
    let difference = relative(&found, &expected);
    assert!(difference < 1e-5, "gradients: {difference:e}");
}

fn check_examples(device: &Device) {
    let examples = examples();
    let plain: Vec<&Example> = examples.iter().collect();
    // Five examples in micro-batches of three: the last one is short.
    let unpacked: Vec<Batch> = plain.chunks(3).map(Batch::new).collect();
    check(device, &unpacked, shapes(3, false));
    let sequences = pack(&examples, 36);
    assert_eq!(sequences.len(), 3, "two packed ones and a rest");
    let packed: Vec<Batch> = sequences.chunks(2).map(Batch::packed).collect();
    check(device, &packed, shapes(4, true));
}

/// Compares loss, figures and gradients of a micro-batch of preferences with those of the same in static shapes.
fn check_preferences(device: &Device, objective: Objective, batch: &PreferenceBatch) {
    let (decoder, adapter) = load(device);
    let find = |batch: PreferenceBatch| {
        let found = optimizer(objective).preference_gradients(&decoder, &adapter, &[batch], 0);
        let (loss, sums, gradients) = found.expect("gradients");
        (loss, sums, values(&adapter, gradients))
    };
    let filled = batch.clone().in_shape(Some(shapes(4, false)));
    assert!(filled.batch.tokens.len() > batch.batch.tokens.len());
    assert_eq!(
        (filled.units(), filled.totals()),
        (batch.units(), batch.totals())
    );
    let (expected_loss, expected_sums, expected) = find(batch.clone());
    let (loss, sums, found) = find(filled);
    assert!((loss - expected_loss).abs() < 1e-6, "{objective:?}: {loss}");
    assert_eq!(
        (sums.units, sums.right),
        (expected_sums.units, expected_sums.right)
    );
    let difference = relative(&found, &expected);
    assert!(difference < 1e-5, "{objective:?}: {difference:e}");
}

fn check_all_objectives(device: &Device) {
    let examples = examples();
    let pairs = [
        (&examples[0], &examples[1]),
        (&examples[2], &examples[3]),
        (&examples[4], &examples[0]),
    ];
    let reference = vec![-60.0, -50.0, -110.0, -40.0, -20.0, -65.0];
    let dpo = Objective::Dpo {
        beta: 0.1,
        sft_weight: 0.2,
    };
    let orpo = Objective::Orpo { beta: 0.1 };
    let simpo = Objective::Simpo {
        beta: 2.0,
        gamma: 0.5,
    };
    for (objective, reference) in [
        (dpo, reference.clone()),
        (orpo, Vec::new()),
        (simpo, Vec::new()),
    ] {
        let batch = PreferenceBatch::of_pairs(&pairs, reference);
        check_preferences(device, objective, &batch);
    }
    let kto = Objective::Kto {
        beta: 0.1,
        desirable_weight: 1.0,
        undesirable_weight: 1.5,
    };
    let three: Vec<&Example> = examples.iter().take(3).collect();
    let labels = vec![true, false, true];
    let batch = PreferenceBatch::of_answers(&three, labels, reference[..3].to_vec(), 64);
    assert!(batch.mismatched.is_some());
    check_preferences(device, kto, &batch);
}

#[test]
fn losses_and_gradients_are_those_without_padding() {
    check_examples(&Device::flex());
}

#[test]
fn preference_objectives_are_those_without_padding() {
    check_all_objectives(&Device::flex());
}

#[cfg(feature = "cube-cpu")]
#[test]
fn losses_and_gradients_are_those_without_padding_on_cubecls_cpu_runtime() {
    check_examples(&Device::cpu());
}

#[cfg(feature = "cube-cpu")]
#[test]
fn preference_objectives_are_those_without_padding_on_cubecls_cpu_runtime() {
    check_all_objectives(&Device::cpu());
}
