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

/// Returns the contrasts of an arm: those of H3 and of lookups as they were found, and all further pairs of the table of
/// workflows. Contrasts without a common task are omitted.
pub(crate) fn groups(
    samples: &[(Workflow, ArmSamples)],
    of_h3: Option<&CollaborationFindings>,
    of_lookups: Option<&LookupArm>,
    run: &RunInfo,
) -> Vec<ContrastGroup> {
    let row = |workflow: &str, less: &str, effect_of, found: &Contrast| ContrastRow {
        workflow: workflow.to_owned(),
        less: less.to_owned(),
        effect_of,
        tasks: found.n,
        difference: found.difference,
        interval: found.interval,
        required: None,
        is_declared: false,
        is_mixed: run.is_assisted(workflow) != run.is_assisted(less),
    };
    let mut h3: Vec<ContrastRow> = of_h3
        .iter()
        .flat_map(|found| &found.contrasts)
        .map(|found| {
            row(
                &found.workflow,
                &found.less,
                found.meaning,
                &found.pass_rate,
            )
        })
        .collect();
    let claim = of_h3.and_then(|found| found.claim.as_ref());
    // The first contrast of H3 is the one that its claim is about.
    if let Some((first, claim)) = h3.first_mut().zip(claim.filter(|claim| is_tested(claim))) {
        (first.required, first.is_declared) = (Some(claim.effect), true);
    }
    let lookups: Vec<ContrastRow> = of_lookups
        .iter()
        .flat_map(|found| &found.contrasts)
        .map(|found| &found.found)
        .map(|found| {
            row(
                &found.workflow,
                &found.less,
                found.meaning,
                &found.pass_rate,
            )
        })
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
            others.push(row(of.name, less.name, meaning, &found));
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
