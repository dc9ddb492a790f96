//! Rules of section `improve`.

use super::Check;
use crate::improve::Keep;
use crate::recipe::Recipe;
use crate::train::Objective;

impl Check {
    pub(super) fn improve(&mut self, recipe: &Recipe) {
        let (improve, budget) = (&recipe.improve, &recipe.evaluate.budget);
        self.benchmarks("improve.tasks", &improve.tasks);
        for (index, benchmark) in improve.tasks.iter().enumerate() {
            if let Some(variant) = benchmark.variant {
                let key = format!("improve.tasks[{index}].variant");
                self.report(
                    &key,
                    format!("{:?}", variant.name()),
                    "none: rounds learn from the tasks as published".to_owned(),
                );
            }
        }
        let n = improve.temperatures.len().max(1);
        let is_even = improve.samples.is_multiple_of(n);
        let allowed = format!("a multiple of {n}, the same number at each of improve.temperatures");
        self.require(is_even, "improve.samples", improve.samples, allowed);
        let least = recipe.calls_to_first_program(improve.workflow);
        let allowed = format!(
            "a workflow whose first program needs at most {} calls, since evaluate.budget.calls allows no more",
            budget.calls
        );
        // Without tasks, nothing is answered.
        let holds = improve.tasks.is_empty() || budget.calls >= least;
        self.require(holds, "improve.workflow", improve.workflow.name(), allowed);
        let holds = improve.keep == Keep::Passed || recipe.train.objective == Objective::Sft;
        let allowed = "`passed`, since the other answers are controls for train.objective `sft`";
        self.require(holds, "improve.keep", improve.keep.name(), allowed);
    }
}
