//! Workflows with lookups that ran without a control.

use serde::Serialize;
use slm_config::Workflow;

/// A workflow, and those of its controls that the arm did not run.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MissingControls {
    pub(crate) workflow: String,
    pub(crate) controls: Vec<String>,
}

impl MissingControls {
    /// Returns one entry for each of `workflows` that looks something up and lacks a control among them.
    pub(crate) fn among(workflows: &[Workflow]) -> Vec<Self> {
        let missing = |workflow: &Workflow| {
            let controls = workflow.controls().iter();
            let controls: Vec<String> = controls
                .filter(|control| !workflows.contains(control))
                .map(|control| control.name().to_owned())
                .collect();
            (!controls.is_empty()).then(|| Self {
                workflow: workflow.name().to_owned(),
                controls,
            })
        };
        let with_lookups = workflows.iter().filter(|workflow| workflow.looks_up());
        with_lookups.filter_map(missing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_with_lookups_lacks_the_controls_that_did_not_run() {
        use Workflow::{MultiAgent, Rag, RagPlacebo, Reflection, Tools};
        let found = MissingControls::among(&[MultiAgent, Rag, RagPlacebo, Reflection, Tools]);
        let expected = MissingControls {
            workflow: "tools".to_owned(),
            controls: vec!["tools_blind".to_owned()],
        };
        assert_eq!(found, [expected]);
        assert_eq!(
            MissingControls::among(&Workflow::with_controls(&[Rag, Tools])),
            []
        );
    }
}
