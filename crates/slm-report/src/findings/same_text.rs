//! The number of answers that are identical on both sides of a comparison: identical answers are no evidence for a
//! difference.

use serde::Serialize;

use super::arms::ArmSamples;

/// Answers to the same task with the same sample number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct SameText {
    /// Answers with the same text on both sides.
    pub(crate) same: usize,
    /// Answers that both sides have.
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
