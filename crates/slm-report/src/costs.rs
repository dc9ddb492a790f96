//! What the workflows of a plan may need, beside the budget: computed before a run, from the recipe alone.

use slm_config::{Cost, CostFacts, Workflow};

use crate::cell::{Cell, Decoding};
use crate::plan::Plan;
use crate::run_parts::ShortBudget;
use crate::spending::Spending;

/// The most that a cell can spend, apart from tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct CellCost {
    /// The arm.
    pub arm: String,
    /// The workflow.
    pub workflow: Workflow,
    /// The sampling setting.
    pub decoding: Decoding,
    /// Samples of all tasks.
    pub samples: usize,
    /// The most that a sample can spend: what the workflow may need, within the budget.
    pub most: Cost,
    /// The most calls of all samples.
    pub calls: usize,
}

/// Returns the costs of each cell of a plan on `n_tasks` tasks, in the plan's order.
pub fn cell_costs(
    plan: &Plan,
    facts: &CostFacts,
    budget: &Spending,
    n_tasks: usize,
) -> Vec<CellCost> {
    let of_cell = |cell: &Cell| {
        let samples = n_tasks.saturating_mul(cell.samples as usize);
        let Cost {
            calls,
            executions,
            lookups,
        } = cell.workflow.most(facts);
        let most = Cost {
            calls: calls.min(budget.calls),
            executions: executions.min(budget.executions),
            lookups: lookups.min(budget.lookups),
        };
        CellCost {
            arm: cell.arm.clone(),
            workflow: cell.workflow,
            decoding: cell.decoding,
            samples,
            most,
            calls: samples.saturating_mul(most.calls),
        }
    };
    plan.cells.iter().map(of_cell).collect()
}

/// Returns the parts of the budget that are smaller than what a workflow of the plan may need, by workflow in the
/// plan's order.
pub fn short_budgets(plan: &Plan, facts: &CostFacts, budget: &Spending) -> Vec<ShortBudget> {
    let mut workflows: Vec<Workflow> = Vec::new();
    for cell in &plan.cells {
        if !workflows.contains(&cell.workflow) {
            workflows.push(cell.workflow);
        }
    }
    let of_workflow = |workflow: Workflow| {
        let most = workflow.most(facts);
        [
            ("calls", most.calls, budget.calls),
            ("executions", most.executions, budget.executions),
            ("lookups", most.lookups, budget.lookups),
        ]
        .into_iter()
        .filter(|(_, most, budget)| most > budget)
        .map(move |(resource, most, budget)| ShortBudget {
            workflow: workflow.name().to_owned(),
            resource: resource.to_owned(),
            most,
            budget,
        })
    };
    workflows.into_iter().flat_map(of_workflow).collect()
}

#[cfg(test)]
mod tests {
    use slm_config::{Evaluate, Grade, MemoryMode, SamplesSelect, Strategy};

    use super::*;
    use crate::plan::Experiment;

    const FACTS: CostFacts = CostFacts {
        rounds: 3,
        samples: 5,
        select: SamplesSelect::Public,
        beam_programs: 4,
        beam_calls: 640,
        strategy: Strategy::React,
        top_k: 3,
        grade: Grade::Model,
        memory_mode: MemoryMode::Examples,
        adaptive: Cost {
            calls: 0,
            executions: 0,
            lookups: 0,
        },
    };

    const BUDGET: Spending = Spending {
        completion_tokens: 4096,
        calls: 10,
        executions: 16,
        lookups: 1,
    };

    fn plan() -> Plan {
        let evaluate = Evaluate {
            workflows: vec![Workflow::Single, Workflow::Crag, Workflow::Tools],
            samples_per_task: 2,
            ..Evaluate::default()
        };
        Plan::new(Experiment::Compare, &evaluate, &["tuned"]).expect("a plan")
    }

    #[test]
    fn each_part_of_a_budget_that_a_workflow_may_exceed_is_listed_once() {
        let found = short_budgets(&plan(), &FACTS, &BUDGET);
        let found: Vec<(&str, &str, usize, usize)> = found
            .iter()
            .map(|short| (&*short.workflow, &*short.resource, short.most, short.budget))
            .collect();
        // `crag` graded by the model: 2 calls and 2 lookups, each with 3 chunks to grade. `tools` by `react`: 8 actions,
        // a program and 3 revisions.
        let expected = [
            ("crag", "lookups", 2, 1),
            ("tools", "calls", 12, 10),
            ("tools", "lookups", 8, 1),
        ];
        assert_eq!(found, expected);
        let enough = Spending {
            calls: 12,
            lookups: 8,
            ..BUDGET
        };
        assert_eq!(short_budgets(&plan(), &FACTS, &enough), []);
    }

    #[test]
    fn the_costs_of_a_cell_are_within_the_budget_and_count_all_samples() {
        let found = cell_costs(&plan(), &FACTS, &BUDGET, 20);
        let labels: Vec<(&str, Workflow)> = found
            .iter()
            .map(|cost| (&*cost.arm, cost.workflow))
            .collect();
        assert_eq!(labels.len(), 6);
        assert_eq!(labels[2], ("base", Workflow::Tools));
        let most: Vec<[usize; 3]> = found[..3]
            .iter()
            .map(|cost| [cost.most.calls, cost.most.executions, cost.most.lookups])
            .collect();
        assert_eq!(most, [[1, 0, 0], [8, 1, 1], [10, 12, 1]]);
        let calls: Vec<usize> = found[..3].iter().map(|cost| cost.calls).collect();
        assert_eq!((found[0].samples, calls), (40, vec![40, 320, 400]));
        let huge = cell_costs(&plan(), &FACTS, &BUDGET, usize::MAX);
        assert_eq!(huge[2].calls, usize::MAX);
    }
}
