//! One optimizer step: gradients over the accumulation window, clipping, update.

use anyhow::Result;
use burn::module::ParamGroup;
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrSchedulerConfig};
use burn::tensor::Tensor;
use slm_config::{AdamSettings, Optim};
use slm_model::loss::{LossError, chunked_cross_entropy};
use slm_model::{Adapter, Decoder, Noise};

use crate::batch::Batch;
use crate::optimizer::{self, GradientSum, Hyperparameters, Optimizer};
use crate::preference::{Objective, PreferenceSums};

/// Settings of the optimizer, and of the gradients' computation and clipping.
#[derive(Clone, Copy, Debug)]
pub struct OptimizerSettings {
    /// The optimizer.
    pub optim: Optim,
    /// What is minimised.
    pub objective: Objective,
    /// Learning rate of B and of the magnitudes, as a multiple of that of A (LoRA+).
    pub loraplus_lr_ratio: f64,
    /// Betas and epsilon, for the optimizers that have them.
    pub adam: AdamSettings,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Limit of the global L2 norm of the gradients; larger gradients are clipped. `None` disables clipping.
    pub max_grad_norm: Option<f64>,
    /// Supervised tokens whose logits are held at a time.
    pub loss_chunk_size: usize,
    /// Dropout probability of the input of each LoRA pair.
    pub lora_dropout: f64,
    /// Scale of the noise on the embeddings (`neftune_noise_alpha`); 0 disables it.
    pub neftune_noise_alpha: f64,
    /// Seed of dropout and noise.
    pub seed: u64,
}

impl OptimizerSettings {
    /// Returns an optimizer's default settings: cross-entropy of all supervised tokens, no weight decay, no clipping, no dropout or noise, the logits of 256
    /// tokens at a time.
    pub fn plain(optim: Optim) -> Self {
        Self {
            optim,
            objective: Objective::Sft,
            loraplus_lr_ratio: 1.0,
            adam: optim.adam_defaults(),
            weight_decay: 0.0,
            max_grad_norm: None,
            loss_chunk_size: 256,
            lora_dropout: 0.0,
            neftune_noise_alpha: 0.0,
            seed: 0,
        }
    }

    /// Returns the random parts of the forward pass of a micro-batch, if there are any.
    ///
    /// `NEFTune` scales its noise by the length of the sequences. The padding that only serves a device's static shapes
    /// does not count.
    pub(crate) fn noise(&self, step: usize, micro_batch: usize, batch: &Batch) -> Option<Noise> {
        let padding = batch.length() as f64 / batch.longest().max(1) as f64;
        let noise = Noise {
            lora_dropout: self.lora_dropout,
            neftune_noise_alpha: self.neftune_noise_alpha * padding.sqrt(),
            seed: self.seed,
            step: step as u64,
            micro_batch: micro_batch as u64,
        };
        (noise.lora_dropout > 0.0 || noise.neftune_noise_alpha > 0.0).then_some(noise)
    }
}

/// The position of a step in the training.
#[derive(Clone, Copy, Debug)]
pub struct StepAt {
    /// Optimizer steps taken before it.
    pub step: usize,
    /// The learning rate of this step.
    pub learning_rate: f64,
}

/// The result of a step.
#[derive(Clone, Copy, Debug)]
pub struct StepOutcome {
    /// Loss before the update: mean cross-entropy over the window's supervised tokens, in nats; of a preference objective,
    /// mean over its pairs or answers.
    pub loss: f64,
    /// Global norm of the gradients before clipping.
    pub grad_norm: f64,
    /// Sums of a preference objective over the window.
    pub preference: Option<PreferenceSums>,
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum StepError {
    /// The window has no supervised token.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// The loss or the gradient norm is not finite, or the gradient norm is 0.
    #[error("{what} is {value}")]
    Diverged {
        /// The name of the value.
        what: &'static str,
        /// The value.
        value: f64,
    },
}

/// The loss of a window before its update.
#[allow(
    clippy::large_enum_variant,
    reason = "on a build for GPUs alone; there is one a step"
)]
pub(crate) enum WindowLoss {
    /// Not read from the device yet. `[1]`
    OnDevice(Tensor<1>),
    /// Computed on the host from the scores of answers.
    OfPreferences(f64, PreferenceSums),
}

/// An optimizer of an adapter's parameters.
pub struct AdapterOptimizer {
    inner: Optimizer,
    settings: OptimizerSettings,
}

impl AdapterOptimizer {
    /// Creates an optimizer without history that updates each parameter alone, on any device.
    pub fn new(settings: OptimizerSettings) -> Self {
        Self::with_layout(settings, false)
    }

    /// Creates an optimizer without history that updates all parameters in a few operations, as suits a GPU. It differs
    /// from [`Self::new`] for `AdamW` alone; the result is the same, except that the global norm of the gradients is
    /// summed in another order.
    pub fn flat(settings: OptimizerSettings) -> Self {
        Self::with_layout(settings, true)
    }

    /// Creates an optimizer without history that suits the device of the decoder.
    pub fn on_device_of(decoder: &Decoder, settings: OptimizerSettings) -> Self {
        Self::with_layout(settings, !decoder.is_on_cpu())
    }

    fn with_layout(settings: OptimizerSettings, is_flat: bool) -> Self {
        let hyperparameters = Hyperparameters {
            optim: settings.optim,
            adam: settings.adam,
            weight_decay: settings.weight_decay,
        };
        Self {
            inner: Optimizer::new(hyperparameters, is_flat),
            settings,
        }
    }

    /// The settings.
    pub(crate) fn settings(&self) -> OptimizerSettings {
        self.settings
    }

    /// Returns the learning rate of every parameter. For B with its bias, and for magnitudes as in PEFT, it is that of A times
    /// LoRA+'s ratio.
    fn rates(&self, learning_rate: f64) -> ModuleLearningRate {
        let ratio = self.settings.loraplus_lr_ratio;
        if ratio.to_bits() == 1.0_f64.to_bits() {
            return learning_rate.into();
        }
        let rate = LrSchedulerConfig::Constant;
        let of_b = ParamGroup::from_regex(r"(^|\.)(lora_b|lora_bias|lora_magnitude_vector)$")
            .unwrap_or_else(|problem| unreachable!("a constant regular expression: {problem:?}"));
        let scheduler = ModuleLrSchedulerConfig::new(rate(learning_rate))
            .with_group(of_b, rate(learning_rate * ratio))
            .init();
        match scheduler {
            Ok(mut scheduler) => scheduler.step(),
            Err(problem) => unreachable!("constant rates need no settings: {problem}"),
        }
    }

    /// Serializes the optimizer's state of every parameter of `adapter`, keyed by the parameters' ids.
    pub fn state(&self, adapter: &Adapter) -> Result<Vec<u8>> {
        self.inner.state(adapter)
    }

    /// Reads a saved state, of an optimizer on any device, into an optimizer without history.
    ///
    /// # Errors
    /// The bytes are not an optimizer's state.
    pub fn resumed(self, state: Vec<u8>) -> Result<Self> {
        let inner = self.inner.resumed(state)?;
        Ok(Self { inner, ..self })
    }

    /// Takes one step over a window of micro-batches and returns the updated adapter.
    ///
    /// The window's loss is the mean over all its supervised tokens, so that the step does not depend on how the
    /// sequences are divided into micro-batches.
    ///
    /// # Errors
    /// [`StepError::Loss`] if no token is supervised, [`StepError::Diverged`] if the loss or the gradient norm is not
    /// finite or the norm is 0; both before anything is updated.
    pub fn step(
        &mut self,
        decoder: &Decoder,
        adapter: Adapter,
        window: &[Batch],
        StepAt {
            step,
            learning_rate,
        }: StepAt,
    ) -> Result<(Adapter, StepOutcome), StepError> {
        let mut sum = self.gradient_sum(&adapter);
        let loss = self.add_gradients(decoder, &adapter, window, step, &mut sum)?;
        self.update(adapter, sum, learning_rate, WindowLoss::OnDevice(loss))
    }

    /// Starts the sum of the gradients of a window.
    pub(crate) fn gradient_sum(&mut self, adapter: &Adapter) -> GradientSum {
        let rates = self.rates(1.0);
        self.inner.gradient_sum(adapter, &rates)
    }

    /// Clips the gradients and updates the adapter with them.
    ///
    /// # Errors
    /// [`StepError::Diverged`], as [`Self::step`].
    pub(crate) fn update(
        &mut self,
        adapter: Adapter,
        gradients: GradientSum,
        learning_rate: f64,
        loss: WindowLoss,
    ) -> Result<(Adapter, StepOutcome), StepError> {
        let (gradients, grad_norm) = gradients.clip(&adapter, self.settings.max_grad_norm);
        let read = |tensors| -> Vec<f32> {
            Tensor::cat(tensors, 0)
                .into_data()
                .try_into_vec()
                .unwrap_or_else(|error| unreachable!("numbers of single precision: {error:?}"))
        };
        let outcome = match loss {
            WindowLoss::OnDevice(loss) => {
                // A single read for both values: on a GPU each read waits for all queued operations.
                let numbers = read(vec![loss, grad_norm]);
                StepOutcome {
                    loss: f64::from(numbers[0]),
                    grad_norm: f64::from(numbers[1]),
                    preference: None,
                }
            }
            WindowLoss::OfPreferences(loss, sums) => StepOutcome {
                loss,
                grad_norm: f64::from(read(vec![grad_norm])[0]),
                preference: Some(sums),
            },
        };
        for (what, value) in [("loss", outcome.loss), ("gradient norm", outcome.grad_norm)] {
            if !value.is_finite() {
                return Err(StepError::Diverged { what, value });
            }
        }
        // Weights that overflow f32 make every hidden state zero and the loss ln(vocab_size): a finite value that would
        // never change again.
        if outcome.grad_norm == 0.0 {
            return Err(StepError::Diverged {
                what: "gradient norm",
                value: 0.0,
            });
        }
        let rates = self.rates(learning_rate);
        Ok((self.inner.step(rates, adapter, gradients), outcome))
    }

    /// Computes the loss of a window, and its gradient for each parameter of the adapter.
    ///
    /// # Errors
    /// [`StepError::Loss`] if no token of the window is supervised.
    pub fn gradients(
        &self,
        decoder: &Decoder,
        adapter: &Adapter,
        window: &[Batch],
        step: usize,
    ) -> Result<(Tensor<1>, GradientsParams), StepError> {
        let mut sum = GradientSum::per_parameter();
        let loss = self.add_gradients(decoder, adapter, window, step, &mut sum)?;
        Ok((loss, sum.into_gradients()))
    }

    /// Computes the loss of a window and adds its gradients to a sum.
    fn add_gradients(
        &self,
        decoder: &Decoder,
        adapter: &Adapter,
        window: &[Batch],
        step: usize,
        sum: &mut GradientSum,
    ) -> Result<Tensor<1>, StepError> {
        let count: usize = window.iter().map(Batch::n_supervised).sum();
        if count == 0 {
            return Err(LossError::NoTargets.into());
        }
        let mut total = Tensor::<1>::zeros([1], decoder.device());
        for (index, batch) in window.iter().enumerate() {
            if batch.n_supervised() == 0 {
                continue;
            }
            let noise = self.settings.noise(step, index, batch);
            let noisy = noise.map(|noise| adapter.with_noise(noise));
            let hidden = batch.hidden_states(decoder, noisy.as_ref().or(Some(adapter)));
            let chunk = self.settings.loss_chunk_size;
            let head = decoder.head(Some(adapter));
            let found = chunked_cross_entropy(hidden, &head, &batch.labels, count, chunk)?;
            sum.add(adapter, found.backward_seed.backward());
            total = total + found.loss;
        }
        Ok(total)
    }

    /// Scales all gradients by a common factor so that their global norm is at most the limit. Also returns the norm
    /// before clipping.
    ///
    /// The factor stays on the device. The epsilon is that of PyTorch's `clip_grad_norm_`.
    pub fn clip(
        &self,
        gradients: GradientsParams,
        adapter: &Adapter,
    ) -> (GradientsParams, Tensor<1>) {
        optimizer::clip(gradients, adapter, self.settings.max_grad_norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Example, StaticShapes};

    /// The decoder divides the noise by the root of the length with padding, so that the longest sequence without it is
    /// that of the paper.
    #[test]
    fn neftune_noise_is_scaled_by_the_length_without_the_padding_of_static_shapes() {
        let settings = OptimizerSettings {
            neftune_noise_alpha: 5.0,
            ..OptimizerSettings::plain(Optim::Adamw)
        };
        let example = |n: usize| Example::new(vec![1; n], vec![true; n]);
        let (long, short) = (example(90), example(20));
        let shapes = StaticShapes {
            sequences: 4,
            limit: 512,
            packing: false,
        };
        let batch = Batch::new(&[&long, &short]);
        let filled = batch.clone().in_shape(Some(shapes));
        assert_eq!((batch.length(), filled.length()), (90, 256));
        let width = |batch: &Batch| {
            let noise = settings.noise(3, 1, batch).expect("noise");
            noise.neftune_noise_alpha / (batch.length() as f64).sqrt()
        };
        let expected = 5.0 / 90.0_f64.sqrt();
        assert!((width(&batch) - expected).abs() < 1e-12);
        assert!((width(&filled) - expected).abs() < 1e-12);
        let silent = OptimizerSettings::plain(Optim::Adamw);
        assert!(silent.noise(3, 1, &filled).is_none());
    }
}
