//! Section `train`: steps, learning rate, optimizer, validation.

use serde::{Deserialize, Serialize};

use crate::optimizer::{AdamSettings, Optim};

/// Section `train`: the optimisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the examples. Default 1; 1 to 10000. Alias: `num_epochs`, `epochs`. `max_steps` overrides it.
    pub num_train_epochs: usize,
    /// Optimizer steps of the run in place of `num_train_epochs`: the data are cut off or repeated, each epoch in an
    /// order of its own. Default: those of the epochs; 1 to 1000000000.
    pub max_steps: Option<usize>,
    /// Examples in one forward and backward pass. Default 4; 1 to 4096.
    /// Alias: `per_device_train_batch_size`, `batch_size`.
    pub micro_batch_size: usize,
    /// Micro-batches in one optimizer step. Default 4; 1 to 65536.
    pub gradient_accumulation_steps: usize,
    /// Optimizer. Default `adamw`.
    pub optim: Optim,
    /// Peak learning rate. Default 2e-4; above 0, at most 1. Alias: `lr`.
    pub learning_rate: f64,
    /// Course of the learning rate after the warmup. Default `cosine`. Alias: `lr_scheduler`.
    pub lr_scheduler_type: LrSchedulerType,
    /// Share of the steps in which the learning rate rises from 0. Default 0.03; from 0 to below 1.
    pub warmup_ratio: f64,
    /// Decoupled weight decay, of every optimizer. Default 0; 0 to 1.
    pub weight_decay: f64,
    /// Largest L2 norm of all gradients together; a larger one is scaled down. Default 1; above 0;
    /// `null` clips nothing.
    pub max_grad_norm: Option<f64>,
    /// Decay of the first moment of `adamw`, share of the momentum in an update of `lion`. Default 0.9; from
    /// 0 to below 1; refused for other optimizers.
    #[serde(default)]
    pub adam_beta1: Option<f64>,
    /// Decay of the second moment of `adamw`, by default 0.999, and of the momentum of `lion`, by default
    /// 0.99; from 0 to below 1; refused for other optimizers.
    #[serde(default)]
    pub adam_beta2: Option<f64>,
    /// Term of `adamw` against division by zero. Default 1e-8; above 0, at most 0.1; refused for other
    /// optimizers.
    #[serde(default)]
    pub adam_epsilon: Option<f64>,
    /// Width of the uniform noise that is added to the embeddings in training, before it is divided by
    /// the root of length times hidden size. Default: no noise; above 0, at most 1000. Source: Jain et
    /// al. 2023, arXiv:2310.05914, which takes 5 to 15.
    pub neftune_noise_alpha: Option<f64>,
    /// What is kept of a forward pass for the backward pass. Default `auto`.
    pub gradient_checkpointing: GradientCheckpointing,
    /// Tokens whose logits stand in memory at once. Default 256; 1 to 65536. Changes memory and
    /// speed, not the result.
    pub loss_chunk_size: usize,
    /// Seed of the adapter's initial values, of the order of the examples, and of dropout and noise.
    /// Default 42; 0 to 2^53.
    pub seed: u64,
    /// Optimizer steps between two validations on the part that `data.val_size` keeps out. Default:
    /// those of an epoch; 1 to 1000000. There is always one before the first step, of the base model, and
    /// one after the last.
    pub eval_steps: Option<usize>,
    /// Validations in a row without a lower loss after which training stops. Default: never; 1 to
    /// 1000.
    pub early_stopping_patience: Option<usize>,
    /// Keep the adapter of the lowest validation loss and not the last one. Default true; without
    /// `data.val_size` there is only the last.
    pub load_best_model_at_end: bool,
    /// Training loss in nats a token above which training counts as diverged. Default: only what is
    /// no finite number; above 0.
    pub loss_watchdog_threshold: Option<f64>,
    /// Steps in a row above that threshold after which training stops. Default 3; 1 to 1000000.
    pub loss_watchdog_patience: usize,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            num_train_epochs: 1,
            max_steps: None,
            micro_batch_size: 4,
            gradient_accumulation_steps: 4,
            optim: Optim::Adamw,
            learning_rate: 2e-4,
            lr_scheduler_type: LrSchedulerType::Cosine,
            warmup_ratio: 0.03,
            weight_decay: 0.0,
            max_grad_norm: Some(1.0),
            adam_beta1: Optim::Adamw.adam_defaults().beta1,
            adam_beta2: Optim::Adamw.adam_defaults().beta2,
            adam_epsilon: Optim::Adamw.adam_defaults().epsilon,
            neftune_noise_alpha: None,
            gradient_checkpointing: GradientCheckpointing::Auto,
            loss_chunk_size: 256,
            seed: 42,
            eval_steps: None,
            early_stopping_patience: None,
            load_best_model_at_end: true,
            loss_watchdog_threshold: None,
            loss_watchdog_patience: 3,
        }
    }
}

impl Train {
    /// Examples that one optimizer step sees.
    pub fn examples_per_step(&self) -> usize {
        self.micro_batch_size * self.gradient_accumulation_steps
    }
}

/// What is kept of a forward pass: `train.gradient_checkpointing`. It changes memory and speed, not the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradientCheckpointing {
    /// On the CPU as few layers are computed again as memory asks for, on a GPU all.
    Auto,
    /// Everything: the fastest.
    #[serde(alias = "false")]
    None,
    /// What goes into each layer; its inside is computed again, which takes up to a half more time and leaves a tenth
    /// of the memory. Source: Chen et al. 2016, arXiv:1604.06174.
    #[serde(alias = "true")]
    Layer,
}

/// Course of the learning rate after the warmup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrSchedulerType {
    /// Half a cosine wave, down to 0 at the last step.
    Cosine,
    /// A straight line, down to 0 at the last step.
    Linear,
    /// The peak learning rate throughout.
    Constant,
}

impl Train {
    /// The `adam_` settings as the recipe has them.
    pub fn adam(&self) -> AdamSettings {
        AdamSettings {
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            epsilon: self.adam_epsilon,
        }
    }

    fn set_adam(
        &mut self,
        AdamSettings {
            beta1,
            beta2,
            epsilon,
        }: AdamSettings,
    ) {
        (self.adam_beta1, self.adam_beta2, self.adam_epsilon) = (beta1, beta2, epsilon);
    }

    /// Takes back what earlier versions wrote into the copy of every recipe, whatever its optimizer.
    pub(crate) fn forget_foreign_adam(&mut self) {
        if self.optim != Optim::Adamw && self.adam() == Optim::Adamw.adam_defaults() {
            self.set_adam(AdamSettings::default());
        }
    }

    /// Writes out the defaults of the optimizer's `adam_` settings.
    pub(crate) fn fill_adam(&mut self) {
        self.set_adam(self.adam().or(self.optim.adam_defaults()));
    }
}
