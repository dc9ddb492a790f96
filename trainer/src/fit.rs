//! `trainer fit`: from a recipe to an adapter, top to bottom.

use std::time::{Duration, Instant};

use anyhow::Result;
use cli::{BaseModel, Failure, Progress, UserMistake, duration_text};
use config::Recipe;
use model::{Adapter, AdapterOrigin, Decoder, LoraSettings, Target};

use crate::arguments::FitArguments;
use crate::batch::{Batch, Example, epoch_order};
use crate::dataset;
use crate::output::{LogLine, LossLog, TrainingSummary, commit_adapter};
use crate::schedule::Schedule;
use crate::step::{AdapterOptimizer, OptimizerSettings, StepError, StepOutcome};

/// Fits an adapter as the recipe says and prints the folder that holds it.
pub(crate) fn run(arguments: &FitArguments) -> Result<(), Failure> {
    Ok(fit(arguments)?)
}

fn fit(arguments: &FitArguments) -> Result<()> {
    let recipe = Recipe::load(&arguments.recipe, &arguments.overrides)?;
    let (choice, device) = arguments
        .device
        .open()
        .map_err(|e| UserMistake(e.to_string()))?;
    let base = BaseModel::open(&recipe.model)?;
    let tokenizer = base.tokenizer()?;
    let template = base.chat_template()?;
    check_positions(&recipe, base.max_positions())?;

    let (examples, counts) = dataset::load(&recipe, &tokenizer, &template)?;
    cli::note(&format!("data               {counts}"));
    let decoder = base.load(&device)?;
    let settings = lora_settings(&recipe);
    let adapter = Adapter::init(
        &settings,
        decoder.config(),
        recipe.train.seed,
        &device.clone().autodiff(),
    );
    cli::note(&format!(
        "adapter            {} trainable parameters, {:.2} % of the model's {:.1} M, on {choice}",
        adapter.num_trainable(),
        100.0 * adapter.num_trainable() as f64 / decoder.config().num_parameters() as f64,
        decoder.config().num_parameters() as f64 / 1e6
    ));

    let run = Run::new(&recipe, &examples);
    let trained = run.train(&decoder, adapter)?;
    let origin = AdapterOrigin {
        base_model_name_or_path: recipe.model.base_model_name().to_owned(),
        revision: recipe.model.revision.clone(),
    };
    let summary = TrainingSummary {
        steps: run.schedule.total_steps,
        examples: examples.len(),
        tokens: trained.tokens,
        supervised_tokens: trained.supervised_tokens,
        trainable_parameters: trained.adapter.num_trainable(),
        final_loss: trained.final_loss,
        seconds: trained.elapsed.as_secs_f64(),
        device: choice.to_string(),
        project_version: env!("CARGO_PKG_VERSION"),
    };
    let folder = recipe.adapter_dir();
    commit_adapter(
        &folder,
        &trained.adapter,
        &settings,
        &origin,
        &recipe.to_yaml(),
        &summary,
    )?;
    cli::note(&format!(
        "trained            {} tokens in {}, {:.0} tokens/s, peak memory {}",
        trained.tokens,
        duration_text(trained.elapsed),
        trained.tokens as f64 / trained.elapsed.as_secs_f64(),
        cli::peak_memory_text(),
    ));
    cli::result(&format!("adapter: {}", folder.display()));
    Ok(())
}

/// Refuses examples that may be longer than what the model was built for.
fn check_positions(recipe: &Recipe, positions: usize) -> Result<()> {
    let found = recipe.data.max_seq_length;
    if found <= positions {
        return Ok(());
    }
    let text = format!(
        "`data.max_seq_length` is {found}, but the model has {positions} positions\n\
         hint: set `data.max_seq_length` to {positions} or less"
    );
    Err(UserMistake(text).into())
}

/// The recipe's LoRA section as the model crate takes it.
fn lora_settings(recipe: &Recipe) -> LoraSettings {
    let config::Lora {
        r,
        lora_alpha,
        target_modules,
        use_rslora,
    } = &recipe.lora;
    LoraSettings {
        r: *r,
        lora_alpha: *lora_alpha as f64,
        use_rslora: *use_rslora,
        targets: target_modules
            .modules()
            .into_iter()
            .filter_map(|module| Target::from_name(module.as_str()))
            .collect(),
    }
}

/// A training run: its examples and everything derived from the recipe before the first step.
struct Run<'a> {
    recipe: &'a Recipe,
    examples: &'a [Example],
    schedule: Schedule,
    optimizer: OptimizerSettings,
    steps_per_epoch: usize,
}

struct Trained {
    adapter: Adapter,
    tokens: usize,
    supervised_tokens: usize,
    final_loss: f64,
    elapsed: Duration,
}

impl<'a> Run<'a> {
    fn new(recipe: &'a Recipe, examples: &'a [Example]) -> Self {
        // Named one by one: a key that nothing reads would not compile.
        let config::Train {
            num_train_epochs,
            max_steps,
            micro_batch_size: _,
            gradient_accumulation_steps: _,
            learning_rate,
            lr_scheduler_type,
            warmup_ratio,
            weight_decay,
            max_grad_norm,
            adam_beta1,
            adam_beta2,
            adam_epsilon,
            loss_chunk_size,
            seed: _,
        } = recipe.train;
        // The last window of an epoch may be smaller; it is a step all the same.
        let steps_per_epoch = examples.len().div_ceil(recipe.train.examples_per_step());
        let of_epochs = steps_per_epoch * num_train_epochs;
        let total_steps = max_steps.map_or(of_epochs, |max| max.min(of_epochs));
        Self {
            recipe,
            examples,
            schedule: Schedule {
                kind: lr_scheduler_type,
                peak: learning_rate,
                warmup_steps: Schedule::warmup_steps(warmup_ratio, total_steps),
                total_steps,
            },
            optimizer: OptimizerSettings {
                beta_1: adam_beta1,
                beta_2: adam_beta2,
                epsilon: adam_epsilon,
                weight_decay,
                max_grad_norm,
                loss_chunk_size,
            },
            steps_per_epoch,
        }
    }

    /// The micro-batches of one optimizer step. A function of the step alone.
    fn window(&self, step: usize) -> Vec<Batch> {
        let (epoch, within) = (step / self.steps_per_epoch, step % self.steps_per_epoch);
        let train = &self.recipe.train;
        let order = epoch_order(self.examples.len(), train.seed, epoch);
        let start = within * train.examples_per_step();
        let end = (start + train.examples_per_step()).min(order.len());
        let mut examples: Vec<&Example> = order[start..end]
            .iter()
            .map(|&index| &self.examples[index])
            .collect();
        // The window's gradient does not depend on how it is cut, so neighbours in length share a batch: less padding.
        examples.sort_by_key(|example| example.len());
        examples
            .chunks(train.micro_batch_size)
            .map(Batch::new)
            .collect()
    }

    fn train(&self, decoder: &Decoder, mut adapter: Adapter) -> Result<Trained> {
        let total = self.schedule.total_steps;
        let mut optimizer = AdapterOptimizer::new(self.optimizer);
        let mut log = LossLog::create(&self.recipe.output_dir())?;
        let mut progress = Progress::new("training", total as u64, "steps");
        let started = Instant::now();
        let (mut tokens, mut supervised_tokens, mut final_loss) = (0, 0, f64::NAN);
        for step in 0..total {
            let learning_rate = self.schedule.learning_rate(step);
            let window = self.window(step);
            let outcome;
            (adapter, outcome) = optimizer
                .step(decoder, adapter, &window, learning_rate)
                .map_err(|error| stopped(error, step, learning_rate))?;
            tokens += window.iter().map(|batch| batch.n_tokens).sum::<usize>();
            supervised_tokens += window.iter().map(Batch::n_supervised).sum::<usize>();
            final_loss = outcome.loss;

            let elapsed_s = started.elapsed().as_secs_f64();
            let tokens_per_second = tokens as f64 / elapsed_s;
            let StepOutcome { loss, grad_norm } = outcome;
            progress.set(
                step as u64 + 1,
                format!("loss {loss:.3}  lr {learning_rate:.1e}  {tokens_per_second:.0} tokens/s"),
            );
            let done = step + 1;
            if done % self.recipe.output.logging_steps == 0 || done == total || done == 1 {
                let epoch = done as f64 / self.steps_per_epoch as f64;
                log.write(&LogLine {
                    step: done,
                    epoch,
                    loss,
                    learning_rate,
                    grad_norm,
                    tokens,
                    tokens_per_second,
                    elapsed_s,
                })?;
            }
        }
        Ok(Trained {
            adapter,
            tokens,
            supervised_tokens,
            final_loss,
            elapsed: progress.finish(),
        })
    }
}

/// Explains why training cannot go on.
fn stopped(error: StepError, step: usize, learning_rate: f64) -> anyhow::Error {
    let step = step + 1;
    match error {
        StepError::Diverged { .. } => anyhow::anyhow!(
            "training diverged: {error} at step {step} (learning_rate {learning_rate:.1e})\n\
             hint: lower `train.learning_rate`; the step was not applied, and no adapter was written"
        ),
        StepError::Loss(_) => {
            anyhow::anyhow!("step {step}: {error}\nhint: raise `data.max_seq_length`")
        }
    }
}
