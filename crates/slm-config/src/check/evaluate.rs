//! The ranges of section `evaluate`.

use std::ops::Bound;

use super::{Check, MAX_SEED};
use crate::recipe::{Evaluate, Sampling};
use crate::workflow::{AdapterRoles, Budget};
use crate::workflow_table::Workflow;

impl Check {
    pub(super) fn evaluate(&mut self, evaluate: &Evaluate) {
        let Evaluate {
            benchmarks,
            max_tasks,
            workflows,
            python,
            sampling,
            samples_per_task,
            max_new_tokens,
            budget,
            rounds,
            samples,
            samples_temperature,
            adapter_roles,
            prompting,
            prompts,
            batch_size,
            timeout_s,
            endpoint,
            hypotheses,
            sweep,
            statistics_seed,
        } = evaluate;
        let names: Vec<_> = benchmarks.iter().map(|benchmark| &benchmark.name).collect();
        self.choice("evaluate.benchmarks", &names, "benchmark");
        if let Some(n) = *max_tasks {
            self.int_in("evaluate.max_tasks", n, 1..=1_000_000);
        }
        self.choice("evaluate.workflows", workflows, "workflow");
        if let Some(python) = python {
            self.not_blank("evaluate.python", &python.to_string_lossy(), "a program");
        }
        let Sampling {
            temperature,
            top_p,
            top_k,
            seed,
        } = sampling;
        self.float_in("evaluate.sampling.temperature", *temperature, 0.0..=10.0);
        let above_0_to_1 = (Bound::Excluded(0.0), Bound::Included(1.0));
        self.float_in("evaluate.sampling.top_p", *top_p, above_0_to_1);
        if let Some(k) = *top_k {
            self.int_in("evaluate.sampling.top_k", k, 1..=1_000_000);
        }
        self.int_in("evaluate.sampling.seed", *seed, 0..=MAX_SEED);
        self.int_in("evaluate.samples_per_task", *samples_per_task, 1..=1000);
        if (2..=1000).contains(samples_per_task) {
            let allowed =
                "1, since evaluate.sampling.temperature 0 gives the same answer each time";
            let varied = *temperature != 0.0;
            self.require(
                varied,
                "evaluate.samples_per_task",
                samples_per_task,
                allowed,
            );
        }
        self.int_in("evaluate.max_new_tokens", *max_new_tokens, 1..=32_768);
        self.budget(budget, *max_new_tokens, workflows);
        self.int_in("evaluate.rounds", *rounds, 0..=100);
        self.int_in("evaluate.samples", *samples, 1..=100);
        let above_0_to_10 = (Bound::Excluded(0.0), Bound::Included(10.0));
        self.float_in(
            "evaluate.samples_temperature",
            *samples_temperature,
            above_0_to_10,
        );
        if let AdapterRoles::Listed(roles) = adapter_roles {
            self.choice("evaluate.adapter_roles", roles, "role");
        }
        for (name, path) in prompts.entries() {
            if let Some(path) = path {
                let key = format!("evaluate.prompts.{name}");
                self.not_blank(&key, &path.to_string_lossy(), "a file");
            }
        }
        self.int_in("evaluate.batch_size", *batch_size, 1..=1024);
        self.float_in(
            "evaluate.timeout_s",
            *timeout_s,
            (Bound::Excluded(0.0), Bound::Included(3600.0)),
        );
        if let Some(endpoint) = endpoint {
            self.endpoint(endpoint, *prompting);
        }
        self.hypotheses(hypotheses);
        self.sweep(sweep);
        self.int_in("evaluate.statistics_seed", *statistics_seed, 0..=MAX_SEED);
    }

    fn budget(&mut self, budget: &Budget, max_new_tokens: usize, workflows: &[Workflow]) {
        let Budget {
            completion_tokens,
            calls,
            executions,
        } = budget;
        let key = "evaluate.budget.completion_tokens";
        self.int_in(key, *completion_tokens, 1..=1_000_000);
        if (1..=1_000_000).contains(completion_tokens) && max_new_tokens <= 32_768 {
            let allowed = format!("{max_new_tokens} or more, one call's evaluate.max_new_tokens");
            let suffices = *completion_tokens >= max_new_tokens;
            self.require(suffices, key, completion_tokens, allowed);
        }
        self.int_in("evaluate.budget.calls", *calls, 1..=1000);
        let hungriest = workflows
            .iter()
            .max_by_key(|workflow| workflow.calls_to_first_program());
        if let Some(workflow) = hungriest.filter(|_| *calls >= 1) {
            let least = workflow.calls_to_first_program();
            let allowed =
                format!("{least} or more, since {workflow} has no program after fewer calls");
            self.require(*calls >= least, "evaluate.budget.calls", calls, allowed);
        }
        self.int_in("evaluate.budget.executions", *executions, 0..=1000);
    }
}
