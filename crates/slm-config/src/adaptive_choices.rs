//! The workflows that `adaptive` chooses from, in a recipe.

use crate::adaptive::Router;
use crate::recipe::Recipe;
use crate::workflow_table::{Needs, Workflow};

/// What is chosen from by default.
const DEFAULT: [Workflow; 5] = [
    Workflow::Single,
    Workflow::Reflection,
    Workflow::Rag,
    Workflow::MultiAgent,
    Workflow::Memory,
];

impl Recipe {
    /// Returns the workflows that `adaptive` chooses from: those that are listed, else those of the default that have what
    /// they need.
    pub fn adaptive_choices(&self) -> Vec<Workflow> {
        let has_needs = |of: &Workflow| self.has_needs_of(*of);
        match &self.evaluate.adaptive.choices {
            Some(listed) => listed.clone(),
            None => DEFAULT.into_iter().filter(has_needs).collect(),
        }
    }

    /// Returns the workflows of the default that are left out, since what they look things up in is not given.
    pub fn adaptive_left_out(&self) -> Vec<Workflow> {
        let lacks = |of: &Workflow| !self.has_needs_of(*of);
        match &self.evaluate.adaptive.choices {
            Some(_) => Vec::new(),
            None => DEFAULT.into_iter().filter(lacks).collect(),
        }
    }

    /// Returns who chooses.
    pub fn router(&self) -> Router {
        let adaptive = &self.evaluate.adaptive;
        let by_routes = if adaptive.routes.is_some() {
            Router::Nearest
        } else {
            Router::Model
        };
        adaptive.router.unwrap_or(by_routes)
    }

    /// Whether one of the recipe's workflows chooses another one.
    pub fn routes_tasks(&self) -> bool {
        let mut all = self
            .evaluate
            .workflows
            .iter()
            .chain([&self.evaluate.sweep.workflow, &self.improve.workflow]);
        all.any(|workflow| workflow.chooses())
    }

    fn has_needs_of(&self, workflow: Workflow) -> bool {
        match workflow.needs() {
            Needs::Nothing => true,
            Needs::Index => self.knowledge.has_sources(),
            Needs::Memory => self.knowledge.memory.is_some(),
        }
    }
}
