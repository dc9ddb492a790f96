//! Paired comparison of two workflows of one arm.

use serde::Serialize;

use super::arms::ArmSamples;
use super::contrast::Contrast;
use super::same_text::SameText;
use super::solved::Solved;
use crate::sample_metric::{COMPLETION_TOKENS, PASS_RATE, TESTS_PASSED};

/// One workflow less another.
#[derive(Debug, Serialize)]
pub(crate) struct WorkflowContrast {
    pub(crate) workflow: String,
    pub(crate) less: String,
    /// The effect that the contrast isolates.
    pub(crate) meaning: &'static str,
    pub(crate) pass_rate: Contrast,
    pub(crate) tests_passed: Contrast,
    pub(crate) completion_tokens: Contrast,
    pub(crate) solved: Solved,
    pub(crate) same_text: SameText,
}

impl WorkflowContrast {
    /// Compares `workflow` with `less` on those of `tasks` for which both have a value.
    pub(crate) fn new(
        tasks: &[&str],
        less: &ArmSamples,
        workflow: &ArmSamples,
        meaning: &'static str,
        seed: u64,
    ) -> Self {
        let contrast = |metric| Contrast::new(tasks, less, workflow, metric, seed);
        Self {
            workflow: workflow.name.to_owned(),
            less: less.name.to_owned(),
            meaning,
            pass_rate: contrast(&PASS_RATE),
            tests_passed: contrast(&TESTS_PASSED),
            completion_tokens: contrast(&COMPLETION_TOKENS),
            solved: Solved::new(tasks, less, workflow),
            same_text: SameText::new(tasks, less, workflow),
        }
    }
}
