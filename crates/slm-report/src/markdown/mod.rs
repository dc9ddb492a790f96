//! The report's page: GitHub Markdown, from the sentences that matter most down to what repeats the run.

mod cells;
mod collaboration;
mod examples;
mod headline;
mod published;
mod rerun;
mod sweep;
mod tables;
mod tasks;
mod text;
mod threats;
mod verdicts;

use crate::record::{RunInfo, SampleRecord};

use super::arms::Arms;
use super::cells::CellSummary;
use super::hypotheses::Findings;
use super::hypotheses::h1::Comparison;
use super::pictures::{MI_PICTURE, RATES_PICTURE, SHAPE_PICTURE, SWEEP_PICTURE, WORKFLOWS_PICTURE};

/// All that a page is made from.
pub(super) struct Content<'a> {
    pub(super) run: &'a RunInfo,
    pub(super) records: &'a [SampleRecord],
    /// H1's samples; without any where it is not asked.
    pub(super) arms: &'a Arms<'a>,
    pub(super) findings: &'a Findings,
    pub(super) cells: &'a [CellSummary],
}

/// The whole page.
pub(super) fn page(content: &Content) -> String {
    let Content {
        run,
        records,
        arms,
        findings,
        cells,
    } = content;
    let mut sections = vec![headline::section(content)];
    if let Some(comparison) = &findings.comparison {
        sections.extend(comparison_sections(arms, comparison));
    }
    if let Some(found) = &findings.sweep {
        sections.push("## H2: temperature and top-p\n".to_owned());
        sections.push(sweep::section(found, run));
        sections.push(picture(
            SWEEP_PICTURE,
            "Complexity of solved programs and pass rate by temperature and top-p",
        ));
    }
    if let Some(found) = &findings.collaboration {
        sections.push("## H3: several agents or one that reflects\n".to_owned());
        sections.push(collaboration::section(found));
        sections.push(picture(
            WORKFLOWS_PICTURE,
            "Pass rate against completion tokens by workflow",
        ));
    }
    sections.extend([
        "## What every cell achieved and spent\n".to_owned(),
        cells::section(cells, run),
    ]);
    if let Some(table) = published::section(run, records) {
        sections.extend(["## Published scores beside ours\n".to_owned(), table]);
    }
    sections.extend([
        "## Threats to validity, as measured\n".to_owned(),
        threats::section(content),
        "## Run it again\n".to_owned(),
        rerun::section(run),
    ]);
    sections.join("\n")
}

fn comparison_sections(arms: &Arms, comparison: &Comparison) -> Vec<String> {
    vec![
        "## H1: base model and adapters\n".to_owned(),
        tables::arms(comparison),
        picture(
            RATES_PICTURE,
            "Shares of samples by arm, with 95 % intervals",
        ),
        "### Paired differences\n".to_owned(),
        tables::paired(comparison),
        picture(
            MI_PICTURE,
            "Difference of MI on each task, adapter less base, sorted",
        ),
        "### What comments and docstrings add\n".to_owned(),
        tables::bonus(comparison),
        "### Does it hold on subsets?\n".to_owned(),
        tables::subsets(comparison) + &tables::elsewhere(comparison),
        picture(
            SHAPE_PICTURE,
            "Distributions of complexity and length by arm",
        ),
        "### Examples\n".to_owned(),
        examples::section(arms),
        "### Every task\n".to_owned(),
        tasks::section(arms),
    ]
}

fn picture(path: &str, description: &str) -> String {
    format!("![{description}]({path})\n")
}
