//! `trainer plan`: parameters, steps, tokens, memory and time of a recipe before it is run.

mod estimate;
mod text;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use serde::Serialize;
use slm_cli::{BaseModel, Failure, UserMistake};
use slm_config::Recipe;
use slm_model::{Adapter, Decoder, NamedShape};

use crate::arguments::RecipeArguments;
use crate::batch::StaticShapes;
use crate::budget::{Budget, Longest, Placement};
use crate::cards::Card;
use crate::dataset::{self, Examples};
use crate::flops::flops_per_token;
use crate::init_from::{ShownSource, SourceAdapter};
use crate::loading::load_for_training;
use crate::lora_settings::lora_settings;
use crate::memory::Memory;
use crate::plan_arguments::PlanArguments;
use crate::preference::{Objective, Reference};
use crate::setup::{Setup, check_positions};
use crate::step::{AdapterOptimizer, StepOutcome};
use crate::training::{MeasuredStep, Training};

use estimate::{Estimate, Work, estimate};
use text::text;

/// Optimizer steps of the first epoch from which the hours of a training are estimated.
const STEPS_OF_ESTIMATE: usize = 1000;
/// The gigabytes that `--memory` takes: no GPU that trains has fewer, and none has more.
const GIGABYTES: std::ops::RangeInclusive<f64> = 1.0..=10_000.0;

/// The output of the command, also as `--json`.
#[derive(Debug, Serialize)]
struct Plan {
    /// The adapter that the training starts from; `null` for a new adapter.
    init_from: Option<ShownSource>,
    parameters: usize,
    trainable_parameters: usize,
    examples: usize,
    steps: usize,
    tokens_per_epoch: usize,
    longest_example: usize,
    #[serde(flatten)]
    memory: Memory,
    /// The number of layers recomputed in the backward pass (gradient checkpointing).
    recomputed_layers: usize,
    total_bytes: u64,
    /// Free memory; `null` where the device does not report it.
    available_bytes: Option<u64>,
    fits: Option<bool>,
    /// The largest `train.micro_batch_size` that fits, at most the recipe's.
    largest_micro_batch_size: Option<usize>,
    measured: Option<Measured>,
    /// Hours on the GPU of `--for`.
    estimate: Option<Estimate>,
    /// The price of the hours, measured or estimated, without that of the energy; `null` without `costs.price_per_hour`.
    price_of_hours: Option<f64>,
}

impl Plan {
    /// The hours of the whole training, if they were measured or estimated.
    fn hours(&self) -> Option<f64> {
        let measured = self.measured.map(|of| of.whole_run_seconds / 3600.0);
        measured.or(self.estimate.as_ref().map(|of| of.hours))
    }
}

/// Measurements of real steps. The first step is left out: a GPU still tunes its kernels in it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Measured {
    steps: usize,
    first_step_seconds: f64,
    seconds_per_step: f64,
    tokens_per_second: f64,
    /// The base model's log-probabilities of all answers, which are computed before the first step, by the time of those
    /// of the measured steps; `null` for an objective without reference.
    reference_seconds: Option<f64>,
    /// All steps and the reference, without validations.
    whole_run_seconds: f64,
    /// Peak memory of the process on the CPU, of the device elsewhere.
    peak_bytes: Option<u64>,
    /// Floating-point operations per token, without recomputation; see [`flops_per_token`].
    flops_per_token: f64,
    teraflops: f64,
    /// Share of the device's `--peak-tflops`.
    model_flops_utilisation: Option<f64>,
    /// Of the last step.
    loss: f64,
    grad_norm: f64,
}

/// A recipe with its model and its examples.
struct Material {
    recipe: Recipe,
    base: BaseModel,
    examples: Examples,
    source: Option<SourceAdapter>,
}

/// Prints the plan.
pub(crate) fn run(arguments: &PlanArguments) -> Result<(), Failure> {
    Ok(plan(arguments)?)
}

#[expect(clippy::too_many_lines, reason = "the plan from top to bottom")]
fn plan(arguments: &PlanArguments) -> Result<()> {
    let Material {
        recipe,
        base,
        examples,
        source,
    } = &match arguments.shape {
        Some(shape) => synthetic(arguments, shape)?,
        None => of_recipe(arguments)?,
    };
    let opened = match arguments.card {
        Some(_) => None,
        None => Some(slm_cli::open_device(arguments.device.device)?),
    };
    let config = base.config();
    let training = Training::new(recipe, examples);
    let placement = match (&opened, arguments.card) {
        (Some((choice, device)), _) => Placement::on_device(base, *choice, device)?,
        (None, Some(card)) => Placement::on_gpu(base, recipe, memory_of(arguments, card)?),
        (None, None) => unreachable!("a device is opened unless a GPU is named"),
    };
    let mut budget = Budget::new(recipe, base, Longest::of(examples), placement)?;
    let measured = match (arguments.measure, opened) {
        (None, _) | (_, None) => None,
        (Some(steps), Some((choice, device))) => {
            let loaded = load_for_training(base, recipe, budget, (choice, &device))?;
            let (decoder, inputs) = (loaded.0, loaded.1.inputs);
            budget = loaded.1;
            let settings = lora_settings(recipe, config)?;
            let trainable = device.clone().autodiff();
            let adapter = match source {
                Some(source) => source.load(recipe, config, &trainable)?,
                None => decoder.init_adapter(&settings, recipe.train.seed, &trainable),
            };
            let optimizer = AdapterOptimizer::on_device_of(&decoder, training.optimizer_settings());
            let steps = (steps.get() + 1).min(training.total_steps());
            let began = Instant::now();
            let units = training.units_of_steps(steps);
            let reference = reference_of(
                recipe,
                (&decoder, source.is_some().then_some(&adapter)),
                examples,
                &units,
            )?;
            let reference_seconds = reference.is_some().then(|| {
                let all = examples.train.iter().chain(&examples.validation);
                began.elapsed().as_secs_f64() * tokens_once(examples, all)
                    / tokens_once(examples, &units)
            });
            let training = Training::new(recipe, examples).with_reference(reference);
            let steps = training.measure(&decoder, adapter, optimizer, steps)?;
            let flops = flops_per_token(config, inputs.trainable, inputs.length);
            let total_steps = training.total_steps();
            let peak_tflops = arguments.peak_tflops;
            let sizes = (total_steps, reference_seconds);
            Some(summary(&steps, sizes, flops, peak_tflops, &device))
        }
    };
    let (inputs, available) = (budget.inputs, budget.available());
    let memory = inputs.memory();
    let mut plan = Plan {
        init_from: source.as_ref().map(SourceAdapter::shown),
        parameters: config.num_parameters(),
        trainable_parameters: inputs.trainable,
        examples: examples.train.len(),
        steps: training.total_steps(),
        tokens_per_epoch: examples
            .train
            .iter()
            .map(|&unit| examples.n_tokens(unit))
            .sum(),
        longest_example: inputs.length,
        memory,
        recomputed_layers: inputs.recomputed_layers,
        total_bytes: memory.total(),
        available_bytes: available,
        fits: available.map(|available| memory.total() <= available),
        largest_micro_batch_size: available.map(|available| inputs.largest_micro_batch(available)),
        measured,
        estimate: arguments.card.map(|card| {
            let work = Work {
                config,
                trainable: inputs.trainable,
                recomputed_layers: inputs.recomputed_layers,
                loss_chunk_size: inputs.loss_chunk_size,
            };
            let planned = training.planned_steps(STEPS_OF_ESTIMATE);
            estimate(work, card, &planned, training.total_steps())
        }),
        price_of_hours: None,
    };
    plan.price_of_hours = plan
        .hours()
        .zip(recipe.costs.price_per_hour)
        .map(|(hours, price)| hours * price);
    if arguments.json {
        slm_cli::document(&serde_json::to_string_pretty(&plan)?);
    } else {
        let start = source.as_ref().map(SourceAdapter::text);
        let currency = recipe.costs.currency.as_deref();
        slm_cli::result(&text(&plan, (start.as_deref(), currency), &budget));
    }
    Ok(())
}

/// The bytes of a GPU's memory that the training may take.
///
/// # Errors
/// `--memory` is not a possible number of gigabytes.
fn memory_of(arguments: &PlanArguments, card: Card) -> Result<u64> {
    match arguments.memory {
        None => Ok(card.memory_bytes()),
        Some(gigabytes) if GIGABYTES.contains(&gigabytes) => Ok((gigabytes * 1e9) as u64),
        Some(gigabytes) => {
            let text = format!(
                "--memory is {gigabytes}, allowed: a number of gigabytes from {} to {}",
                GIGABYTES.start(),
                GIGABYTES.end()
            );
            Err(UserMistake(text).into())
        }
    }
}

/// Computes the log-probabilities of some units before the first step, where the objective compares with them.
fn reference_of(
    recipe: &Recipe,
    start: (&Decoder, Option<&Adapter>),
    examples: &Examples,
    units: &[u32],
) -> Result<Option<Reference>> {
    let train = &recipe.train;
    let objective = Objective::from(train);
    if !objective.has_reference() {
        return Ok(None);
    }
    let sequences = train.micro_batch_size * objective.sequences_per_unit();
    let shapes = StaticShapes::of_recipe(recipe).without_packing(sequences);
    let sizes = (shapes, train.loss_chunk_size);
    let units = units.iter().copied();
    Reference::compute(start, examples, units, sizes, String::new()).map(Some)
}

/// The number of tokens of units, each counted once.
fn tokens_once<'a>(examples: &Examples, units: impl IntoIterator<Item = &'a u32>) -> f64 {
    let units: BTreeSet<u32> = units.into_iter().copied().collect();
    let tokens: usize = units.iter().map(|&unit| examples.n_tokens(unit)).sum();
    tokens as f64
}

/// Loads the user's recipe with its model and data.
fn of_recipe(arguments: &PlanArguments) -> Result<Material> {
    let given = RecipeArguments {
        recipe: arguments.recipe.clone().unwrap_or_default(),
        overrides: arguments.overrides(),
    };
    let setup = Setup::open_for_training(&given)?;
    let folder = std::env::temp_dir();
    let examples = dataset::load(&setup, &folder)?;
    dataset::check_labels(&examples)?;
    Ok(Material {
        recipe: setup.recipe,
        base: setup.base,
        source: setup.source,
        examples,
    })
}

/// Builds a recipe for a named shape, with random weights and with random sequences of the maximum length.
fn synthetic(arguments: &PlanArguments, shape: NamedShape) -> Result<Material> {
    let bare = format!("model: {{name_or_path: {shape}}}\nlora: {{r: 16, lora_alpha: 32}}\n");
    let name = format!("{shape}.yaml");
    let (name, overrides) = (Path::new(&name), arguments.overrides());
    // The objective, which an override may name, decides the format of the data.
    let without_data = Recipe::parse_without_data(&bare, name, &overrides, slm_benchmarks::NAMES)?;
    let format = without_data.train.objective.format().unwrap_or("text");
    let text = format!("{bare}data: {{datasets: [{{path: drawn, format: {format}}}]}}\n");
    let recipe = Recipe::parse(&text, name, &overrides, slm_benchmarks::NAMES)?;
    let config = shape.config();
    let length = recipe.data.max_seq_length;
    check_positions(&recipe, config.context_length())?;
    let count =
        recipe.train.examples_per_step() * (arguments.measure.map_or(1, NonZeroUsize::get) + 1);
    let seed = recipe.train.seed;
    let folder = std::env::temp_dir();
    Ok(Material {
        base: BaseModel::synthetic(shape, arguments.weights, seed).stored_as(&recipe.model),
        examples: dataset::synthetic::examples(
            recipe.train.objective,
            (count, length),
            config.vocab_size,
            seed,
            &folder,
        )?,
        source: None,
        recipe,
    })
}

/// Summarises the measured steps.
fn summary(
    steps: &[MeasuredStep],
    (total_steps, reference_seconds): (usize, Option<f64>),
    flops_per_token: f64,
    peak_tflops: Option<f64>,
    device: &Device,
) -> Measured {
    let timed = if steps.len() > 1 { &steps[1..] } else { steps };
    let seconds: f64 = timed.iter().map(|step| step.seconds).sum();
    let tokens: usize = timed.iter().map(|step| step.tokens).sum();
    let (seconds_per_step, tokens_per_second) =
        (seconds / timed.len() as f64, tokens as f64 / seconds);
    let teraflops = flops_per_token * tokens_per_second / 1e12;
    let last = steps.last().map(|step| step.outcome);
    let StepOutcome {
        loss, grad_norm, ..
    } = last.unwrap_or_else(|| unreachable!("at least one step is taken"));
    Measured {
        steps: timed.len(),
        first_step_seconds: steps[0].seconds,
        seconds_per_step,
        tokens_per_second,
        reference_seconds,
        whole_run_seconds: seconds_per_step * total_steps as f64
            + reference_seconds.unwrap_or_default(),
        peak_bytes: slm_model::memory_bytes(device).or_else(slm_cli::peak_memory_bytes),
        flops_per_token,
        teraflops,
        model_flops_utilisation: peak_tflops.map(|peak| teraflops / peak),
        loss,
        grad_norm,
    }
}
