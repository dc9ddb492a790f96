//! What each workflow achieved and spent, in two tables.

use crate::record::RunInfo;

use super::super::number::{grouped, number, percent};
use super::super::workflows::WorkflowSummary;
use super::text::{name, table};

/// Results and costs, then budgets.
pub(super) fn section(summaries: &[WorkflowSummary], run: &RunInfo) -> String {
    let budget = &run.budget;
    format!(
        "Every workflow may spend the same on a sample: {} completion tokens, {} calls and {} executions. Means are over \
         samples; executions are runs with the public examples and self-written tests, never with the hidden ones.\n\n\
         {}\n{}\nA format failure is an answer without the program, tests or words that were asked for; it costs its \
         tokens and nothing more. `evaluator show RUN TASK` prints how an answer came about.\n",
        grouped(budget.completion_tokens),
        grouped(budget.calls),
        grouped(budget.executions),
        results(summaries),
        unspent(summaries),
    )
}

fn results(summaries: &[WorkflowSummary]) -> String {
    let header = [
        "workflow",
        "arm",
        "stopped",
        "passed",
        "pass rate",
        "calls",
        "tokens",
        "prompt tokens",
        "executions",
        "rounds",
        "format failures",
        "tasks/hour",
    ];
    let rows: Vec<Vec<String>> = summaries
        .iter()
        .map(|summary| {
            vec![
                name(&summary.workflow),
                name(&summary.arm),
                stops(summary),
                format!("{} of {}", summary.passed, summary.samples),
                percent(summary.passed as f64 / summary.samples as f64),
                number(summary.calls, 1),
                number(summary.completion_tokens, 0),
                number(summary.prompt_tokens, 0),
                number(summary.executions, 1),
                number(summary.rounds, 1),
                grouped(summary.format_failures),
                number(summary.samples_per_hour, 0),
            ]
        })
        .collect();
    table(&header, 3, &rows)
}

fn unspent(summaries: &[WorkflowSummary]) -> String {
    let header = [
        "left of the budget, mean",
        "arm",
        "tokens",
        "calls",
        "executions",
    ];
    let rows: Vec<Vec<String>> = summaries
        .iter()
        .map(|summary| {
            vec![
                name(&summary.workflow),
                name(&summary.arm),
                number(summary.unspent_tokens, 0),
                number(summary.unspent_calls, 1),
                number(summary.unspent_executions, 1),
            ]
        })
        .collect();
    table(&header, 2, &rows)
}

fn stops(summary: &WorkflowSummary) -> String {
    let stops: Vec<String> = summary
        .stops
        .iter()
        .map(|(stop, count)| format!("{stop} {count}"))
        .collect();
    stops.join(", ")
}
