//! Rules of section `train`: which `adam_` settings an optimizer has, and which other keys an objective allows.

use super::Check;
use crate::recipe::{ModuleToSave, Recipe};
use crate::train::{Objective, Train};

/// Formats whose rows are preferences.
const OF_PREFERENCES: [&str; 2] = ["pairs", "kto"];

impl Check {
    pub(super) fn train(&mut self, train: &Train) {
        let has = train.optim.adam_defaults();
        for (key, value, default) in [
            ("adam_beta1", train.adam_beta1, has.beta1),
            ("adam_beta2", train.adam_beta2, has.beta2),
            ("adam_epsilon", train.adam_epsilon, has.epsilon),
        ] {
            if let (Some(value), None) = (value, default) {
                let optim = train.optim.name();
                let allowed = format!("nothing, since train.optim {optim} has no such setting");
                self.require(false, &format!("train.{key}"), value, allowed);
            }
        }
    }

    /// Checks the keys of all sections against the objective.
    pub(super) fn objective(&mut self, recipe: &Recipe) {
        let Recipe {
            lora, data, train, ..
        } = recipe;
        let objective = train.objective;
        let name = objective.name();
        for (index, dataset) in data.datasets.iter().enumerate() {
            let found = dataset.format.name();
            let (suits, allowed) = match objective.format() {
                Some(needed) => (
                    found == needed,
                    format!("{needed}, since train.objective is {name}"),
                ),
                None => (
                    !OF_PREFERENCES.contains(&found),
                    format!(
                        "another format, since train.objective is sft; {} learns from {found}",
                        if found == "kto" { "kto" } else { "dpo" }
                    ),
                ),
            };
            self.require(
                suits,
                &format!("data.datasets[{index}].format"),
                found,
                allowed,
            );
        }
        let is_dpo = objective == Objective::Dpo;
        let allowed =
            format!("0, since train.objective is {name} and only dpo has this second loss");
        let has_none = is_dpo || train.sft_weight <= 0.0;
        self.require(has_none, "train.sft_weight", train.sft_weight, allowed);
        if objective == Objective::Sft {
            return;
        }
        let is_positive = train.beta > 0.0 || objective == Objective::Orpo;
        let allowed = format!("above 0, since train.objective is {name}");
        self.require(is_positive, "train.beta", train.beta, allowed);
        let allowed = format!(
            "false, since train.objective is {name}: packed answers are not kept apart yet"
        );
        self.require(!data.packing, "data.packing", data.packing, allowed);
        let trains_head = lora.modules_to_save.contains(&ModuleToSave::LmHead);
        let allowed = format!("no lm_head, since train.objective is {name}");
        self.require(!trains_head, "lora.modules_to_save", "lm_head", allowed);
        if objective.has_reference() {
            let allowed =
                format!("0, since train.objective is {name} and the base model has no dropout");
            let has_none = lora.lora_dropout <= 0.0;
            self.require(has_none, "lora.lora_dropout", lora.lora_dropout, allowed);
            let noise = train.neftune_noise_alpha;
            let allowed =
                format!("nothing, since train.objective is {name} and the base model has no noise");
            let key = "train.neftune_noise_alpha";
            self.require(noise.is_none(), key, noise.unwrap_or_default(), allowed);
        }
        let size = train.micro_batch_size;
        let is_enough = objective != Objective::Kto || size >= 2;
        let allowed =
            "2 or more, since kto compares with the answers to other prompts of the micro-batch";
        self.require(is_enough, "train.micro_batch_size", size, allowed);
    }
}
