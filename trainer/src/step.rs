//! One optimizer step: gradients over the accumulation window, clipping, the optimizer.

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

/// The optimizer's settings and what is done to gradients before it.
#[derive(Clone, Copy, Debug)]
pub struct OptimizerSettings {
    /// Which one.
    pub optim: Optim,
    /// Rate of B and of magnitudes as a multiple of that of A.
    pub loraplus_lr_ratio: f64,
    /// Decays and epsilon, of the optimizers that have them.
    pub adam: AdamSettings,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together; larger ones are scaled down. `None` leaves them.
    pub max_grad_norm: Option<f64>,
    /// Supervised tokens whose logits are held at a time.
    pub loss_chunk_size: usize,
    /// Share of each pair's input that is zeroed.
    pub lora_dropout: f64,
    /// Width of the noise on the embeddings; 0 for none.
    pub neftune_noise_alpha: f64,
    /// Seed of zeros and noise.
    pub seed: u64,
}

impl OptimizerSettings {
    /// An optimizer with the settings that it has by itself: no decay, nothing clipped, nothing random, the logits of
    /// 256 tokens at a time.
    pub fn plain(optim: Optim) -> Self {
        Self {
            optim,
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

    /// What is random in a forward pass, if anything is.
    fn noise(&self, step: usize, micro_batch: usize) -> Option<Noise> {
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

/// When a step is taken.
#[derive(Clone, Copy, Debug)]
pub struct StepAt {
    /// Optimizer steps done before it.
    pub step: usize,
    /// Its learning rate.
    pub learning_rate: f64,
}

/// What a step did.
#[derive(Clone, Copy, Debug)]
pub struct StepOutcome {
    /// Mean cross-entropy of the window's supervised tokens before the update, in nats.
    pub loss: f64,
    /// Norm of all gradients together, before clipping.
    pub grad_norm: f64,
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum StepError {
    /// The window has nothing to learn from.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// The loss or the gradient left the finite numbers, or nothing is left to learn from.
    #[error("{what} is {value}")]
    Diverged {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
    },
}

/// An optimizer over an adapter.
pub struct AdapterOptimizer {
    inner: ModuleOptimizer,
    settings: OptimizerSettings,
}

impl AdapterOptimizer {
    /// An optimizer without history.
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
            // The recipe gives the rate, so it is neither made relative nor scaled by the parameter.
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

    /// The rate of every parameter: that of B, and of magnitudes as in PEFT, is the rate of A times LoRA+'s ratio.
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

    /// The moments of every parameter, keyed by the parameters' identities.
    pub(crate) fn state(&self) -> Result<Vec<u8>> {
        let bytes = self.inner.into_bytes();
        Ok(bytes.context("cannot save the optimizer's state")?.to_vec())
    }

    /// An optimizer that goes on from a saved state.
    ///
    /// # Errors
    /// The bytes are no optimizer's state.
    pub(crate) fn resume(settings: OptimizerSettings, state: Vec<u8>) -> Result<Self> {
        let Self { inner, settings } = Self::new(settings);
        let inner = inner.from_bytes(Bytes::from_bytes_vec(state));
        let inner = inner.context("cannot read the optimizer's state")?;
        Ok(Self { inner, settings })
    }

    /// Takes one step over a window of micro-batches and gives the updated adapter.
    ///
    /// The window's loss is the mean over all its supervised tokens, so that the step does not depend on
    /// how the sequences are cut into micro-batches.
    ///
    /// # Errors
    /// [`StepError::Diverged`] before anything is updated, if the loss or the gradient norm is not finite or the norm is 0.
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
        let (gradients, grad_norm) = self.clip(gradients, &adapter);
        // One read for both: on a GPU each waits for all that was asked of it before.
        let numbers: Vec<f32> = Tensor::cat(vec![loss, grad_norm], 0)
            .into_data()
            .try_into_vec()
            .unwrap_or_else(|error| unreachable!("two numbers of single precision: {error:?}"));
        let outcome = StepOutcome {
            loss: f64::from(numbers[0]),
            grad_norm: f64::from(numbers[1]),
        };
        for (what, value) in [("loss", outcome.loss), ("gradient norm", outcome.grad_norm)] {
            if !value.is_finite() {
                return Err(StepError::Diverged { what, value });
            }
        }
        // Weights that have grown out of f32's range make every state zero and the loss ln(vocab_size): finite, and
        // never to change again.
        if outcome.grad_norm == 0.0 {
            return Err(StepError::Diverged {
                what: "gradient norm",
                value: 0.0,
            });
        }
        let rates = self.rates(learning_rate);
        Ok((self.inner.step(rates, adapter, gradients), outcome))
    }

    /// Loss of the window of a step, and its gradient for each parameter of the adapter.
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

    /// Scales all gradients by one factor so that their common norm is at most the limit.
    ///
    /// The factor stays on the device. The small constant is that of PyTorch's `clip_grad_norm_`.
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
