//! Workflows that choose from several drafts: how the drafts are drawn, and by what one is chosen.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_config::{BeamScore, SamplesSelect, Workflow};

use crate::record::{RunInfo, SampleRecord};
use crate::resolved_recipe::value;

/// The workflows whose drafts after the first are drawn at `evaluate.samples_temperature`.
const OF_DRAFTS: [Workflow; 3] = [Workflow::BestOfN, Workflow::Codet, Workflow::Beam];

/// The drafts of a run's workflows.
#[derive(Serialize)]
pub(crate) struct Drafts {
    /// The workflows that ran and drew several drafts, by name.
    pub(crate) workflows: Vec<&'static str>,
    /// Number of answers for which a router chose one of them, by the router.
    routed: BTreeMap<String, usize>,
    /// Temperature of all drafts but the first; `None` if the run's recipe does not contain it.
    temperature: Option<f64>,
    /// Whether the first draft is greedy in each cell of these workflows and their routers.
    greedy_first: bool,
    /// How `best_of_n` chooses, by the recipe's word; `None` if it did not run, or chooses by public examples.
    select: Option<&'static str>,
    /// What `beam` compares partial programs by, by the recipe's word; `None` if it did not run.
    beam: Option<&'static str>,
}

impl Drafts {
    /// Returns `None` if no workflow drew several drafts.
    pub(crate) fn new(run: &RunInfo, records: &[SampleRecord]) -> Option<Self> {
        let recipe = |path: &[&str]| value(&run.recipe.yaml, path);
        // A recipe of an earlier version may lack a key; these are the values that its program had.
        let samples = recipe(&["evaluate", "samples"]);
        let has_several = samples.and_then(|n| n.parse::<usize>().ok()) != Some(1);
        let by = |record: &SampleRecord, workflow: Workflow| {
            record.workflow == workflow.name()
                || record.routed_to.as_deref() == Some(workflow.name())
        };
        let ran: Vec<Workflow> = OF_DRAFTS
            .into_iter()
            .filter(|&workflow| workflow == Workflow::Beam || has_several)
            .filter(|&workflow| records.iter().any(|record| by(record, workflow)))
            .collect();
        let mut routed: BTreeMap<String, usize> = BTreeMap::new();
        let mut greedy_first = true;
        for record in records {
            if ran.iter().any(|&workflow| by(record, workflow)) {
                greedy_first &= record.decoding.is_greedy();
                if record.routed_to.is_some() {
                    *routed.entry(record.workflow.clone()).or_default() += 1;
                }
            }
        }
        let select = recipe(&["evaluate", "samples_select"]).unwrap_or_default();
        let score = recipe(&["evaluate", "beam", "score"]).unwrap_or_default();
        let select = [
            SamplesSelect::Likelihood,
            SamplesSelect::Weighted,
            SamplesSelect::Verifier,
        ]
        .map(SamplesSelect::name)
        .into_iter()
        .find(|word| *word == select && ran.contains(&Workflow::BestOfN));
        let beam = [BeamScore::Likelihood, BeamScore::Verifier]
            .map(BeamScore::name)
            .into_iter()
            .find(|word| *word == score && ran.contains(&Workflow::Beam));
        (!ran.is_empty()).then(|| Self {
            workflows: ran.iter().map(|workflow| workflow.name()).collect(),
            routed,
            temperature: recipe(&["evaluate", "samples_temperature"])
                .and_then(|temperature| temperature.parse().ok()),
            greedy_first,
            select,
            beam,
        })
    }
}
