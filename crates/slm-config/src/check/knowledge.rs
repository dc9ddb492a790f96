//! Rules of section `knowledge`, and of the workflows that need it.

use super::Check;
use crate::adaptive::Router;
use crate::recipe::Recipe;
use crate::workflow_part::Needs;
use crate::workflow_table::Workflow;

impl Check {
    pub(super) fn knowledge(&mut self, recipe: &Recipe) {
        let knowledge = &recipe.knowledge;
        let allowed = format!("at most knowledge.upper, {}", knowledge.upper);
        let is_below = knowledge.lower <= knowledge.upper;
        self.require(is_below, "knowledge.lower", knowledge.lower, allowed);
        let listed = recipe.evaluate.workflows.iter().copied();
        let others = [recipe.evaluate.sweep.workflow, recipe.improve.workflow];
        let mut all: Vec<Workflow> = listed.chain(others).collect();
        if recipe.routes_tasks() {
            self.adaptive(recipe);
            all.extend(recipe.evaluate.adaptive.choices.iter().flatten());
        }
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

    fn adaptive(&mut self, recipe: &Recipe) {
        let choices = recipe.adaptive_choices();
        let chooses = choices.iter().find(|workflow| workflow.chooses());
        if let Some(workflow) = chooses {
            let allowed = "workflows that do not choose another one";
            self.require(false, "evaluate.adaptive.choices", workflow.name(), allowed);
        }
        let adaptive = &recipe.evaluate.adaptive;
        if recipe.router() == Router::Nearest && adaptive.routes.is_none() {
            let allowed = "a data set made by `evaluator dataset RUN... --to routes`, by whose tasks the router \
                           `nearest` chooses";
            self.missing("evaluate.adaptive.routes", allowed);
        }
    }
}
