//! From records to the report: Markdown, pictures and a summary for machines. Does no I/O; the caller writes.
//!
//! `arms` sorts the records, `comparison` computes every number once, `verdict` applies the rule declared
//! before the run; `markdown` and `pictures` only show what `comparison` found.

mod arms;
mod comparison;
mod contrast;
mod markdown;
mod metric;
mod number;
mod pictures;
mod summary;
mod verdict;
mod workflows;

#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::record::{RunInfo, SampleRecord};

use arms::Arms;
use comparison::Comparison;

/// A finished report.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// GitHub Markdown.
    pub(crate) markdown: String,
    /// Path relative to the report, as its links have it (`pictures/NAME.svg`), and the SVG.
    pub(crate) pictures: Vec<(String, String)>,
    /// Every number of the report, for machines.
    pub(crate) summary: Value,
}

/// Compares the base model with each adapter on the records of one run, in full for the run's first workflow, and
/// says of every workflow what it achieved and spent.
///
/// Any set of records gives a report: arms may lack tasks, nothing may parse. What cannot be said is left
/// out and named. The records' texts come from a model and are treated as hostile.
pub(crate) fn build(run: &RunInfo, records: &[SampleRecord]) -> Report {
    let is_first = |record: &&SampleRecord| {
        let first = run.workflows.first();
        first.is_none_or(|workflow| record.workflow == *workflow)
    };
    let of_first: Vec<&SampleRecord> = records.iter().filter(is_first).collect();
    let arms = Arms::new(&of_first, run);
    let comparison = Comparison::new(&arms, run.declared);
    let workflows = workflows::summaries(records, run);
    Report {
        markdown: markdown::page(&arms, &comparison, &workflows, run),
        pictures: pictures::draw(&arms, &comparison),
        summary: json!({ "run": run.name, "declared": run.declared, "comparison": comparison, "workflows": workflows }),
    }
}
