//! Preferences in the training loop: held-out figures, sums between lines of the log, and a known trap.

use anyhow::Result;
use slm_artifacts::HeldOutPreferences;
use slm_cli::Progress;
use slm_model::{Adapter, Decoder};

use super::Training;
use crate::checkpoint::TrainingState;
use crate::preference::{Objective, PreferenceSums, Preferences, validate_preferences};
use crate::validation::validate;

/// Fall of the mean log-probability of the chosen answers that is warned about, in nats; less is noise.
const NOTABLE_FALL: f64 = 0.1;
/// Largest value of `train.sft_weight`.
const MOST_SFT_WEIGHT: f64 = 100.0;

/// The result of a validation.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldOut {
    /// Mean loss, in nats per supervised token; of a preference objective, per pair or answer.
    pub(super) loss: f64,
    /// Sums of a preference objective.
    pub(super) sums: Option<PreferenceSums>,
    /// Its accuracy with the interval.
    pub(super) preferences: Option<HeldOutPreferences>,
}

impl HeldOut {
    /// Describes accuracy and margin, after a comma; empty without preferences.
    pub(super) fn text(&self) -> String {
        text(self.sums, ", ")
    }
}

/// Describes accuracy and margin, each after `separator`; empty without preferences.
pub(super) fn text(sums: Option<PreferenceSums>, separator: &str) -> String {
    let Some(figures) = sums.and_then(PreferenceSums::figures) else {
        return String::new();
    };
    let margin = figures.reward_margin.map_or_else(String::new, |margin| {
        format!("{separator}margin {margin:+.3}")
    });
    format!("{separator}accuracy {:.2}{margin}", figures.accuracy)
}

impl Training<'_> {
    /// Returns the examples of a preference objective; `None` for `sft`.
    pub(super) fn preferences(&self) -> Option<Preferences<'_>> {
        let objective = self.optimizer.objective;
        (objective != Objective::Sft).then_some(Preferences {
            examples: self.examples,
            objective,
            reference: self.reference.as_ref(),
            micro_batch_size: self.recipe.train.micro_batch_size,
            chunk_size: self.recipe.train.loss_chunk_size,
            max_seq_length: self.recipe.data.max_seq_length,
        })
    }

    /// Measures the loss on the validation examples.
    ///
    /// # Errors
    /// The examples cannot be read, or the backend failed up to now: in the update before, too, which a GPU executes
    /// late.
    pub(super) fn measure_held_out(&self, decoder: &Decoder, adapter: &Adapter) -> Result<HeldOut> {
        let indices = &self.examples.validation;
        if let Some(preferences) = self.preferences() {
            let found = validate_preferences(decoder, Some(adapter), preferences, indices, |_| ())?;
            slm_cli::check_backend()?;
            return Ok(HeldOut {
                loss: found.loss,
                sums: Some(found.sums),
                preferences: found.held_out,
            });
        }
        let train = &self.recipe.train;
        let shapes = self.shapes().without_packing(train.micro_batch_size);
        let sizes = (shapes, train.loss_chunk_size);
        let store = &self.examples.store;
        let found = validate(decoder, Some(adapter), store, indices, sizes, |_| ())?;
        slm_cli::check_backend()?;
        Ok(HeldOut {
            loss: found.loss,
            sums: None,
            preferences: None,
        })
    }

    /// Warns at the end of an epoch or of the training if the chosen answers of `dpo` became less likely: the margin then
    /// grows because the rejected ones fall faster.
    pub(super) fn watch_chosen(
        &self,
        state: &mut TrainingState,
        is_last: bool,
        progress: &Progress,
    ) {
        let ends_epoch = state.step.is_multiple_of(self.steps_per_epoch);
        if !ends_epoch && !is_last {
            return;
        }
        let chosen = std::mem::take(&mut state.preference.epoch).chosen;
        if chosen.count == 0 {
            return;
        }
        let change = (chosen.log_p - chosen.reference_log_p) / chosen.count as f64;
        let before = std::mem::replace(&mut state.preference.chosen_before, change);
        let Objective::Dpo { sft_weight, .. } = self.optimizer.objective else {
            return;
        };
        if before - change > NOTABLE_FALL {
            progress.note(&format!(
                "warning: the log-probability of the chosen answers fell by {:.2} nats up to step {}, to {change:+.2} against \
                 the base model\nhint: {}",
                before - change,
                state.step,
                hint_against_fall(sft_weight)
            ));
        }
    }
}

/// Names the setting that works against the fall of the chosen answers.
fn hint_against_fall(sft_weight: f64) -> String {
    if sft_weight > 0.0 {
        let more = (2.0 * sft_weight).min(MOST_SFT_WEIGHT);
        format!(
            "raise `train.sft_weight` ({sft_weight}), as in --set train.sft_weight={more}, or lower `train.learning_rate`"
        )
    } else {
        "--set train.sft_weight=0.2 counteracts it".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::hint_against_fall;

    #[test]
    fn the_hint_depends_on_the_weight_that_is_already_set() {
        assert!(hint_against_fall(0.0).contains("sft_weight=0.2 "));
        assert!(hint_against_fall(0.2).contains("sft_weight=0.4,"));
        assert!(hint_against_fall(100.0).contains("sft_weight=100,"));
    }
}
