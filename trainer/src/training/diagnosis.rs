//! Error messages for trainings that cannot continue.

use anyhow::Result;

use super::Training;
use super::window::Window;
use crate::checkpoint::TrainingState;
use crate::step::{StepAt, StepError};

impl Training<'_> {
    /// Stops a training whose loss has exceeded the watchdog's threshold for too many consecutive steps.
    pub(super) fn watch(&self, state: &mut TrainingState, learning_rate: f64) -> Result<()> {
        let train = &self.recipe.train;
        let Some(threshold) = train.loss_watchdog_threshold else {
            return Ok(());
        };
        if state.last_loss <= threshold {
            state.steps_above_threshold = 0;
            return Ok(());
        }
        state.steps_above_threshold += 1;
        let steps = state.steps_above_threshold;
        if steps < train.loss_watchdog_patience {
            return Ok(());
        }
        anyhow::bail!(
            "training diverged: loss is {:.3} at step {} (learning_rate {learning_rate:.1e}), above \
             `train.loss_watchdog_threshold` {threshold} for {steps} steps in a row\n\
             hint: lower `train.learning_rate`, or raise the threshold; the last checkpoint is unchanged",
            state.last_loss,
            state.step
        )
    }

    /// Explains why training cannot continue, and names the examples of the step, one of which may be the cause.
    pub(super) fn stopped(&self, error: StepError, at: StepAt, window: &Window) -> anyhow::Error {
        let StepAt {
            step,
            learning_rate,
        } = at;
        let step = step + 1;
        let examples = self.named(&window.examples);
        match error {
            StepError::Diverged { .. } => anyhow::anyhow!(
                "training diverged: {error} at step {step} (learning_rate {learning_rate:.1e})\n{examples}\n\
                 hint: lower `train.learning_rate`, or inspect these examples; the step was not applied, and the last \
                 checkpoint is unchanged"
            ),
            StepError::Loss(_) => {
                anyhow::anyhow!(
                    "step {step}: {error}\n{examples}\nhint: raise `data.max_seq_length`"
                )
            }
        }
    }

    /// Lists where examples come from, one per line, up to a maximum.
    fn named(&self, indices: &[usize]) -> String {
        const MOST: usize = 16;
        let mut lines = vec!["its examples:".to_owned()];
        for &index in indices.iter().take(MOST) {
            let origin = self.examples.store.origin(index);
            lines.push(format!(
                "  {}",
                origin.unwrap_or_else(|_| "unknown".to_owned())
            ));
        }
        if indices.len() > MOST {
            lines.push(format!("  and {} more", indices.len() - MOST));
        }
        lines.join("\n")
    }
}
