//! How many answers two sides of a comparison have in common: what is the same text says nothing about a difference.

use serde::Serialize;

use super::arms::ArmSamples;

/// Answers to the same task with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct SameText {
    /// Those that are the same text on both sides.
    pub(crate) same: usize,
    /// Those that both sides have.
    pub(crate) of: usize,
}

impl SameText {
    pub(crate) fn new(tasks: &[&str], reference: &ArmSamples, other: &ArmSamples) -> Self {
        let (mut same, mut of) = (0, 0);
        for task in tasks {
            for sample in other.of_task(task) {
                let own = reference.of_task(task).iter();
                let Some(partner) = own.into_iter().find(|own| own.sample == sample.sample) else {
                    continue;
                };
                of += 1;
                same += usize::from(partner.completion == sample.completion);
            }
        }
        Self { same, of }
    }
}
