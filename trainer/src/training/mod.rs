//! The training loop: one optimizer step per window of micro-batches, with validations and checkpoints in between.

mod diagnosis;
mod preferences;
mod window;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use slm_artifacts::{Energy, add_energy};
use slm_cli::{EnergyMeter, EnergyUse, Interrupted, Progress, StopRequest};
use slm_config::Recipe;
use slm_model::{Adapter, Decoder, DeviceChoice};

use crate::checkpoint::{self, Best, CheckpointMeta, TrainingState};
use crate::dataset::Examples;
use crate::folder::{RunFolder, commit_folder};
use crate::log::speed::{self, SpeedLine};
use crate::log::{LogLine, RunLog};
use crate::preference::{Objective, PreferenceSums, Reference};
use crate::schedule::Schedule;
use crate::step::{AdapterOptimizer, OptimizerSettings, StepAt, StepOutcome};
use preferences::HeldOut;
pub(crate) use window::PlannedStep;
use window::{Batches, EpochOrder};

/// Folder of the adapter with the lowest validation loss, inside the run's folder.
pub(crate) const BEST_FOLDER: &str = "best";

/// A training run: its examples, and everything derived from the recipe before the first step.
pub(crate) struct Training<'a> {
    recipe: &'a Recipe,
    examples: &'a Examples,
    schedule: Schedule,
    optimizer: OptimizerSettings,
    steps_per_epoch: usize,
    /// Steps between two validations.
    eval_steps: usize,
    /// The log-probabilities before the first step, for an objective that compares with them.
    reference: Option<Reference>,
    /// The folder of the adapter that the training starts from; `None` for a new adapter.
    source: Option<PathBuf>,
    /// The device whose energy is measured; `None` to measure none.
    device: Option<DeviceChoice>,
}

/// The state that changes from step to step; a checkpoint holds all of it.
pub(crate) struct TrainState {
    /// Counters, losses and times.
    pub(crate) state: TrainingState,
    /// The trainable parameters.
    pub(crate) adapter: Adapter,
    /// The optimizer with its state.
    pub(crate) optimizer: AdapterOptimizer,
}

/// The data of a step that was taken.
struct TakenStep {
    learning_rate: f64,
    batches: Batches,
    outcome: StepOutcome,
}

/// The measurements of a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeasuredStep {
    /// Wall time, synchronised with the device.
    pub(crate) seconds: f64,
    /// The number of tokens, without padding.
    pub(crate) tokens: usize,
    /// Loss and gradient norm.
    pub(crate) outcome: StepOutcome,
}

impl<'a> Training<'a> {
    /// Derives schedule and settings from the recipe.
    pub(crate) fn new(recipe: &'a Recipe, examples: &'a Examples) -> Self {
        // Destructured in full, so that a new key that is not handled here does not compile.
        let slm_config::Train {
            // Read by `Objective`.
            objective: _,
            beta: _,
            sft_weight: _,
            desirable_weight: _,
            undesirable_weight: _,
            simpo_gamma: _,
            num_train_epochs,
            max_steps,
            micro_batch_size: _,
            gradient_accumulation_steps: _,
            optim,
            learning_rate,
            lr_scheduler_type,
            warmup_ratio,
            weight_decay,
            max_grad_norm,
            // Read by `Train::adam`.
            adam_beta1: _,
            adam_beta2: _,
            adam_epsilon: _,
            neftune_noise_alpha,
            gradient_checkpointing: _,
            loss_chunk_size,
            seed,
            eval_steps,
            early_stopping_patience: _,
            load_best_model_at_end: _,
            loss_watchdog_threshold: _,
            loss_watchdog_patience: _,
        } = recipe.train;
        // The last window of an epoch may be smaller; it still counts as a step.
        let steps_per_epoch = examples
            .train
            .len()
            .div_ceil(recipe.train.examples_per_step());
        // As in transformers, `max_steps` replaces the number of epochs: the data are repeated, each epoch in a new
        // order.
        let total_steps = max_steps.unwrap_or(steps_per_epoch * num_train_epochs);
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
                optim,
                objective: Objective::from(&recipe.train),
                loraplus_lr_ratio: recipe.lora.loraplus_lr_ratio,
                adam: recipe.train.adam(),
                weight_decay,
                max_grad_norm,
                loss_chunk_size,
                lora_dropout: recipe.lora.lora_dropout,
                neftune_noise_alpha: neftune_noise_alpha.unwrap_or(0.0),
                seed,
            },
            eval_steps: eval_steps.unwrap_or(steps_per_epoch),
            steps_per_epoch,
            reference: None,
            source: None,
            device: None,
        }
    }

    /// Names the adapter that the training starts from, for messages.
    pub(crate) fn starting_from(self, source: Option<&Path>) -> Self {
        let source = source.map(Path::to_owned);
        Self { source, ..self }
    }

    /// Measures the energy of the processors and of this device.
    pub(crate) fn on_device(self, device: DeviceChoice) -> Self {
        let device = Some(device);
        Self { device, ..self }
    }

    /// Compares with these log-probabilities.
    pub(crate) fn with_reference(self, reference: Option<Reference>) -> Self {
        Self { reference, ..self }
    }

    /// The number of steps of the whole run.
    pub(crate) fn total_steps(&self) -> usize {
        self.schedule.total_steps
    }

    /// Whether a training in this state has taken its last step.
    pub(crate) fn is_finished(&self, state: &TrainingState) -> bool {
        state.stopped_early || state.step >= self.total_steps()
    }

    /// Returns the optimizer's settings.
    pub(crate) fn optimizer_settings(&self) -> OptimizerSettings {
        self.optimizer
    }

    /// Trains from the state `at` to the last step, with validations and checkpoints.
    ///
    /// # Errors
    /// The loss or a gradient is not finite or stays above the watchdog's threshold, the disk is full, or the user
    /// interrupted the run; in the last case the last completed step is in a checkpoint.
    #[expect(clippy::too_many_lines, reason = "the loop from top to bottom")]
    pub(crate) fn run(
        &self,
        decoder: &Decoder,
        at: TrainState,
        run: &RunFolder,
        meta: CheckpointMeta,
    ) -> Result<TrainState> {
        let TrainState {
            mut state,
            mut adapter,
            mut optimizer,
        } = at;
        let total = self.schedule.total_steps;
        let mut log = RunLog::open(run.path(), state.log_bytes)?;
        let mut progress =
            Progress::resumed(state.step as u64, "training", total as u64, "steps").uniform();
        let pause = Duration::from_secs_f64(state.validation_seconds);
        progress.expect(self.validations_after(state.step), pause);
        let interrupt = StopRequest::watch();
        let metered = (self.meter(), state.energy.clone());
        let started = Instant::now();
        let (tokens_before, seconds_before) = (state.tokens, state.seconds);
        let output = &self.recipe.output;
        if state.step == 0 && !self.examples.validation.is_empty() {
            self.validate_base(decoder, &adapter, &mut state, &mut progress, &mut log)?;
        }
        let mut order = EpochOrder::default();
        while !self.is_finished(&state) {
            let step = state.step;
            let taken;
            (adapter, taken) =
                self.take_step(decoder, adapter, &mut optimizer, step, &mut order)?;
            let TakenStep {
                learning_rate,
                batches,
                outcome,
            } = taken;
            let (loss, preference) = (outcome.loss, outcome.preference);
            let elapsed_s = started.elapsed().as_secs_f64();
            let done = step + 1;
            let epoch = done as f64 / self.steps_per_epoch as f64;
            count_step(&mut state, &batches, loss);
            state.preference.add(preference);
            let speed = (state.tokens - tokens_before) as f64 / elapsed_s;
            progress.set(
                done as u64,
                step_text(loss, preference, learning_rate, speed),
            );
            if step == 0 {
                // The loss is computed before the update, so the first one is that of the start.
                log.write(&LogLine::Start {
                    step: 0,
                    epoch: 0.0,
                    loss,
                })?;
            }
            let log_step = |state: &mut TrainingState, log: &mut RunLog| {
                log.write(&LogLine::Step {
                    step: done,
                    epoch,
                    loss: state.unlogged.take(),
                    learning_rate,
                    grad_norm: outcome.grad_norm,
                    tokens: state.tokens,
                    preference: std::mem::take(&mut state.preference.unlogged).figures(),
                })
            };
            let is_logged = done.is_multiple_of(output.logging_steps) || done == total;
            if is_logged {
                log_step(&mut state, &mut log)?;
            }
            self.watch(&mut state, learning_rate)?;
            if self.is_validated(done) {
                let began = Instant::now();
                let (measured, summary) =
                    self.validate(decoder, &adapter, &mut state, run, meta)?;
                state.validation_seconds = began.elapsed().as_secs_f64();
                progress.exclude(began.elapsed(), self.validations_after(done));
                progress.note(&summary);
                log.write(&LogLine::Validation {
                    step: done,
                    epoch,
                    validation_loss: measured.loss,
                    preference: measured.sums.and_then(PreferenceSums::figures),
                })?;
                if state.stopped_early && !is_logged {
                    log_step(&mut state, &mut log)?;
                }
            }
            state.seconds = seconds_before + started.elapsed().as_secs_f64();
            if is_logged {
                let line = SpeedLine {
                    step: done,
                    tokens: state.tokens,
                    seconds: state.seconds,
                };
                speed::append(run.path(), line)?;
            }
            state.peak_memory_bytes = state.peak_memory_bytes.max(slm_cli::peak_memory_bytes());
            let is_last = done == total || state.stopped_early;
            self.watch_chosen(&mut state, is_last, &progress);
            let stop = interrupt.is_made() && !is_last;
            if done.is_multiple_of(output.save_steps) || is_last || stop {
                state.log_bytes = log.sync()?;
                state.energy = energy_until_now(&metered, seconds_before, state.seconds);
                let saved = self.save(run, &state, &adapter, &optimizer, meta)?;
                if stop {
                    return Err(interrupted(done, total, &saved));
                }
                say_saved(done, total, &saved);
            }
        }
        progress.finish();
        Ok(TrainState {
            state,
            adapter,
            optimizer,
        })
    }

    /// Starts to measure energy.
    fn meter(&self) -> Option<EnergyMeter> {
        let has_server = false;
        let device = self.device;
        device.map(|_| EnergyMeter::of(EnergyUse { device, has_server }))
    }

    /// Writes a checkpoint and returns its folder.
    fn save(
        &self,
        run: &RunFolder,
        state: &TrainingState,
        adapter: &Adapter,
        optimizer: &AdapterOptimizer,
        meta: CheckpointMeta,
    ) -> Result<PathBuf> {
        let moments = optimizer.state(adapter)?;
        // Reading the state has waited for the device: a checkpoint never holds the numbers of a broken backend.
        slm_cli::check_backend()?;
        let reference = self.reference.as_ref().map(Reference::json);
        let keep = self.recipe.output.save_total_limit;
        checkpoint::save(run, keep, (state, adapter, &moments, reference), meta)
    }

    /// Takes step number `step`, counted from 0, over its window of micro-batches.
    ///
    /// # Errors
    /// The loss or a gradient is not finite; the error names the examples of the step.
    fn take_step(
        &self,
        decoder: &Decoder,
        adapter: Adapter,
        optimizer: &mut AdapterOptimizer,
        step: usize,
        order: &mut EpochOrder,
    ) -> Result<(Adapter, TakenStep)> {
        let learning_rate = self.schedule.learning_rate(step);
        let window = self.window(decoder, step, order)?;
        let at = StepAt {
            step,
            learning_rate,
        };
        let stepped = match &window.batches {
            Batches::Examples(batches) => optimizer.step(decoder, adapter, batches, at),
            Batches::Preferences(batches) => {
                optimizer.preference_step(decoder, adapter, batches, at)
            }
        };
        slm_cli::check_backend()?;
        #[cfg(feature = "cube-cpu")]
        if std::env::var("SLM_BREAK_KERNEL").as_deref() == Ok("update") {
            slm_cli::break_backend();
        }
        let (adapter, outcome) = stepped.map_err(|error| self.stopped(error, at, &window))?;
        let taken = TakenStep {
            learning_rate,
            batches: window.batches,
            outcome,
        };
        Ok((adapter, taken))
    }

    /// Measures the validation loss before any update, that of the base model or of the adapter that the training starts
    /// from, and logs it as step 0.
    fn validate_base(
        &self,
        decoder: &Decoder,
        adapter: &Adapter,
        state: &mut TrainingState,
        progress: &mut Progress,
        log: &mut RunLog,
    ) -> Result<()> {
        let began = Instant::now();
        let measured = self.measure_held_out(decoder, adapter)?;
        state.validation_seconds = began.elapsed().as_secs_f64();
        progress.exclude(began.elapsed(), self.validations_after(0));
        state.base_validation_loss = Some(measured.loss);
        progress.note(&format!(
            "validation         loss {:.4} before the first step ({}){}",
            measured.loss,
            self.source.as_ref().map_or_else(
                || "the base model".to_owned(),
                |path| path.display().to_string()
            ),
            measured.text()
        ));
        log.write(&LogLine::Validation {
            step: 0,
            epoch: 0.0,
            validation_loss: measured.loss,
            preference: measured.sums.and_then(PreferenceSums::figures),
        })
    }

    /// Takes some steps to measure them, and reports the progress of each.
    ///
    /// # Errors
    /// As [`Self::run`]; or the device fails.
    pub(crate) fn measure(
        &self,
        decoder: &Decoder,
        mut adapter: Adapter,
        mut optimizer: AdapterOptimizer,
        steps: usize,
    ) -> Result<Vec<MeasuredStep>> {
        let mut order = EpochOrder::default();
        let mut measured = Vec::with_capacity(steps);
        let mut progress = Progress::new("measuring", steps as u64, "steps").uniform();
        for step in 0..steps {
            let started = Instant::now();
            let taken;
            (adapter, taken) =
                self.take_step(decoder, adapter, &mut optimizer, step, &mut order)?;
            // The update belongs to the step, and a GPU may not have executed it yet.
            let synced = decoder.device().sync();
            synced.map_err(|error| anyhow::anyhow!("the device failed: {error:?}"))?;
            let tokens = taken.batches.n_tokens();
            let seconds = started.elapsed().as_secs_f64();
            measured.push(MeasuredStep {
                seconds,
                tokens,
                outcome: taken.outcome,
            });
            progress.set(
                step as u64 + 1,
                format!("{seconds:.2} s, {:.0} tokens/s", tokens as f64 / seconds),
            );
        }
        progress.finish();
        Ok(measured)
    }

    /// Whether to validate after this many steps.
    fn is_validated(&self, done: usize) -> bool {
        let due = done.is_multiple_of(self.eval_steps) || done == self.schedule.total_steps;
        due && !self.examples.validation.is_empty()
    }

    /// Returns the number of validations after the one at step `done`, if training runs to its last step.
    fn validations_after(&self, done: usize) -> u64 {
        let (every, total) = (self.eval_steps, self.schedule.total_steps);
        if self.examples.validation.is_empty() || done >= total {
            return 0;
        }
        let at_the_end = usize::from(!total.is_multiple_of(every));
        (total / every - done / every + at_the_end) as u64
    }

    /// Measures the validation loss, saves the adapter if it is the best one yet, and decides on early stopping.
    /// Returns the loss and a line for the terminal.
    fn validate(
        &self,
        decoder: &Decoder,
        adapter: &Adapter,
        state: &mut TrainingState,
        run: &RunFolder,
        meta: CheckpointMeta,
    ) -> Result<(HeldOut, String)> {
        let slm_config::Train {
            early_stopping_patience,
            load_best_model_at_end,
            ..
        } = self.recipe.train;
        let measured = self.measure_held_out(decoder, adapter)?;
        let loss = measured.loss;
        state.preference.last_held_out = measured.preferences;
        if state.best.is_none_or(|best| loss < best.loss) {
            let step = state.step;
            state.best = Some(Best { step, loss });
            state.preference.best_held_out = measured.preferences;
            state.validations_since_best = 0;
            if load_best_model_at_end {
                // Saved before the checkpoint that refers to it, so that it exists whenever that checkpoint does.
                commit_folder(&run.path().join(BEST_FOLDER), |part| {
                    Ok(adapter.save(part, meta.settings, meta.origin)?)
                })
                .context("cannot save the best adapter\nhint: free space under the output folder and run the same command again")?;
            }
        } else {
            state.validations_since_best += 1;
        }
        let patience = early_stopping_patience.unwrap_or(usize::MAX);
        state.stopped_early = state.validations_since_best >= patience;
        let best = state.best.map_or(0, |best| best.step);
        let ending = if state.stopped_early {
            "; stopping early"
        } else {
            ""
        };
        let step = state.step;
        let summary = format!(
            "validation         loss {loss:.4} after step {step}, best after step {best}{}{ending}",
            measured.text()
        );
        Ok((measured, summary))
    }
}

/// Returns the energy of all starts: that before this one, with its seconds, and that of the meter since then.
fn energy_until_now(
    (meter, before): &(Option<EnergyMeter>, Option<Energy>),
    seconds_before: f64,
    seconds: f64,
) -> Option<Energy> {
    let now = meter.as_ref().map(EnergyMeter::read);
    add_energy(
        (before.as_ref(), seconds_before),
        (now.as_ref(), seconds - seconds_before),
    )
}

/// Sets the message after Ctrl-C: the checkpoint from which the training resumes.
pub(crate) fn say_saved(step: usize, total: usize, checkpoint: &Path) {
    slm_cli::saved_so_far(format!(
        "the training is saved up to step {step} of {total}, in {}",
        checkpoint.display()
    ));
}

/// Formats the progress line of a step.
fn step_text(
    loss: f64,
    preference: Option<PreferenceSums>,
    learning_rate: f64,
    speed: f64,
) -> String {
    let memory = slm_cli::memory_text();
    let preference = preferences::text(preference, "  ");
    format!("loss {loss:.3}{preference}  lr {learning_rate:.1e}  {speed:.0} tokens/s  {memory}")
}

/// Adds a step, its tokens and its loss to the state.
fn count_step(state: &mut TrainingState, batches: &Batches, loss: f64) {
    state.step += 1;
    state.tokens += batches.n_tokens();
    state.supervised_tokens += batches.n_supervised();
    state.unlogged.add(loss, batches.weight());
    state.last_loss = loss;
}

/// Makes the error for a training that the user stopped, with the command that continues it.
fn interrupted(done: usize, total: usize, saved: &Path) -> anyhow::Error {
    let text = format!(
        "after step {done} of {total}, which is saved in {}\nhint: continue with `{}`",
        saved.display(),
        slm_cli::command_to_continue()
    );
    Interrupted(text).into()
}
