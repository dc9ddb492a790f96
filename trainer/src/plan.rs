//! `trainer plan`: parameters, steps, tokens, memory and time of a recipe, before it is run.

use std::time::Duration;

use anyhow::Result;
use burn::tensor::Device;
use cli::{BaseModel, Failure, UserMistake, bytes_text, duration_text};
use config::Recipe;
use model::{Adapter, DeviceChoice};
use serde::Serialize;

use crate::arguments::PlanArguments;
use crate::dataset::{self, Examples};
use crate::fit::lora_settings;
use crate::memory::{Load, Memory, available_bytes};
use crate::setup::{Setup, load_for_training, recomputes_layers};
use crate::step::AdapterOptimizer;
use crate::training::Training;

/// All that the command tells; `--json` prints it.
#[derive(Debug, Serialize)]
struct Plan {
    parameters: usize,
    trainable_parameters: usize,
    examples: usize,
    steps: usize,
    tokens_per_epoch: usize,
    longest_example: usize,
    #[serde(flatten)]
    memory: Memory,
    total_bytes: u64,
    /// `null` where the device does not say.
    available_bytes: Option<u64>,
    fits: Option<bool>,
    /// Largest `train.micro_batch_size` up to the recipe's that fits.
    largest_micro_batch_size: Option<usize>,
    measured: Option<Measured>,
}

/// What some real steps took.
#[derive(Clone, Copy, Debug, Serialize)]
struct Measured {
    steps: usize,
    seconds_per_step: f64,
    tokens_per_second: f64,
    whole_run_seconds: f64,
    peak_bytes: Option<u64>,
}

/// Prints the plan.
pub(crate) fn run(arguments: &PlanArguments) -> Result<(), Failure> {
    Ok(plan(arguments)?)
}

fn plan(arguments: &PlanArguments) -> Result<()> {
    let setup = Setup::open(&arguments.recipe)?;
    let (choice, device) = arguments
        .device
        .device
        .open()
        .map_err(|e| UserMistake(e.to_string()))?;
    let recipe = &setup.recipe;
    let folder = std::env::temp_dir();
    let examples = dataset::load(&setup, &folder)?;
    let config = setup.base.config();
    let training = Training::new(recipe, &examples);
    let load = load_of(recipe, &setup.base, &examples, (choice, &device))?;
    let memory = load.memory();
    let available = available_on(choice);
    let measured = match arguments.measure {
        None => None,
        Some(steps) => {
            let decoder = load_for_training(&setup.base, recipe, (choice, &device))?;
            let settings = lora_settings(recipe, config)?;
            let trainable = device.clone().autodiff();
            let adapter = Adapter::init(&settings, &decoder, recipe.train.seed, &trainable);
            let optimizer = AdapterOptimizer::new(training.optimizer_settings());
            let steps = steps.clamp(1, training.total_steps());
            let (seconds, tokens) = training.measure(&decoder, adapter, optimizer, steps)?;
            let per_step = seconds / steps as f64;
            Some(Measured {
                steps,
                seconds_per_step: per_step,
                tokens_per_second: tokens as f64 / seconds,
                whole_run_seconds: per_step * training.total_steps() as f64,
                peak_bytes: cli::peak_memory_bytes(),
            })
        }
    };
    let plan = Plan {
        parameters: config.num_parameters(),
        trainable_parameters: load.trainable,
        examples: examples.train.len(),
        steps: training.total_steps(),
        tokens_per_epoch: examples
            .train
            .iter()
            .map(|&index| examples.store.n_tokens(index as usize))
            .sum(),
        longest_example: load.length,
        memory,
        total_bytes: memory.total(),
        available_bytes: available,
        fits: available.map(|available| memory.total() <= available),
        largest_micro_batch_size: available.map(|available| load.largest_micro_batch(available)),
        measured,
    };
    if arguments.json {
        cli::result(&serde_json::to_string_pretty(&plan)?);
    } else {
        cli::result(&text(&plan));
    }
    Ok(())
}

/// Memory that a device has left, where it says so: today only the CPU does.
fn available_on(choice: DeviceChoice) -> Option<u64> {
    (choice == DeviceChoice::Cpu)
        .then(available_bytes)
        .flatten()
}

/// What a recipe's memory depends on.
fn load_of<'a>(
    recipe: &Recipe,
    base: &'a BaseModel,
    examples: &Examples,
    (choice, device): (DeviceChoice, &Device),
) -> Result<Load<'a>> {
    let config = base.config();
    let settings = lora_settings(recipe, config)?;
    let lengths = examples
        .train
        .iter()
        .map(|&index| examples.store.n_tokens(index as usize));
    let longest = lengths.max().unwrap_or(0);
    let format = base.format(device)?;
    Ok(Load {
        config,
        weights_bytes: format.bytes(base.checkpoint(), device) as u64,
        recomputes_layers: recomputes_layers(recipe, choice),
        trainable: settings.num_trainable(config),
        kept_per_token: settings.kept_per_token(config),
        micro_batch_size: recipe.train.micro_batch_size.min(examples.train.len()),
        // Packed sequences are filled up to the limit.
        length: if recipe.data.packing {
            recipe.data.max_seq_length
        } else {
            longest
        },
        loss_chunk_size: recipe.train.loss_chunk_size,
    })
}

/// Refuses a training that cannot fit into memory, with the largest setting that would.
///
/// # Errors
/// The estimate is above what the device says it has left.
pub(crate) fn check_memory(
    recipe: &Recipe,
    base: &BaseModel,
    examples: &Examples,
    device: (DeviceChoice, &Device),
) -> Result<()> {
    let load = load_of(recipe, base, examples, device)?;
    let needed = load.memory().total();
    let Some(available) = available_on(device.0).filter(|&available| available < needed) else {
        return Ok(());
    };
    let hint = match load.largest_micro_batch(available) {
        0 if load.with_recomputed_layers().largest_micro_batch(available) > 0 => {
            "--set train.gradient_checkpointing=layer fits with a smaller `train.micro_batch_size`".to_owned()
        }
        0 => "--set model.quantization=q4 makes the weights smaller; or choose a smaller model, or set \
              `data.max_seq_length` lower"
            .to_owned(),
        n => format!(
            "--set train.micro_batch_size={n} fits; raise `train.gradient_accumulation_steps` to keep the examples of a step"
        ),
    };
    let text = format!(
        "this training needs about {}, but {} are available\nhint: {hint}\nhint: `trainer plan` shows what takes them",
        bytes_text(needed),
        bytes_text(available)
    );
    Err(UserMistake(text).into())
}

fn text(plan: &Plan) -> String {
    let Memory {
        weights_bytes,
        adapter_bytes,
        activations_bytes,
        logits_bytes,
        program_bytes,
    } = plan.memory;
    let share = 100.0 * plan.trainable_parameters as f64 / plan.parameters as f64;
    let mut lines = vec![
        format!(
            "parameters   {:.1} M, {:.2} M ({share:.2} %) of them trained",
            plan.parameters as f64 / 1e6,
            plan.trainable_parameters as f64 / 1e6
        ),
        format!(
            "steps        {} over {} examples",
            plan.steps, plan.examples
        ),
        format!(
            "tokens       {} an epoch, the longest example {}",
            plan.tokens_per_epoch, plan.longest_example
        ),
        format!(
            "memory       {} about, of which",
            bytes_text(plan.total_bytes)
        ),
    ];
    for (name, bytes) in [
        ("weights", weights_bytes),
        ("adapter, gradients, moments", adapter_bytes),
        ("activations of a micro-batch", activations_bytes),
        ("a chunk of logits", logits_bytes),
        ("program", program_bytes),
    ] {
        lines.push(format!("  {name:29} {:>9}", bytes_text(bytes)));
    }
    lines.push(
        match (plan.available_bytes, plan.largest_micro_batch_size) {
            (None, _) => {
                "fits         unknown: this device does not say what it has left".to_owned()
            }
            (Some(available), _) if plan.fits == Some(true) => {
                format!("fits         yes, {} are available", bytes_text(available))
            }
            (Some(available), Some(n @ 1..)) => format!(
                "fits         no, {} are available; with train.micro_batch_size {n} it would",
                bytes_text(available)
            ),
            (Some(available), _) => {
                format!("fits         no, {} are available", bytes_text(available))
            }
        },
    );
    if let Some(measured) = plan.measured {
        let duration = |seconds| duration_text(Duration::from_secs_f64(seconds));
        let peak = measured
            .peak_bytes
            .map_or_else(|| "unknown".to_owned(), bytes_text);
        lines.push(format!(
            "measured     {} a step over {} steps, {:.0} tokens/s, peak memory {peak}",
            duration(measured.seconds_per_step),
            measured.steps,
            measured.tokens_per_second,
        ));
        lines.push(format!(
            "whole run    about {}",
            duration(measured.whole_run_seconds)
        ));
    }
    lines.join("\n")
}
