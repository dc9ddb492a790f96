//! What each cell achieved and spent: results and costs, then budgets.

use crate::record::RunInfo;

use super::super::cells::CellSummary;
use super::super::number::{grouped, number, percent, seconds};
use super::text::{name, table};

/// Results and costs, then budgets.
pub(super) fn section(summaries: &[CellSummary], run: &RunInfo) -> String {
    let budget = &run.budget;
    format!(
        "A cell is one arm in one workflow at one way of drawing tokens. Each may spend the same on a sample: {} \
         completion tokens, {} calls and {} executions. Means are over samples; executions are runs with the public examples and self-written tests, never with the hidden ones.\n\n\
         {}\n{}\n{}\nA format failure is an answer without the program, tests or words that were asked for; it costs its \
         tokens and nothing more. `evaluator show RUN TASK` prints how an answer came about.\n",
        grouped(budget.completion_tokens),
        grouped(budget.calls),
        grouped(budget.executions),
        results(summaries),
        costs(summaries),
        unspent(summaries),
    )
}

fn results(summaries: &[CellSummary]) -> String {
    let header = [
        "workflow",
        "arm",
        "drawn",
        "stopped",
        "passed",
        "pass rate",
        "calls",
        "tokens",
        "prompt tokens",
        "executions",
        "rounds",
        "format failures",
        "answers/hour",
    ];
    let rows: Vec<Vec<String>> = summaries
        .iter()
        .map(|summary| {
            vec![
                name(&summary.workflow),
                name(&summary.arm),
                summary.decoding.to_string(),
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
    table(&header, 4, &rows)
}

fn costs(summaries: &[CellSummary]) -> String {
    let header = [
        "cost per solved sample",
        "arm",
        "drawn",
        "completion tokens",
        "prompt tokens",
        "wall time",
    ];
    let rows: Vec<Vec<String>> = summaries
        .iter()
        .map(|summary| {
            vec![
                name(&summary.workflow),
                name(&summary.arm),
                summary.decoding.to_string(),
                number(summary.completion_tokens_per_passed, 0),
                number(summary.prompt_tokens_per_passed, 0),
                summary
                    .wall_s_per_passed
                    .map_or_else(|| number(None, 0), seconds),
            ]
        })
        .collect();
    format!(
        "{}\nAll that the cell spent, failed samples too, shared out among the samples that pass; no number where none \
         does.\n",
        table(&header, 3, &rows)
    )
}

fn unspent(summaries: &[CellSummary]) -> String {
    let header = [
        "left of the budget, mean",
        "arm",
        "drawn",
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
                summary.decoding.to_string(),
                number(summary.unspent_tokens, 0),
                number(summary.unspent_calls, 1),
                number(summary.unspent_executions, 1),
            ]
        })
        .collect();
    table(&header, 3, &rows)
}

fn stops(summary: &CellSummary) -> String {
    let stops: Vec<String> = summary
        .stops
        .iter()
        .map(|(stop, count)| format!("{stop} {count}"))
        .collect();
    stops.join(", ")
}
