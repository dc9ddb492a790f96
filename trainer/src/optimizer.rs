//! The optimizers of an adapter: one update for each parameter, or on a GPU one for all of them.
//!
//! A kernel launch takes about as long as the update of a small matrix. An adapter has hundreds of them, so that on a GPU
//! `AdamW` works on a few long vectors in which the matrices are concatenated ([`flat`]). The state on disk is keyed by
//! parameter either way, so that a training may be resumed on another device.

mod flat;
mod portable;

use anyhow::{Context, Result};
use burn::module::ParamId;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::optim::{
    AdafactorConfig, AdamW, AdamWConfig, AdjustLrFn, GradientsAccumulator, GradientsParams,
    LionConfig, ModuleOptimizer, MuonConfig,
};
use burn::tensor::{Bytes, Gradients, Tensor};
use slm_config::{AdamSettings, Optim};
use slm_model::Adapter;

pub(crate) use flat::FlatAdamw;
use flat::FlatGradients;
use portable::Portable;

/// The optimizer of a training, with its state.
pub(crate) enum Optimizer {
    /// Each parameter is updated alone.
    PerParameter(ModuleOptimizer),
    /// All parameters are updated together.
    Flat(FlatAdamw),
}

/// Returns the most values that an optimizer updates together on a GPU, for parameters of these rows and columns.
pub(crate) fn updated_together(optim: Optim, shapes: &[[usize; 2]]) -> usize {
    if optim == Optim::Adamw {
        return flat::updated_together(shapes);
    }
    let sizes = shapes.iter().map(|[rows, columns]| rows * columns);
    sizes.max().unwrap_or(0)
}

/// The gradients of a window, summed over its micro-batches.
pub(crate) enum GradientSum {
    /// One gradient for each parameter.
    PerParameter(GradientsAccumulator<Adapter>),
    /// Concatenated gradients.
    Flat(FlatGradients),
}

/// Gradients that are clipped, ready for the update.
pub(crate) enum Clipped {
    /// One gradient for each parameter.
    PerParameter(GradientsParams),
    /// Concatenated gradients.
    Flat(FlatGradients),
}

/// Settings of an optimizer that do not change from step to step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hyperparameters {
    /// The optimizer.
    pub(crate) optim: Optim,
    /// Betas and epsilon, for the optimizers that have them.
    pub(crate) adam: AdamSettings,
    /// Decoupled weight decay.
    pub(crate) weight_decay: f64,
}

impl Hyperparameters {
    /// Returns a beta or epsilon of the optimizer.
    fn set(value: Option<f64>) -> f32 {
        match value {
            Some(value) => value as f32,
            None => unreachable!("a default of each setting that the optimizer has"),
        }
    }

    fn adamw(self) -> AdamW {
        let adam = self.adam.or(self.optim.adam_defaults());
        AdamWConfig::new()
            .with_beta_1(Self::set(adam.beta1))
            .with_beta_2(Self::set(adam.beta2))
            .with_epsilon(Self::set(adam.epsilon))
            .with_weight_decay(self.weight_decay as f32)
            .build()
    }

    fn per_parameter(self) -> ModuleOptimizer {
        let adam = self.adam.or(self.optim.adam_defaults());
        let weight_decay = self.weight_decay as f32;
        match self.optim {
            Optim::Adamw => Portable(self.adamw()).into(),
            // The recipe sets the learning rate, so it is neither relative nor scaled by the parameter.
            Optim::Adafactor => {
                let config = AdafactorConfig::new()
                    .with_relative_step(false)
                    .with_scale_parameter(false)
                    .with_weight_decay(weight_decay);
                Portable(config.build()).into()
            }
            Optim::Lion => {
                let config = LionConfig::new()
                    .with_beta_1(Self::set(adam.beta1))
                    .with_beta_2(Self::set(adam.beta2))
                    .with_weight_decay(weight_decay);
                Portable(config.build()).into()
            }
            Optim::Muon => {
                let config = MuonConfig::new()
                    .with_weight_decay(Some(WeightDecayConfig::new(weight_decay)))
                    .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW);
                Portable(config.build()).into()
            }
        }
    }
}

impl Optimizer {
    /// Creates an optimizer without history. `is_flat` asks for one update of all parameters, which only `AdamW` has.
    pub(crate) fn new(settings: Hyperparameters, is_flat: bool) -> Self {
        if is_flat && settings.optim == Optim::Adamw {
            Self::Flat(FlatAdamw::new(settings.adamw()))
        } else {
            Self::PerParameter(settings.per_parameter())
        }
    }

    /// Reads a saved state into an optimizer without history.
    ///
    /// # Errors
    /// The bytes are not an optimizer's state.
    pub(crate) fn resumed(self, state: Vec<u8>) -> Result<Self> {
        let bytes = Bytes::from_bytes_vec(state);
        let resumed = match self {
            Self::PerParameter(inner) => inner.from_bytes(bytes).map(Self::PerParameter),
            Self::Flat(inner) => inner.resumed(bytes).map(Self::Flat),
        };
        resumed.context("cannot read the optimizer's state")
    }

    /// Serializes the state of every parameter of `adapter`, keyed by the parameters' ids.
    pub(crate) fn state(&self, adapter: &Adapter) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::PerParameter(inner) => inner.into_bytes(),
            Self::Flat(inner) => inner.state(adapter),
        };
        Ok(bytes.context("cannot save the optimizer's state")?.to_vec())
    }

    /// Starts a sum of gradients for the next update of `adapter`, whose parameters have these learning rates.
    pub(crate) fn gradient_sum(
        &mut self,
        adapter: &Adapter,
        rates: &ModuleLearningRate,
    ) -> GradientSum {
        match self {
            Self::PerParameter(_) => GradientSum::per_parameter(),
            Self::Flat(inner) => GradientSum::Flat(inner.no_gradients(adapter, rates)),
        }
    }

    /// Updates the adapter.
    ///
    /// # Panics
    /// The gradients are of another kind of optimizer.
    pub(crate) fn step(
        &mut self,
        rates: ModuleLearningRate,
        adapter: Adapter,
        gradients: Clipped,
    ) -> Adapter {
        match (self, gradients) {
            (Self::PerParameter(inner), Clipped::PerParameter(gradients)) => {
                inner.step(rates, adapter, gradients)
            }
            (Self::Flat(inner), Clipped::Flat(gradients)) => inner.step(&rates, adapter, gradients),
            _ => unreachable!("gradients are summed for the optimizer that takes them"),
        }
    }
}

impl GradientSum {
    /// Starts a sum with one gradient for each parameter.
    pub(crate) fn per_parameter() -> Self {
        Self::PerParameter(GradientsAccumulator::new())
    }

    /// Returns the gradient of each parameter.
    ///
    /// # Panics
    /// The gradients are concatenated.
    pub(crate) fn into_gradients(self) -> GradientsParams {
        match self {
            Self::PerParameter(mut sum) => sum.grads(),
            Self::Flat(_) => unreachable!("a sum with one gradient for each parameter"),
        }
    }

    /// Adds the gradients of a micro-batch.
    pub(crate) fn add(&mut self, adapter: &Adapter, gradients: Gradients) {
        let gradients = GradientsParams::from_grads(gradients, adapter);
        match self {
            Self::PerParameter(sum) => sum.accumulate(adapter, gradients),
            Self::Flat(sum) => sum.add(gradients),
        }
    }

    /// Scales all gradients by a common factor so that their global norm is at most `limit`, if there is one. Also returns
    /// the norm before clipping, `[1]`.
    ///
    /// The factor stays on the device.
    pub(crate) fn clip(self, adapter: &Adapter, limit: Option<f64>) -> (Clipped, Tensor<1>) {
        match self {
            Self::PerParameter(mut sum) => {
                let (clipped, norm) = clip(sum.grads(), adapter, limit);
                (Clipped::PerParameter(clipped), norm)
            }
            Self::Flat(sum) => {
                let norm = norm_of(sum.each().iter().map(|gradient| square_sum(gradient)));
                let factor = clip_factor(&norm, limit);
                (Clipped::Flat(sum.scaled(factor)), norm)
            }
        }
    }
}

/// Clips one gradient for each parameter, as [`GradientSum::clip`].
pub(crate) fn clip(
    mut gradients: GradientsParams,
    adapter: &Adapter,
    limit: Option<f64>,
) -> (GradientsParams, Tensor<1>) {
    let ids: Vec<ParamId> = adapter.parameter_ids().collect();
    let taken: Vec<(ParamId, Tensor<2>)> = ids
        .into_iter()
        .filter_map(|id| Some((id, gradients.remove(id)?)))
        .collect();
    let norm = norm_of(taken.iter().map(|(_, gradient)| square_sum(gradient)));
    let factor = clip_factor(&norm, limit);
    for (id, gradient) in taken {
        let gradient = match &factor {
            Some(factor) => gradient * factor.clone().unsqueeze(),
            None => gradient,
        };
        gradients.register(id, gradient);
    }
    (gradients, norm)
}

fn square_sum<const D: usize>(gradient: &Tensor<D>) -> Tensor<1> {
    gradient.clone().square().sum()
}

/// Returns the norm of parts with these sums of squares.
fn norm_of(squares: impl Iterator<Item = Tensor<1>>) -> Tensor<1> {
    let sum = squares.reduce(|a, b| a + b);
    sum.unwrap_or_else(|| unreachable!("an adapter has parameters, and backward reached them"))
        .sqrt()
}

/// Returns the factor that scales gradients of this norm to at most `limit`. The epsilon is that of PyTorch's
/// `clip_grad_norm_`.
fn clip_factor(norm: &Tensor<1>, limit: Option<f64>) -> Option<Tensor<1>> {
    let limit = limit?;
    let factor = (norm.clone() + 1e-6).recip().mul_scalar(limit);
    Some(factor.clamp_max(1.0))
}
