//! The keys of a recipe on which the costs of workflows depend. Apart from the costs, since a recipe's workflows have them.

use crate::knowledge::Knowledge;
use crate::recipe::{Evaluate, Recipe};
use crate::selection::{Beam, BeamScore};
use crate::tools::Tools;
use crate::workflow_cost::{Cost, CostFacts};

impl CostFacts {
    /// Returns the facts of a recipe.
    pub fn of(recipe: &Recipe) -> Self {
        let Evaluate {
            rounds,
            samples,
            samples_select,
            beam,
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
            select: *samples_select,
            beam_programs: beam.n,
            beam_calls: beam_calls(beam),
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

/// The most calls of `beam`: the continuations of `n` programs for each statement and, if it is asked, the verifier about
/// each.
fn beam_calls(beam: &Beam) -> usize {
    let Beam {
        n,
        beam_width,
        subtrees: _,
        num_iterations,
        score,
    } = beam;
    let each = match score {
        BeamScore::Likelihood => 1,
        BeamScore::Verifier => 2,
    };
    n * beam_width * num_iterations * each
}
