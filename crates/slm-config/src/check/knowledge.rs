//! Rules of section `knowledge`, and of the workflows that need it.

use super::Check;
use crate::recipe::Recipe;
use crate::workflow_table::{Needs, Workflow};

impl Check {
    pub(super) fn knowledge(&mut self, recipe: &Recipe) {
        let knowledge = &recipe.knowledge;
        let allowed = format!("at most knowledge.upper, {}", knowledge.upper);
        let is_below = knowledge.lower <= knowledge.upper;
        self.require(is_below, "knowledge.lower", knowledge.lower, allowed);
        let listed = recipe.evaluate.workflows.iter().copied();
        let others = [recipe.evaluate.sweep.workflow, recipe.improve.workflow];
        let all: Vec<Workflow> = listed.chain(others).collect();
        let first = |needs| all.iter().find(|workflow| workflow.needs() == needs);
        if let Some(workflow) = first(Needs::Index)
            && !knowledge.has_sources()
        {
            let allowed = format!(
                "documentation here or code in knowledge.code, since {workflow} looks things up in them"
            );
            self.missing("knowledge.docs", &allowed);
        }
        if let Some(workflow) = first(Needs::Memory)
            && knowledge.memory.is_none()
        {
            let allowed = format!(
                "a file made by `evaluator memory`, since {workflow} looks things up in it"
            );
            self.missing("knowledge.memory", &allowed);
        }
    }
}
