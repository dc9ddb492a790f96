//! The most that a run can spend, printed before it starts.

use std::fmt::Write as _;

use slm_config::{Cost, CostFacts, Recipe};
use slm_report::{CellCost, RunInfo, ShortBudget, cell_costs, short_budgets};

use slm_artifacts::counted;

/// Finds the parts of the budget that are smaller than what a workflow may need, and prints the most that each cell can
/// spend.
pub(super) fn announce(info: &mut RunInfo, recipe: &Recipe) {
    let facts = CostFacts::of(recipe);
    info.short_budgets = short_budgets(&info.plan, &facts, &info.budget);
    let costs = cell_costs(&info.plan, &facts, &info.budget, info.n_tasks());
    slm_cli::note(&page(&costs, info));
    for short in &info.short_budgets {
        let ShortBudget {
            workflow,
            resource,
            most,
            budget,
        } = short;
        slm_cli::note(&format!(
            "warning: {workflow} may need {most} {resource} for an answer, but `evaluate.budget.{resource}` is {budget}: \
             the budget may end it early"
        ));
    }
}

fn page(costs: &[CellCost], info: &RunInfo) -> String {
    let labels: Vec<String> = info
        .plan
        .cells
        .iter()
        .map(|cell| cell.label(info.plan.reference))
        .collect();
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let answers: usize = costs.iter().map(|cost| cost.samples).sum();
    let calls: usize = costs.iter().map(|cost| cost.calls).sum();
    let mut page = format!(
        "{} of the run, {} in all, at most {}:",
        counted(costs.len(), "cell"),
        counted(answers, "answer"),
        counted(calls, "call")
    );
    for (cost, label) in costs.iter().zip(&labels) {
        let Cost {
            calls,
            executions,
            lookups,
        } = cost.most;
        let _ = write!(
            page,
            "\n  {label:width$}  {}, each at most {}, {}, {}",
            counted(cost.samples, "answer"),
            counted(calls, "call"),
            counted(executions, "execution"),
            counted(lookups, "lookup"),
        );
    }
    page
}
