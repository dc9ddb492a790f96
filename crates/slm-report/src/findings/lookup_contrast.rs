//! Paired comparison of a workflow with lookups and its control, and of the lengths of their prompts.

use serde::Serialize;
use slm_config::{Workflow, WorkflowPair};
use slm_statistics::mean;

use super::arms::{ArmSamples, pairs};
use super::conclusion::{Evidence, MIN_PAIRS};
use super::contrast::Contrast;
use super::workflow_contrast::WorkflowContrast;
use crate::record::SampleRecord;
use crate::sample_metric::SampleMetric;

/// Tokens of the rendered prompts, over all calls.
pub(crate) const PROMPT_TOKENS: SampleMetric =
    SampleMetric::of_sample("prompt_tokens", "Prompt tokens", |record: &SampleRecord| {
        Some(record.prompt_tokens as f64)
    });

/// One workflow less another.
#[derive(Debug, Serialize)]
pub(crate) struct LookupContrast {
    /// The name of the effect, for those that split retrieval into content and length.
    pub(crate) effect: Option<&'static str>,
    #[serde(flatten)]
    pub(crate) found: WorkflowContrast,
    pub(crate) prompt_tokens: Contrast,
    /// What the interval of the pass rate shows.
    pub(crate) direction: Direction,
    /// The smallest difference in pass rate, 0 to 1, that a test of this many tasks detects; `None` if no task is solved
    /// by one of them alone.
    pub(crate) detectable_difference: Option<f64>,
}

impl LookupContrast {
    /// Compares two workflows of an arm on those of `tasks` that both answered.
    pub(crate) fn new(
        pair: WorkflowPair,
        tasks: &[&str],
        less: &ArmSamples,
        workflow: &ArmSamples,
        seed: u64,
    ) -> Self {
        let found = WorkflowContrast::new(tasks, less, workflow, pair.meaning, seed);
        Self {
            effect: effect(pair),
            direction: Direction::of(found.pass_rate.evidence(1.0)),
            detectable_difference: found.solved.detectable_difference(),
            prompt_tokens: Contrast::new(tasks, less, workflow, &PROMPT_TOKENS, seed),
            found,
        }
    }
}

fn effect(pair: WorkflowPair) -> Option<&'static str> {
    match (pair.of, pair.less) {
        (Workflow::Rag, Workflow::RagPlacebo) => Some("content"),
        (Workflow::RagPlacebo, Workflow::Single) => Some("prompt length"),
        _ => None,
    }
}

/// The sign of a difference, as far as its interval shows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    /// The whole interval is above 0.
    Higher,
    /// The whole interval is below 0.
    Lower,
    /// Neither, no interval, or fewer than [`MIN_PAIRS`] tasks that differ.
    Inconclusive,
}

impl Direction {
    fn of(evidence: Evidence) -> Self {
        let interval = evidence.interval;
        let interval = interval.filter(|interval| interval.low < interval.high);
        match interval {
            _ if evidence.differing < MIN_PAIRS => Self::Inconclusive,
            Some(interval) if interval.low > 0.0 => Self::Higher,
            Some(interval) if interval.high < 0.0 => Self::Lower,
            _ => Self::Inconclusive,
        }
    }
}

/// The lengths of the prompts of `rag` and of its placebo, on the tasks that both answered.
#[derive(Debug, Serialize)]
pub(crate) struct PromptLengths {
    pub(crate) tasks: usize,
    /// Mean over tasks.
    pub(crate) rag: f64,
    pub(crate) placebo: f64,
    /// The largest difference of a task, relative to the prompt of `rag`; `None` if that is empty.
    pub(crate) largest_difference: Option<f64>,
}

impl PromptLengths {
    /// Returns `None` without a task that both answered.
    pub(crate) fn new(tasks: &[&str], placebo: &ArmSamples, rag: &ArmSamples) -> Option<Self> {
        let pairs = pairs(tasks, placebo, rag, &PROMPT_TOKENS);
        let of_rag: Vec<f64> = pairs.iter().map(|(_, pair)| pair.adapter).collect();
        let of_placebo: Vec<f64> = pairs.iter().map(|(_, pair)| pair.base).collect();
        let relative = pairs
            .iter()
            .filter(|(_, pair)| pair.adapter > 0.0)
            .map(|(_, pair)| pair.difference().abs() / pair.adapter);
        Some(Self {
            tasks: pairs.len(),
            rag: mean(&of_rag)?,
            placebo: mean(&of_placebo)?,
            largest_difference: relative.max_by(f64::total_cmp),
        })
    }
}

#[cfg(test)]
mod tests {
    use slm_statistics::Interval;

    use super::*;

    #[test]
    fn a_direction_needs_a_whole_interval_on_one_side_and_enough_tasks_that_differ() {
        let of = |differing, low, high| {
            Direction::of(Evidence {
                differing,
                estimate: Some(f64::midpoint(low, high)),
                interval: Some(Interval { low, high }),
            })
        };
        assert_eq!(of(MIN_PAIRS, 0.1, 0.3), Direction::Higher);
        assert_eq!(of(MIN_PAIRS, -0.3, -0.1), Direction::Lower);
        assert_eq!(of(MIN_PAIRS - 1, 0.1, 0.3), Direction::Inconclusive);
        assert_eq!(of(MIN_PAIRS, 0.0, 0.3), Direction::Inconclusive);
        assert_eq!(of(MIN_PAIRS, 0.2, 0.2), Direction::Inconclusive);
        assert_eq!(Direction::of(Evidence::default()), Direction::Inconclusive);
    }
}
