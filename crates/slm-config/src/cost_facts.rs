//! The keys of a recipe on which the costs of workflows depend. Apart from the costs, since a recipe's workflows have them.

use crate::knowledge::Knowledge;
use crate::recipe::{Evaluate, Recipe};
use crate::tools::Tools;
use crate::workflow_cost::{Cost, CostFacts};

impl CostFacts {
    /// Returns the facts of a recipe.
    pub fn of(recipe: &Recipe) -> Self {
        let Evaluate {
            rounds,
            samples,
            tools: Tools { strategy },
            ..
        } = &recipe.evaluate;
        let Knowledge {
            top_k,
            grade,
            memory_mode,
            ..
        } = &recipe.knowledge;
        let mut facts = Self {
            rounds: *rounds,
            samples: *samples,
            strategy: *strategy,
            top_k: *top_k,
            grade: *grade,
            memory_mode: *memory_mode,
            adaptive: Cost::default(),
        };
        for choice in recipe.adaptive_choices() {
            facts.adaptive = facts.adaptive.larger(choice.most(&facts));
        }
        facts
    }
}
