//! The ranges of sections `train` and `output`.

use std::ops::Bound;

use super::{Check, MAX_SEED};
use crate::recipe::Output;
use crate::train::Train;

impl Check {
    pub(super) fn train(&mut self, train: &Train) {
        let Train {
            num_train_epochs,
            max_steps,
            micro_batch_size,
            gradient_accumulation_steps,
            optim,
            learning_rate,
            lr_scheduler_type: _,
            warmup_ratio,
            weight_decay,
            max_grad_norm,
            adam_beta1,
            adam_beta2,
            adam_epsilon,
            neftune_noise_alpha,
            gradient_checkpointing: _,
            loss_chunk_size,
            seed,
            eval_steps,
            early_stopping_patience,
            load_best_model_at_end: _,
            loss_watchdog_threshold,
            loss_watchdog_patience,
        } = train;
        let above_0 = Bound::Excluded(0.0);
        self.int_in("train.num_train_epochs", *num_train_epochs, 1..=10_000);
        if let Some(steps) = *max_steps {
            self.int_in("train.max_steps", steps, 1..=1_000_000_000);
        }
        self.int_in("train.micro_batch_size", *micro_batch_size, 1..=4096);
        self.int_in(
            "train.gradient_accumulation_steps",
            *gradient_accumulation_steps,
            1..=65_536,
        );
        self.float_in(
            "train.learning_rate",
            *learning_rate,
            (above_0, Bound::Included(1.0)),
        );
        self.float_in("train.warmup_ratio", *warmup_ratio, 0.0..1.0);
        self.float_in("train.weight_decay", *weight_decay, 0.0..=1.0);
        if let Some(norm) = *max_grad_norm {
            self.float_in("train.max_grad_norm", norm, (above_0, Bound::Unbounded));
        }
        let has = optim.adam_defaults();
        let below_1 = (Bound::Included(0.0), Bound::Excluded(1.0));
        for (key, value, default, range) in [
            ("adam_beta1", adam_beta1, has.beta1, below_1),
            ("adam_beta2", adam_beta2, has.beta2, below_1),
            (
                "adam_epsilon",
                adam_epsilon,
                has.epsilon,
                (above_0, Bound::Included(0.1)),
            ),
        ] {
            let key = format!("train.{key}");
            match (*value, default) {
                (Some(value), Some(_)) => self.float_in(&key, value, range),
                (Some(value), None) => {
                    let optim = optim.name();
                    let allowed = format!("nothing, since train.optim {optim} has no such setting");
                    self.require(false, &key, value, allowed);
                }
                (None, _) => {}
            }
        }
        if let Some(alpha) = *neftune_noise_alpha {
            let range = (above_0, Bound::Included(1000.0));
            self.float_in("train.neftune_noise_alpha", alpha, range);
        }
        self.int_in("train.loss_chunk_size", *loss_chunk_size, 1..=65_536);
        self.int_in("train.seed", *seed, 0..=MAX_SEED);
        if let Some(steps) = *eval_steps {
            self.int_in("train.eval_steps", steps, 1..=1_000_000);
        }
        if let Some(patience) = *early_stopping_patience {
            self.int_in("train.early_stopping_patience", patience, 1..=1000);
        }
        if let Some(loss) = *loss_watchdog_threshold {
            let key = "train.loss_watchdog_threshold";
            self.float_in(key, loss, (above_0, Bound::Unbounded));
        }
        let key = "train.loss_watchdog_patience";
        self.int_in(key, *loss_watchdog_patience, 1..=1_000_000);
    }

    pub(super) fn output(&mut self, output: &Output) {
        let Output {
            output_dir,
            logging_steps,
            save_steps,
            save_total_limit,
        } = output;
        if let Some(folder) = output_dir {
            let text = folder.to_string_lossy();
            self.not_blank("output.output_dir", &text, "a folder");
        }
        self.int_in("output.logging_steps", *logging_steps, 1..=1_000_000);
        self.int_in("output.save_steps", *save_steps, 1..=1_000_000);
        self.int_in("output.save_total_limit", *save_total_limit, 1..=1000);
    }
}
