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
                "documentation or code, in which {workflow} looks things up: knowledge.docs=[docs] or knowledge.code=[src]"
            );
            self.missing("knowledge.docs", &allowed);
        }
        if let Some(workflow) = first(Needs::Memory)
            && knowledge.memory.is_none()
        {
            let allowed =
                format!("the file that {workflow} looks things up in, made by `evaluator memory`");
            self.missing("knowledge.memory", &allowed);
        }
    }
}
