//! The workflows that `adaptive` chooses from, in a recipe.

use crate::adaptive::Router;
use crate::recipe::{Evaluate, Recipe};
use crate::selection::{BeamScore, SamplesSelect};
use crate::workflow::Role;
use crate::workflow_part::Needs;
use crate::workflow_table::Workflow;

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

    /// Returns the workflows that may solve a task where the recipe names `workflow`: its choices if it is a router.
    pub fn solved_by(&self, workflow: Workflow) -> Vec<Workflow> {
        if workflow.chooses() {
            self.adaptive_choices()
        } else {
            vec![workflow]
        }
    }

    /// Returns the roles in which a workflow calls the model with the settings of this recipe.
    pub fn roles_of(&self, workflow: Workflow) -> Vec<Role> {
        let Evaluate {
            samples_select,
            beam,
            ..
        } = &self.evaluate;
        let is_called = |of: Workflow, role: Role| match (of, role) {
            (Workflow::BestOfN, Role::Verifier) => samples_select.asks_verifier(),
            (Workflow::BestOfN, Role::Tester) => *samples_select == SamplesSelect::Weighted,
            (Workflow::Beam, Role::Verifier) => beam.score == BeamScore::Verifier,
            _ => true,
        };
        let mut roles: Vec<Role> = Vec::new();
        for of in self.solved_by(workflow) {
            let own = of.roles().iter().filter(|role| is_called(of, **role));
            roles.extend(own);
        }
        if workflow == Workflow::Adaptive && self.router() == Router::Model {
            roles.push(Role::Router);
        }
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// Returns the calls to the model until a workflow has a first program, with the settings of this recipe.
    pub fn calls_to_first_program(&self, workflow: Workflow) -> usize {
        let solving = self.solved_by(workflow).into_iter();
        let most = solving.map(Workflow::calls_to_first_program).max();
        let routes = workflow == Workflow::Adaptive && self.router() == Router::Model;
        most.unwrap_or(0) + usize::from(routes)
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
