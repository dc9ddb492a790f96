//! Rules of section `evaluate`.

use super::Check;
use crate::benchmark::Benchmark;
use crate::recipe::{Evaluate, Recipe};
use crate::speakers::RoleSpeaker;
use crate::workflow::{Budget, Prompting, Role};
use crate::workflow_table::Workflow;

impl Check {
    pub(super) fn evaluate(&mut self, evaluate: &Evaluate) {
        self.benchmarks("evaluate.benchmarks", &evaluate.benchmarks);
        self.variants(evaluate);
        let samples = evaluate.samples_per_task;
        let varies = samples == 1 || evaluate.sampling.temperature != 0.0;
        let allowed = "1, since evaluate.sampling.temperature 0 gives the same answer each time";
        self.require(varies, "evaluate.samples_per_task", samples, allowed);
        self.budget(&evaluate.budget, evaluate.max_new_tokens);
        if let Some(endpoint) = &evaluate.endpoint {
            self.endpoint(endpoint, evaluate.prompting);
        }
        self.speakers(evaluate);
        self.hypotheses(&evaluate.hypotheses);
    }

    /// Checks what the recipe's workflows need of other keys, routers with all that they may choose.
    pub(super) fn workflows(&mut self, recipe: &Recipe) {
        let Evaluate {
            beam,
            budget,
            workflows,
            sweep,
            prompting,
            endpoint,
            ..
        } = &recipe.evaluate;
        let calls = |of: &&Workflow| recipe.calls_to_first_program(**of);
        if let Some(workflow) = workflows.iter().max_by_key(calls) {
            let least = recipe.calls_to_first_program(*workflow);
            let allowed =
                format!("{least} or more, since {workflow} has no program after fewer calls");
            let calls = budget.calls;
            self.require(calls >= least, "evaluate.budget.calls", calls, allowed);
        }
        // A value outside its range has its own finding.
        if !self.has("evaluate.beam.n") && !self.has("evaluate.beam.subtrees") {
            let allowed = format!("a divisor of evaluate.beam.n {}", beam.n);
            let divides = beam.n.is_multiple_of(beam.subtrees);
            self.require(divides, "evaluate.beam.subtrees", beam.subtrees, allowed);
        }
        let named = workflows
            .iter()
            .chain([&sweep.workflow, &recipe.improve.workflow]);
        let mut solving = named.flat_map(|of| recipe.solved_by(*of));
        if !solving.any(|of| of == Workflow::Beam) {
            return;
        }
        let continues = matches!(prompting, Prompting::Training | Prompting::Base);
        let allowed = "`training` or `base`, since the workflow `beam` continues the function statement by statement";
        self.require(continues, "evaluate.prompting", prompting.name(), allowed);
        let allowed = "no server for the workflow `beam`, since only the built-in model ends an answer at a statement";
        if endpoint.is_some() {
            self.require(false, "evaluate.endpoint", "a server", allowed);
        }
        if recipe.evaluate.speaker(Role::Coder) == RoleSpeaker::Teacher {
            self.require(false, "evaluate.speakers.coder", "teacher", allowed);
        }
    }

    /// A benchmark may be named twice for different parts of it.
    pub(super) fn benchmarks(&mut self, list: &str, benchmarks: &[Benchmark]) {
        for (index, benchmark) in benchmarks.iter().enumerate() {
            let Benchmark {
                name,
                path: _,
                split,
                task_ids,
                variant,
                distractors,
                indent,
                wording,
            } = benchmark;
            let is_first = benchmarks[..index].iter().all(|before| {
                before.name != *name
                    || (before.split, &before.task_ids, before.variant)
                        != (*split, task_ids, *variant)
            });
            let key = format!("{list}[{index}]");
            let allowed =
                "each benchmark once, or each time with another `split`, `task_ids` or `variant`";
            self.require(is_first, &key, name, allowed);
            let of_parsons = [
                ("distractors", distractors.map(|n| n.to_string())),
                ("indent", indent.map(|indent| indent.name().to_owned())),
                ("wording", wording.map(|n| n.to_string())),
            ];
            for (name, value) in of_parsons {
                if let Some(value) = value {
                    let key = format!("{key}.{name}");
                    self.require(
                        variant.is_some(),
                        &key,
                        value,
                        "only beside `variant: parsons`",
                    );
                }
            }
        }
    }

    /// A few-shot request is the benchmark's own text, without the lines of a variant.
    fn variants(&mut self, evaluate: &Evaluate) {
        for (index, benchmark) in evaluate.benchmarks.iter().enumerate() {
            if let Some(variant) = benchmark.variant {
                let key = format!("evaluate.benchmarks[{index}].variant");
                let fits = evaluate.prompting != Prompting::FewShot;
                let allowed = "none, since evaluate.prompting few_shot does not show its lines";
                self.require(fits, &key, variant.name(), allowed);
            }
        }
    }

    fn budget(&mut self, budget: &Budget, max_new_tokens: usize) {
        // A length outside its range has its own finding.
        if !self.has("evaluate.max_new_tokens") {
            let allowed = format!("{max_new_tokens} or more, one call's evaluate.max_new_tokens");
            let suffices = budget.completion_tokens >= max_new_tokens;
            let key = "evaluate.budget.completion_tokens";
            self.require(suffices, key, budget.completion_tokens, allowed);
        }
    }
}
