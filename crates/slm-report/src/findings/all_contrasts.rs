//! Every contrast of workflows that a run shows, in groups, with the declared one marked.

use serde::Serialize;
use slm_config::{Workflow, WorkflowPair};
use slm_statistics::Interval;

use super::arms::{ArmSamples, tasks_of};
use super::claim::Claim;
use super::conclusion::Conclusion;
use super::contrast::Contrast;
use super::h3::CollaborationFindings;
use super::lookups::LookupArm;
use super::workflow_contrast::WorkflowContrast;
use crate::record::RunInfo;
use crate::sample_metric::PASS_RATE;

/// Contrasts that belong together.
#[derive(Debug, Serialize)]
pub(crate) struct ContrastGroup {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<ContrastRow>,
}

/// One workflow less another, in pass rate.
#[derive(Debug, Serialize)]
pub(crate) struct ContrastRow {
    pub(crate) workflow: String,
    pub(crate) less: String,
    /// The effect that the contrast isolates.
    pub(crate) effect_of: &'static str,
    /// Tasks that both answered.
    pub(crate) tasks: usize,
    /// 0 to 1, as the interval.
    pub(crate) difference: Option<f64>,
    pub(crate) interval: Option<Interval>,
    /// The required effect, in points, if the contrast decides a hypothesis.
    pub(crate) required: Option<f64>,
    pub(crate) is_declared: bool,
    /// Whether a teacher answered in one of them and in the other not.
    pub(crate) is_mixed: bool,
}

impl ContrastRow {
    fn new(found: &WorkflowContrast, run: &RunInfo) -> Self {
        let sides = [found.workflow.as_str(), &found.less];
        Self::of_pass_rate(sides, found.meaning, &found.pass_rate, run)
    }

    fn of_pass_rate(
        [workflow, less]: [&str; 2],
        effect_of: &'static str,
        found: &Contrast,
        run: &RunInfo,
    ) -> Self {
        Self {
            workflow: workflow.to_owned(),
            less: less.to_owned(),
            effect_of,
            tasks: found.n,
            difference: found.difference,
            interval: found.interval,
            required: None,
            is_declared: false,
            is_mixed: run.is_assisted(workflow) != run.is_assisted(less),
        }
    }
}

/// Returns the contrasts of H3, with the one that its claim is about marked.
pub(crate) fn of_h3(found: &CollaborationFindings, run: &RunInfo) -> ContrastGroup {
    let rows = found.contrasts.iter();
    let mut rows: Vec<ContrastRow> = rows.map(|found| ContrastRow::new(found, run)).collect();
    // The first contrast is the one that the claim is about.
    let claim = found.claim.as_ref().filter(|claim| is_tested(claim));
    if let Some((first, claim)) = rows.first_mut().zip(claim) {
        (first.required, first.is_declared) = (Some(claim.effect), true);
    }
    ContrastGroup {
        title: "H3 and its controls",
        rows,
    }
}

/// Returns the contrasts of an arm: those of H3 and of lookups as they were found, and all further pairs of the table of
/// workflows. Contrasts without a common task are omitted.
pub(crate) fn groups(
    samples: &[(Workflow, ArmSamples)],
    of_h3: Option<&CollaborationFindings>,
    of_lookups: Option<&LookupArm>,
    run: &RunInfo,
) -> Vec<ContrastGroup> {
    let h3 = of_h3.map_or_else(Vec::new, |found| self::of_h3(found, run).rows);
    let lookups: Vec<ContrastRow> = of_lookups
        .iter()
        .flat_map(|found| &found.contrasts)
        .map(|found| &found.found)
        .map(|found| ContrastRow::new(found, run))
        .collect();
    let mut others: Vec<ContrastRow> = Vec::new();
    let find = |workflow: Workflow| samples.iter().find(|(other, _)| *other == workflow);
    let all: Vec<_> = samples.iter().flat_map(|(_, of)| of.samples()).collect();
    let tasks = tasks_of(&all);
    let pairs = Workflow::contrasts().into_iter();
    for WorkflowPair { of, less, meaning } in pairs.chain(Workflow::contrasts_of_lookups()) {
        let is_known = |row: &ContrastRow| row.workflow == of.name() && row.less == less.name();
        let mut known = h3.iter().chain(&lookups).chain(&others);
        if known.any(is_known) {
            continue;
        }
        if let Some(((_, of), (_, less))) = find(of).zip(find(less)) {
            let found = Contrast::new(&tasks, less, of, &PASS_RATE, run.statistics_seed());
            others.push(ContrastRow::of_pass_rate(
                [of.name, less.name],
                meaning,
                &found,
                run,
            ));
        }
    }
    let groups = [
        ("H3 and its controls", h3),
        ("Lookups and their controls", lookups),
        ("Other workflows", others),
    ];
    groups
        .into_iter()
        .map(|(title, mut rows)| {
            rows.retain(|row| row.is_declared || row.difference.is_some());
            ContrastGroup { title, rows }
        })
        .filter(|group| !group.rows.is_empty())
        .collect()
}

fn is_tested(claim: &Claim) -> bool {
    claim.outcome != Conclusion::NotTested
}
