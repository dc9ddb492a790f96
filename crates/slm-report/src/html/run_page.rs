//! What a page needs of a run.

use super::overview::Overview;
use super::steps::Step;
use crate::record::{RunInfo, SampleRecord};

/// A run on a page.
#[derive(Debug)]
pub struct EvaluationPage<'a> {
    /// The run.
    pub info: &'a RunInfo,
    /// Its records.
    pub records: &'a [SampleRecord],
    /// The summary of its report.
    pub overview: &'a Overview,
    /// The steps of each record's trajectory, in the order of the records; empty if the run has no trajectories.
    pub steps: &'a [Option<Vec<Step>>],
}
