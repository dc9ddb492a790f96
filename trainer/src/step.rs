//! One optimizer step: gradients over the accumulation window, clipping, update.

use anyhow::{Context, Result};
use burn::module::{ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::lr_scheduler::LrSchedulerConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrSchedulerConfig};
use burn::optim::{
    AdafactorConfig, AdamWConfig, AdjustLrFn, GradientsAccumulator, GradientsParams, LionConfig,
    ModuleOptimizer, MuonConfig,
};
use burn::tensor::{Bytes, Tensor};
use slm_config::{AdamSettings, Optim};
use slm_model::loss::{LossError, chunked_cross_entropy};
use slm_model::{Adapter, Decoder, Noise};

use crate::batch::Batch;
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

    /// Returns the random parts of a forward pass, if there are any.
    pub(crate) fn noise(&self, step: usize, micro_batch: usize) -> Option<Noise> {
        let noise = Noise {
            lora_dropout: self.lora_dropout,
            neftune_noise_alpha: self.neftune_noise_alpha,
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
pub(crate) enum WindowLoss {
    /// Not read from the device yet. `[1]`
    OnDevice(Tensor<1>),
    /// Computed on the host from the scores of answers.
    OfPreferences(f64, PreferenceSums),
}

/// An optimizer of an adapter's parameters.
pub struct AdapterOptimizer {
    inner: ModuleOptimizer,
    settings: OptimizerSettings,
}

impl AdapterOptimizer {
    /// Creates an optimizer without history.
    pub fn new(settings: OptimizerSettings) -> Self {
        let AdamSettings {
            beta1,
            beta2,
            epsilon,
        } = settings.adam.or(settings.optim.adam_defaults());
        let set = |value: Option<f64>| match value {
            Some(value) => value as f32,
            None => unreachable!("a default of each setting that the optimizer has"),
        };
        let weight_decay = settings.weight_decay as f32;
        let inner = match settings.optim {
            Optim::Adamw => AdamWConfig::new()
                .with_beta_1(set(beta1))
                .with_beta_2(set(beta2))
                .with_epsilon(set(epsilon))
                .with_weight_decay(weight_decay)
                .init(),
            // The recipe sets the learning rate, so it is neither relative nor scaled by the parameter.
            Optim::Adafactor => AdafactorConfig::new()
                .with_relative_step(false)
                .with_scale_parameter(false)
                .with_weight_decay(weight_decay)
                .init(),
            Optim::Lion => LionConfig::new()
                .with_beta_1(set(beta1))
                .with_beta_2(set(beta2))
                .with_weight_decay(weight_decay)
                .init(),
            Optim::Muon => MuonConfig::new()
                .with_weight_decay(Some(WeightDecayConfig::new(weight_decay)))
                .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
                .init(),
        };
        Self { inner, settings }
    }

    /// The settings.
    pub(crate) fn settings(&self) -> OptimizerSettings {
        self.settings
    }

    /// Returns the learning rate of every parameter. For B, and for magnitudes as in PEFT, it is that of A times
    /// LoRA+'s ratio.
    fn rates(&self, learning_rate: f64) -> ModuleLearningRate {
        let ratio = self.settings.loraplus_lr_ratio;
        if ratio.to_bits() == 1.0_f64.to_bits() {
            return learning_rate.into();
        }
        let rate = LrSchedulerConfig::Constant;
        let of_b = ParamGroup::from_regex(r"(^|\.)(lora_b|lora_magnitude_vector)$")
            .unwrap_or_else(|problem| unreachable!("a constant regular expression: {problem:?}"));
        let scheduler = ModuleLrSchedulerConfig::new(rate(learning_rate))
            .with_group(of_b, rate(learning_rate * ratio))
            .init();
        match scheduler {
            Ok(mut scheduler) => scheduler.step(),
            Err(problem) => unreachable!("constant rates need no settings: {problem}"),
        }
    }

    /// Serializes the optimizer's state of every parameter, keyed by the parameters' ids.
    pub(crate) fn state(&self) -> Result<Vec<u8>> {
        let bytes = self.inner.into_bytes();
        Ok(bytes.context("cannot save the optimizer's state")?.to_vec())
    }

    /// Creates an optimizer from a saved state.
    ///
    /// # Errors
    /// The bytes are not an optimizer's state.
    pub(crate) fn resume(settings: OptimizerSettings, state: Vec<u8>) -> Result<Self> {
        let Self { inner, settings } = Self::new(settings);
        let inner = inner.from_bytes(Bytes::from_bytes_vec(state));
        let inner = inner.context("cannot read the optimizer's state")?;
        Ok(Self { inner, settings })
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
        let (loss, gradients) = self.gradients(decoder, &adapter, window, step)?;
        self.update(
            adapter,
            gradients,
            learning_rate,
            WindowLoss::OnDevice(loss),
        )
    }

    /// Clips the gradients and updates the adapter with them.
    ///
    /// # Errors
    /// [`StepError::Diverged`], as [`Self::step`].
    pub(crate) fn update(
        &mut self,
        adapter: Adapter,
        gradients: GradientsParams,
        learning_rate: f64,
        loss: WindowLoss,
    ) -> Result<(Adapter, StepOutcome), StepError> {
        let (gradients, grad_norm) = self.clip(gradients, &adapter);
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
        let count: usize = window.iter().map(Batch::n_supervised).sum();
        if count == 0 {
            return Err(LossError::NoTargets.into());
        }
        let mut accumulator = GradientsAccumulator::new();
        let mut total = Tensor::<1>::zeros([1], decoder.device());
        for (index, batch) in window.iter().enumerate() {
            if batch.n_supervised() == 0 {
                continue;
            }
            let noise = self.settings.noise(step, index);
            let noisy = noise.map(|noise| adapter.with_noise(noise));
            let hidden = batch.hidden_states(decoder, noisy.as_ref().or(Some(adapter)));
            let chunk = self.settings.loss_chunk_size;
            let head = decoder.head(Some(adapter));
            let found = chunked_cross_entropy(hidden, &head, &batch.labels, count, chunk)?;
            let gradients = found.backward_seed.backward();
            accumulator.accumulate(adapter, GradientsParams::from_grads(gradients, adapter));
            total = total + found.loss;
        }
        Ok((total, accumulator.grads()))
    }

    /// Scales all gradients by a common factor so that their global norm is at most the limit. Also returns the norm
    /// before clipping.
    ///
    /// The factor stays on the device. The epsilon is that of PyTorch's `clip_grad_norm_`.
    pub fn clip(
        &self,
        mut gradients: GradientsParams,
        adapter: &Adapter,
    ) -> (GradientsParams, Tensor<1>) {
        let ids: Vec<ParamId> = adapter.parameter_ids().collect();
        let taken: Vec<(ParamId, Tensor<2>)> = ids
            .into_iter()
            .filter_map(|id| Some((id, gradients.remove(id)?)))
            .collect();
        let squares = taken
            .iter()
            .map(|(_, gradient)| gradient.clone().square().sum());
        let norm = squares
            .reduce(|a, b| a + b)
            .unwrap_or_else(|| unreachable!("an adapter has parameters, and backward reached them"))
            .sqrt();
        let factor = self.settings.max_grad_norm.map(|limit| {
            (norm.clone() + 1e-6)
                .recip()
                .mul_scalar(limit)
                .clamp_max(1.0)
        });
        for (id, gradient) in taken {
            let gradient = match &factor {
                Some(factor) => gradient * factor.clone().unsqueeze(),
                None => gradient,
            };
            gradients.register(id, gradient);
        }
        (gradients, norm)
    }
}
