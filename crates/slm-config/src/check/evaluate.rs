//! Rules of section `evaluate`.

use super::Check;
use crate::benchmark::Benchmark;
use crate::recipe::Evaluate;
use crate::workflow::{Budget, Prompting};
use crate::workflow_table::Workflow;

impl Check {
    pub(super) fn evaluate(&mut self, evaluate: &Evaluate) {
        self.benchmarks("evaluate.benchmarks", &evaluate.benchmarks);
        self.variants(evaluate);
        let samples = evaluate.samples_per_task;
        let varies = samples == 1 || evaluate.sampling.temperature != 0.0;
        let allowed = "1, since evaluate.sampling.temperature 0 gives the same answer each time";
        self.require(varies, "evaluate.samples_per_task", samples, allowed);
        self.budget(
            &evaluate.budget,
            evaluate.max_new_tokens,
            &evaluate.workflows,
        );
        if let Some(endpoint) = &evaluate.endpoint {
            self.endpoint(endpoint, evaluate.prompting);
        }
        self.speakers(evaluate);
        self.hypotheses(&evaluate.hypotheses);
        self.beam(evaluate);
    }

    fn beam(&mut self, evaluate: &Evaluate) {
        let Evaluate {
            beam,
            workflows,
            sweep,
            prompting,
            endpoint,
            ..
        } = evaluate;
        // A value outside its range has its own finding.
        if !self.has("evaluate.beam.n") && !self.has("evaluate.beam.subtrees") {
            let allowed = format!("a divisor of evaluate.beam.n {}", beam.n);
            let divides = beam.n.is_multiple_of(beam.subtrees);
            self.require(divides, "evaluate.beam.subtrees", beam.subtrees, allowed);
        }
        if !workflows.contains(&Workflow::Beam) && sweep.workflow != Workflow::Beam {
            return;
        }
        let continues = matches!(prompting, Prompting::Training | Prompting::Base);
        let allowed = "`training` or `base`, since the workflow `beam` continues the function statement by statement";
        self.require(continues, "evaluate.prompting", prompting.name(), allowed);
        if endpoint.is_some() {
            let allowed = "no server for the workflow `beam`, since only the built-in model ends an answer at a statement";
            self.require(false, "evaluate.endpoint", "a server", allowed);
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

    fn budget(&mut self, budget: &Budget, max_new_tokens: usize, workflows: &[Workflow]) {
        // A length outside its range has its own finding.
        if !self.has("evaluate.max_new_tokens") {
            let allowed = format!("{max_new_tokens} or more, one call's evaluate.max_new_tokens");
            let suffices = budget.completion_tokens >= max_new_tokens;
            let key = "evaluate.budget.completion_tokens";
            self.require(suffices, key, budget.completion_tokens, allowed);
        }
        let hungriest = workflows
            .iter()
            .max_by_key(|workflow| workflow.calls_to_first_program());
        if let Some(workflow) = hungriest {
            let least = workflow.calls_to_first_program();
            let allowed =
                format!("{least} or more, since {workflow} has no program after fewer calls");
            let calls = budget.calls;
            self.require(calls >= least, "evaluate.budget.calls", calls, allowed);
        }
    }
}
