//! The report's page: GitHub Markdown, from the sentence that matters most down to what repeats the run.

mod examples;
mod headline;
mod rerun;
mod tables;
mod tasks;
mod text;
mod threats;
mod workflows;

use crate::record::RunInfo;

use super::arms::Arms;
use super::comparison::Comparison;
use super::pictures::{MI_PICTURE, RATES_PICTURE, SHAPE_PICTURE};
use super::workflows::WorkflowSummary;

/// The whole page.
pub(super) fn page(
    arms: &Arms,
    comparison: &Comparison,
    workflows: &[WorkflowSummary],
    run: &RunInfo,
) -> String {
    [
        headline::section(arms, comparison, run),
        "## Summary\n".to_owned(),
        tables::arms(comparison),
        picture(
            RATES_PICTURE,
            "Shares of samples by arm, with 95 % intervals",
        ),
        "## Paired differences\n".to_owned(),
        tables::paired(comparison),
        picture(
            MI_PICTURE,
            "Difference of MI on each task, adapter less base, sorted",
        ),
        "### Does it hold on subsets?\n".to_owned(),
        tables::subsets(comparison),
        picture(
            SHAPE_PICTURE,
            "Distributions of complexity and length by arm",
        ),
        "## Workflows\n".to_owned(),
        workflows::section(workflows, run),
        "## Examples\n".to_owned(),
        examples::section(arms),
        "## Every task\n".to_owned(),
        tasks::section(arms),
        "## Threats to validity, as measured\n".to_owned(),
        threats::section(arms, comparison, run),
        "## Run it again\n".to_owned(),
        rerun::section(comparison, run),
    ]
    .join("\n")
}

fn picture(path: &str, description: &str) -> String {
    format!("![{description}]({path})\n")
}
