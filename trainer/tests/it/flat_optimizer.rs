//! `AdamW` over concatenated parameters against one update for each parameter: values, saved states and launches.

use std::ops::Range;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};
use slm_config::Optim;
use slm_model::{Adapter, Decoder, LoraSettings, SavedModule, Weights};
use trainer::batch::{Batch, Example};
use trainer::difference::relative;
use trainer::step::{AdapterOptimizer, OptimizerSettings, StepAt};

use crate::support::golden;
use crate::tiny::{example, host, load};

fn settings() -> OptimizerSettings {
    OptimizerSettings {
        weight_decay: 0.05,
        loraplus_lr_ratio: 16.0,
        loss_chunk_size: 16,
        ..OptimizerSettings::plain(Optim::Adamw)
    }
}

/// Three examples in two micro-batches, others in each step.
fn window(step: usize) -> Vec<Batch> {
    let examples = [(3, 20), (50, 9), (90, 14)].map(|(first, n)| example(first + 31 * step, n));
    let examples: Vec<&Example> = examples.iter().collect();
    examples.chunks(2).map(Batch::new).collect()
}

/// Takes the steps of a range.
fn train(
    decoder: &Decoder,
    mut adapter: Adapter,
    optimizer: &mut AdapterOptimizer,
    steps: Range<usize>,
) -> Adapter {
    for step in steps {
        let at = StepAt {
            step,
            learning_rate: 1e-3 / (step + 1) as f64,
        };
        let stepped = optimizer.step(decoder, adapter, &window(step), at);
        (adapter, _) = stepped.expect("a step");
    }
    adapter
}

/// The values of all parameters, in order.
fn values(adapter: &Adapter) -> Vec<f32> {
    let mut visitor = Values::default();
    adapter.visit(&mut visitor);
    visitor.0
}

/// Collects the values of all parameters: pairs, magnitudes and modules trained in full.
#[derive(Default)]
struct Values(Vec<f32>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val();
        let n = value.dims().iter().product();
        self.0.extend(host(value.reshape([1, n])));
    }
}

/// A model whose embedding and head are trained in full, beside pairs with magnitudes (`DoRA`).
fn dora_with_whole_modules() -> (Decoder, Adapter) {
    let device = Device::flex();
    let weights = Weights::open(&golden("tiny-llama")).expect("golden checkpoint");
    let decoder = Decoder::load(&weights, &device, |_, _| ()).expect("golden weights");
    let settings = LoraSettings {
        use_dora: true,
        modules_to_save: vec![SavedModule::EmbedTokens, SavedModule::LmHead],
        ..LoraSettings::plain(4, 8.0)
    };
    let adapter = decoder.init_adapter(&settings, 3, &device.autodiff());
    (decoder, adapter)
}

fn bits(adapter: &Adapter) -> Vec<u32> {
    values(adapter).into_iter().map(f32::to_bits).collect()
}

#[test]
fn updates_have_the_bits_of_one_update_for_each_parameter() {
    for (decoder, start) in [load(&Device::flex()), dora_with_whole_modules()] {
        let mut apart = AdapterOptimizer::new(settings());
        let mut flat = AdapterOptimizer::flat(settings());
        let expected = train(&decoder, start.clone(), &mut apart, 0..4);
        let found = train(&decoder, start.clone(), &mut flat, 0..4);
        assert_eq!(values(&start).len(), start.num_trainable());
        assert_ne!(bits(&start), bits(&expected), "the steps move the adapter");
        assert_eq!(bits(&found), bits(&expected));
    }
}

/// Earlier versions saved the state of burn's own optimizer, with one update for each parameter.
#[test]
fn a_state_saved_by_an_earlier_version_is_resumed_with_the_same_bits() {
    const RATE: f64 = 1e-3;
    let settings = OptimizerSettings {
        loraplus_lr_ratio: 1.0,
        ..settings()
    };
    let adam = Optim::Adamw.adam_defaults();
    let set = |value: Option<f64>| value.expect("a default") as f32;
    let earlier = || {
        AdamWConfig::new()
            .with_beta_1(set(adam.beta1))
            .with_beta_2(set(adam.beta2))
            .with_epsilon(set(adam.epsilon))
            .with_weight_decay(settings.weight_decay as f32)
            .init()
    };
    for (decoder, start) in [load(&Device::flex()), dora_with_whole_modules()] {
        let gradients_of = AdapterOptimizer::new(settings);
        let mut optimizer = earlier();
        let (mut adapter, mut saved) = (start, None);
        for step in 0..4 {
            if step == 2 {
                let state = optimizer.into_bytes().expect("a state").to_vec();
                saved = Some((adapter.clone(), state));
            }
            let found = gradients_of.gradients(&decoder, &adapter, &window(step), step);
            let (_, gradients) = found.expect("supervised tokens");
            adapter = optimizer.step(RATE, adapter, gradients);
        }
        let (middle, state) = saved.expect("a state after two steps");
        for kind in [AdapterOptimizer::new, AdapterOptimizer::flat] {
            let resumed = kind(settings).resumed(state.clone());
            let mut resumed = resumed.expect("resumed");
            let mut found = middle.clone();
            for step in 2..4 {
                let at = StepAt {
                    step,
                    learning_rate: RATE,
                };
                let stepped = resumed.step(&decoder, found, &window(step), at);
                (found, _) = stepped.expect("a step");
            }
            assert_eq!(bits(&found), bits(&adapter));
        }
    }
}

#[test]
fn clipping_scales_by_the_same_norm_up_to_its_rounding() {
    let (decoder, start) = load(&Device::flex());
    let clipped = OptimizerSettings {
        max_grad_norm: Some(0.01),
        ..settings()
    };
    let step = |mut optimizer: AdapterOptimizer| {
        let at = StepAt {
            step: 0,
            learning_rate: 1e-3,
        };
        let stepped = optimizer.step(&decoder, start.clone(), &window(0), at);
        let (adapter, outcome) = stepped.expect("a step");
        (outcome.grad_norm, values(&adapter))
    };
    let (expected, expected_values) = step(AdapterOptimizer::new(clipped));
    let (found, found_values) = step(AdapterOptimizer::flat(clipped));
    assert!(expected > 0.01, "the gradients are clipped: {expected}");
    assert!((found / expected - 1.0).abs() < 1e-6, "{found}, {expected}");
    let difference = relative(&found_values, &expected_values);
    assert!(difference < 1e-6, "{difference:e}");
}

#[test]
fn a_state_saved_by_one_kind_is_resumed_by_the_other_with_the_same_bits() {
    let (decoder, start) = load(&Device::flex());
    let kinds: [fn(OptimizerSettings) -> AdapterOptimizer; 2] =
        [AdapterOptimizer::new, AdapterOptimizer::flat];
    let expected = train(&decoder, start.clone(), &mut kinds[0](settings()), 0..5);
    for first in kinds {
        for second in kinds {
            let mut optimizer = first(settings());
            let middle = train(&decoder, start.clone(), &mut optimizer, 0..2);
            let state = optimizer.state(&middle).expect("a state");
            // A checkpoint may be written before the next step.
            let resumed = second(settings()).resumed(state).expect("resumed");
            let state = resumed.state(&middle).expect("the same state");
            let mut resumed = first(settings()).resumed(state).expect("resumed again");
            let end = train(&decoder, middle, &mut resumed, 2..5);
            assert_eq!(bits(&end), bits(&expected));
        }
    }
}

#[test]
fn a_state_without_a_step_is_saved_and_resumed() {
    let (decoder, start) = load(&Device::flex());
    let state = AdapterOptimizer::flat(settings()).state(&start);
    let resumed = AdapterOptimizer::flat(settings()).resumed(state.expect("a state"));
    let found = train(
        &decoder,
        start.clone(),
        &mut resumed.expect("resumed"),
        0..1,
    );
    let mut fresh = AdapterOptimizer::new(settings());
    assert_eq!(
        bits(&found),
        bits(&train(&decoder, start, &mut fresh, 0..1))
    );
}

#[test]
fn damaged_bytes_are_an_error_for_both_kinds() {
    for optimizer in [
        AdapterOptimizer::new(settings()),
        AdapterOptimizer::flat(settings()),
    ] {
        let error = optimizer.resumed(b"no state".to_vec()).err();
        let error = error.expect("an error").to_string();
        assert!(
            error.contains("cannot read the optimizer's state"),
            "{error}"
        );
    }
}

#[test]
fn other_optimizers_update_each_parameter_on_every_device() {
    let (decoder, start) = load(&Device::flex());
    for optim in [Optim::Adafactor, Optim::Lion, Optim::Muon] {
        let settings = OptimizerSettings::plain(optim);
        let end = |mut optimizer: AdapterOptimizer| {
            bits(&train(&decoder, start.clone(), &mut optimizer, 0..2))
        };
        let expected = end(AdapterOptimizer::new(settings));
        assert_eq!(end(AdapterOptimizer::flat(settings)), expected, "{optim:?}");
    }
}

#[cfg(feature = "cube-cpu")]
mod on_cubecls_cpu_runtime {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{ThreadId, current};

    use slm_model::cubecl::logging::{LaunchObservation, LaunchObserver};

    use super::*;

    /// Counts the launches of one thread: other tests run at the same time.
    struct Launches {
        thread: ThreadId,
        count: AtomicUsize,
    }

    impl LaunchObserver for Launches {
        fn launched(&self, _kernel: &'static str) {
            if current().id() == self.thread {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts the launches of `work`.
    fn launches<T>(work: impl FnOnce() -> T) -> (usize, T) {
        let counted = Arc::new(Launches {
            thread: current().id(),
            count: AtomicUsize::new(0),
        });
        let observation = LaunchObservation::new(counted.clone());
        let found = work();
        drop(observation);
        (counted.count.load(Ordering::Relaxed), found)
    }

    fn resumed(decoder: &Decoder, state: Vec<u8>) -> AdapterOptimizer {
        let optimizer = AdapterOptimizer::on_device_of(decoder, settings());
        optimizer.resumed(state).expect("resumed")
    }

    #[test]
    fn a_run_saved_on_one_device_is_resumed_on_the_other() {
        let (cpu, start) = load(&Device::flex());
        let (cube, _) = load(&Device::cpu());
        let mut optimizer = AdapterOptimizer::on_device_of(&cpu, settings());
        let expected = train(&cpu, start.clone(), &mut optimizer, 0..6);
        // Two steps on the CPU, two on the other device, and two on the CPU again.
        let mut optimizer = AdapterOptimizer::on_device_of(&cpu, settings());
        let adapter = train(&cpu, start, &mut optimizer, 0..2);
        let state = optimizer.state(&adapter).expect("a state");
        let adapter = adapter.fork(&Device::cpu().autodiff());
        let mut optimizer = resumed(&cube, state);
        let adapter = train(&cube, adapter, &mut optimizer, 2..4);
        let state = optimizer.state(&adapter).expect("a state");
        let adapter = adapter.fork(&Device::flex().autodiff());
        let found = train(&cpu, adapter, &mut resumed(&cpu, state), 4..6);
        let difference = relative(&values(&found), &values(&expected));
        assert!(difference < 1e-4, "{difference:e}");
    }

    #[expect(clippy::print_stderr, reason = "the numbers, with --nocapture")]
    #[test]
    fn an_update_takes_few_launches_for_any_number_of_matrices() {
        let (decoder, start) = load(&Device::cpu());
        let matrices = start.parameter_ids().count();
        let clipped = OptimizerSettings {
            max_grad_norm: Some(1.0),
            ..settings()
        };
        let window = window(1);
        let at = StepAt {
            step: 1,
            learning_rate: 1e-3,
        };
        let of_step = |mut optimizer: AdapterOptimizer| {
            // The first step has other operations than those after it.
            let adapter = train(&decoder, start.clone(), &mut optimizer, 0..1);
            let (count, _) = launches(|| optimizer.step(&decoder, adapter, &window, at));
            count
        };
        let (before, apart) = {
            let apart = AdapterOptimizer::new(clipped);
            let (count, _) = launches(|| apart.gradients(&decoder, &start, &window, 1));
            // The gradients of two micro-batches are summed for each matrix.
            (count - matrices, apart)
        };
        let per_matrix = of_step(apart) - before;
        let flat = of_step(AdapterOptimizer::flat(clipped)) - before;
        eprintln!(
            "{matrices} matrices, 2 micro-batches: {per_matrix} launches one by one, {flat} together"
        );
        assert!(per_matrix > 15 * matrices, "{per_matrix}");
        // Each sixteen matrices take a launch to be concatenated; the rest does not depend on their number.
        assert!(flat < 60 + matrices / 2, "{flat}");
    }
}
