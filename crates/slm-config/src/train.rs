//! Section `train`: steps, learning rate, optimizer, validation.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::optimizer::{AdamSettings, Optim};
use crate::schema::{Kind, MAX_SEED, section, words};

section! {
/// Section `train`: the optimization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// What is learned from the data: the answers themselves, or which of them is preferred.
    objective: Objective = Objective::Sft => Kind::Word(Objective::words);
    /// How strongly the preference objectives weigh differences in log-probability: the strength of the pull towards the
    /// base model of `dpo` and `kto`, the weight of the odds ratio of `orpo`, the scale of the margin of `simpo`, which
    /// usually is 2 or more. `sft` does not read it.
    beta: f64 = 0.1 => Kind::from_to(0.0, 100.0);
    /// Weight of the loss of `sft` on the chosen answers beside that of `dpo`, so that their probability does not fall.
    /// Source: Pang et al. 2024, arXiv:2404.19733.
    sft_weight: f64 = 0.0 => Kind::from_to(0.0, 100.0), aliases ["rpo_alpha"];
    /// Weight of the wanted answers of `kto`.
    desirable_weight: f64 = 1.0 => Kind::above(0.0, 100.0);
    /// Weight of the unwanted answers of `kto`. The two weights times the numbers of answers should be about equal, with up
    /// to a third more for the wanted ones.
    undesirable_weight: f64 = 1.0 => Kind::above(0.0, 100.0);
    /// Margin of `simpo` by which the chosen answer shall win.
    simpo_gamma: f64 = 0.5 => Kind::from_to(0.0, 100.0);
    /// Passes over the training examples. `max_steps` overrides it.
    num_train_epochs: usize = 1 => Kind::Int(1, 10_000), aliases ["num_epochs", "epochs"];
    /// Optimizer steps of the run, in place of `num_train_epochs`: the data are cut off or repeated, each epoch in a new
    /// order.
    max_steps: Option<usize> = None => Kind::Int(1, 1_000_000_000), absent "the steps of the epochs";
    /// Examples in one forward and backward pass; both answers of a pair count as one.
    micro_batch_size: usize = 4 => Kind::Int(1, 4096), aliases ["per_device_train_batch_size", "batch_size"];
    /// Micro-batches per optimizer step.
    gradient_accumulation_steps: usize = 4 => Kind::Int(1, 65_536), aliases ["grad_accum"];
    /// Optimizer.
    optim: Optim = Optim::Adamw => Kind::Word(Optim::words), aliases ["optimizer"];
    /// Peak learning rate.
    learning_rate: f64 = 2e-4 => Kind::above(0.0, 1.0), aliases ["lr"];
    /// Schedule of the learning rate after the warmup.
    lr_scheduler_type: LrSchedulerType = LrSchedulerType::Cosine => Kind::Word(LrSchedulerType::words),
        aliases ["lr_scheduler"];
    /// Fraction of the steps over which the learning rate rises from 0 to its peak.
    warmup_ratio: f64 = 0.03 => Kind::below(0.0, 1.0);
    /// Decoupled weight decay, of every optimizer.
    weight_decay: f64 = 0.0 => Kind::from_to(0.0, 1.0);
    /// Largest L2 norm of all gradients together; larger gradients are scaled down to it. `null` turns clipping off.
    max_grad_norm: Option<f64> = Some(1.0) => Kind::Float(Bound::Excluded(0.0), Bound::Unbounded),
        aliases ["gradient_clipping"];
    /// Decay of the first moment of `adamw`, or share of the momentum in an update of `lion`. Refused for other
    /// optimizers.
    #[serde(default)]
    adam_beta1: Option<f64> = Optim::Adamw.adam_defaults().beta1 => Kind::below(0.0, 1.0),
        absent "0.9 for `adamw` and `lion`";
    /// Decay of the second moment of `adamw`, or of the momentum of `lion`. Refused for other optimizers.
    #[serde(default)]
    adam_beta2: Option<f64> = Optim::Adamw.adam_defaults().beta2 => Kind::below(0.0, 1.0),
        absent "0.999 for `adamw`, 0.99 for `lion`";
    /// Term of `adamw` that prevents division by zero. Refused for other optimizers.
    #[serde(default)]
    adam_epsilon: Option<f64> = Optim::Adamw.adam_defaults().epsilon => Kind::above(0.0, 0.1),
        absent "1e-8 for `adamw`";
    /// Width of the uniform noise added to the embeddings during training (NEFTune), before division by the root of
    /// length times hidden size. Source: Jain et al. 2023, arXiv:2310.05914, which uses 5 to 15.
    neftune_noise_alpha: Option<f64> = None => Kind::above(0.0, 1000.0), absent "no noise";
    /// Activations kept for the backward pass. Changes memory and speed, not the result.
    gradient_checkpointing: GradientCheckpointing = GradientCheckpointing::Auto =>
        Kind::Word(GradientCheckpointing::words);
    /// Tokens whose logits are in memory at once; on a GPU at least 1024, unless fewer than 256 are set. Changes memory
    /// and speed, not the result.
    loss_chunk_size: usize = 256 => Kind::Int(1, 65_536);
    /// Seed of the adapter's initial values, of the order of the examples, and of dropout and noise.
    seed: u64 = 42 => Kind::Int(0, MAX_SEED);
    /// Optimizer steps between two validations on the examples held out by `data.val_size`. The base model is always
    /// validated before the first step, and the adapter after the last.
    eval_steps: Option<usize> = None => Kind::Int(1, 1_000_000), absent "the steps of an epoch";
    /// Consecutive validations without a lower loss after which training stops.
    early_stopping_patience: Option<usize> = None => Kind::Int(1, 1000), absent "never";
    /// Keeps the adapter with the lowest validation loss rather than the last one. Without `data.val_size` the last is
    /// kept.
    load_best_model_at_end: bool = true => Kind::Bool;
    /// Training loss above which training counts as diverged, in nats per token; of a preference objective per preference. A loss that is not finite always does.
    loss_watchdog_threshold: Option<f64> = None => Kind::Float(Bound::Excluded(0.0), Bound::Unbounded),
        absent "no threshold";
    /// Consecutive steps above the threshold after which training stops.
    loss_watchdog_patience: usize = 3 => Kind::Int(1, 1_000_000);
}
}

words! {
/// What a training learns from its data: `train.objective`.
pub enum Objective {
    /// The answers: their mean loss per token.
    Sft = "sft",
    /// The preferred of two answers, against the base model. Needs format `pairs`. Source: Rafailov et al. 2023,
    /// arXiv:2305.18290.
    Dpo = "dpo",
    /// The chosen answer and its odds against the rejected one, without reference. Needs format `pairs`. Source: Hong et
    /// al. 2024, arXiv:2403.07691.
    Orpo = "orpo",
    /// Whether an answer is wanted, against the base model. Needs format `kto`. Source: Ethayarajh et al. 2024,
    /// arXiv:2402.01306.
    Kto = "kto",
    /// The preferred of two answers by mean log-probability, without reference. Needs format `pairs`. Source: Meng et al.
    /// 2024, arXiv:2405.14734.
    Simpo = "simpo",
}
}

impl Objective {
    /// Whether the loss compares with the log-probabilities of the base model.
    pub fn has_reference(self) -> bool {
        matches!(self, Self::Dpo | Self::Kto)
    }

    /// The format of the data sets that the objective needs; `None` for `sft`, which learns from all others.
    pub fn format(self) -> Option<&'static str> {
        match self {
            Self::Sft => None,
            Self::Dpo | Self::Orpo | Self::Simpo => Some("pairs"),
            Self::Kto => Some("kto"),
        }
    }
}

impl Train {
    /// Examples that one optimizer step sees.
    pub fn examples_per_step(&self) -> usize {
        self.micro_batch_size * self.gradient_accumulation_steps
    }
}

words! {
/// Activations kept for the backward pass: `train.gradient_checkpointing`.
pub enum GradientCheckpointing {
    /// Recomputes as few layers as memory requires; on a GPU that does not report its free memory, all layers.
    Auto = "auto",
    /// Keeps all activations; the fastest.
    None = "none" | "false",
    /// Keeps each layer's input and recomputes the rest in the backward pass: about a tenth of the activation memory for
    /// up to 1.5 times the time. Source: Chen et al. 2016, arXiv:1604.06174.
    Layer = "layer" | "true",
}
}

words! {
/// Schedule of the learning rate after the warmup.
pub enum LrSchedulerType {
    /// Half a cosine, down to 0 at the last step.
    Cosine = "cosine",
    /// A straight line, down to 0 at the last step.
    Linear = "linear",
    /// The peak learning rate throughout.
    Constant = "constant",
}
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

    /// Removes the `adamw` defaults that earlier versions wrote into the copy of every recipe.
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
