//! Relations between workflows: those of h3, their contrasts and controls.

use crate::workflow_part::{H3Part, Needs};
use crate::workflow_table::{Workflow, WorkflowPair};

impl Workflow {
    /// The workflows of every h3 in the order in which they run: those that are compared, then their controls.
    pub fn of_h3() -> Vec<Self> {
        let all = Self::ALL.iter().copied();
        let mut all: Vec<Self> = all.filter(|workflow| workflow.is_of_h3()).collect();
        // Stable: within a part the order is the table's.
        all.sort_by_key(|workflow| workflow.h3_part());
        all
    }

    /// Whether it is compared in h3 if the recipe lists it.
    pub fn joins_h3(self) -> bool {
        self.h3_part() == H3Part::Beside
    }

    /// The pairs that h3 compares, if their workflows ran. The first decides it.
    pub fn contrasts() -> Vec<WorkflowPair> {
        let beside = Self::ALL.iter().copied().filter(|of| of.joins_h3());
        let all = Self::of_h3().into_iter().chain(beside);
        all.flat_map(|workflow| workflow.own_contrasts().iter().copied())
            .collect()
    }
}

impl Workflow {
    /// Whether it chooses another workflow.
    pub fn chooses(self) -> bool {
        matches!(self, Self::Adaptive | Self::AdaptiveRandom)
    }

    /// Whether it looks something up.
    pub fn looks_up(self) -> bool {
        self.needs() != Needs::Nothing
    }

    /// Whether it is a part of every h3.
    pub fn is_of_h3(self) -> bool {
        !matches!(self.h3_part(), H3Part::Apart | H3Part::Beside)
    }

    /// The pairs outside of h3.
    pub fn contrasts_of_lookups() -> Vec<WorkflowPair> {
        let all = Self::ALL.iter();
        all.filter(|workflow| workflow.h3_part() == H3Part::Apart)
            .flat_map(|workflow| workflow.own_contrasts().iter().copied())
            .collect()
    }

    /// Adds the controls of all workflows that are not listed, each once, after them.
    pub fn with_controls(listed: &[Self]) -> Vec<Self> {
        let mut all = listed.to_vec();
        for control in listed.iter().flat_map(|workflow| workflow.controls()) {
            if !all.contains(control) {
                all.push(*control);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_contrast_is_that_of_the_workflows_which_h3_compares() {
        let first = Workflow::contrasts()[0];
        assert_eq!(
            (first.of, first.less),
            (Workflow::MultiAgent, Workflow::Reflection)
        );
        let compared = [Workflow::Reflection, Workflow::MultiAgent];
        assert_eq!(Workflow::of_h3()[..2], compared);
    }

    #[test]
    fn a_contrast_comes_with_the_later_of_its_workflows() {
        let order = Workflow::of_h3();
        let place = |workflow| order.iter().position(|other| *other == workflow);
        for (at, workflow) in order.iter().enumerate() {
            for contrast in workflow.own_contrasts() {
                let places = [place(contrast.of), place(contrast.less)];
                assert_eq!(places.into_iter().max(), Some(Some(at)), "{contrast:?}");
            }
        }
    }
}
