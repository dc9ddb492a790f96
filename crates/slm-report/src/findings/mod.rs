//! The findings on each hypothesis of the run, and on its lookups: every number is computed once.

pub(crate) mod all_contrasts;
pub(crate) mod arm_summary;
pub(crate) mod arms;
mod attempts;
mod bodies;
pub(crate) mod cell_summary;
pub(crate) mod claim;
pub(crate) mod conclusion;
pub(crate) mod contrast;
mod elsewhere;
pub(crate) mod gate;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod h3;
mod lookup_contrast;
pub(crate) mod lookups;
mod missing_controls;
mod own_code;
pub(crate) mod parsons;
mod phases;
mod ranking;
mod routers;
pub(crate) mod same_text;
pub(crate) mod solved;
mod solved_per_token;
mod workflow_contrast;
pub(crate) mod workflows;

use serde::Serialize;
use slm_config::Workflow;

use crate::record::{RunInfo, SampleRecord};

use arms::Arms;
use bodies::BodyFindings;
use claim::{Claim, adjust_for_the_family};
use conclusion::Conclusion;
use h1::Comparison;
use h2::SweepFindings;
use h3::CollaborationFindings;
use lookups::LookupFindings;
use own_code::OwnCode;
use parsons::ParsonsFindings;
use routers::RouterFindings;
use workflows::WorkflowFindings;

/// One entry per hypothesis, `None` if the run does not test it, and those outside of hypotheses.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    /// The summary on the user's own repository; `None` without one.
    pub(crate) own_code: Option<OwnCode>,
    #[serde(rename = "h1")]
    pub(crate) comparison: Option<Comparison>,
    #[serde(rename = "h2")]
    pub(crate) sweep: Option<SweepFindings>,
    #[serde(rename = "h3")]
    pub(crate) collaboration: Option<CollaborationFindings>,
    /// The workflows that look something up; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lookups: Option<LookupFindings>,
    /// Arms with several workflows; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workflows: Option<WorkflowFindings>,
    /// The workflows that choose another one; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) routers: Option<RouterFindings>,
    /// The programs beside the publishers' own bodies; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bodies: Option<BodyFindings>,
    /// The tasks that show the lines of their solution; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parsons: Option<ParsonsFindings>,
}

impl Findings {
    /// Computes the findings. `arms` are those of the compared workflow, `others` those of the recipe's other
    /// workflows.
    pub(crate) fn new(
        run: &RunInfo,
        records: &[SampleRecord],
        arms: &Arms,
        others: &[(Workflow, Arms)],
    ) -> Self {
        let is_compared = run.plan.compared_workflow().is_some();
        let collaboration = CollaborationFindings::new(records, run);
        let lookups = LookupFindings::new(records, run);
        let findings = Self {
            workflows: WorkflowFindings::new(
                records,
                run,
                collaboration.as_ref(),
                lookups.as_ref(),
            ),
            own_code: is_compared.then(|| OwnCode::new(arms, run)).flatten(),
            comparison: is_compared.then(|| Comparison::new(arms, others, run)),
            sweep: SweepFindings::new(records, run),
            collaboration,
            lookups,
            routers: RouterFindings::new(records, run),
            bodies: is_compared.then(|| BodyFindings::new(arms)).flatten(),
            parsons: None,
        };
        let findings = findings.adjusted();
        if run.is_part() {
            findings.withheld()
        } else {
            findings
        }
    }

    /// Withholds every verdict.
    fn withheld(mut self) -> Self {
        for claim in self.claims_mut() {
            if claim.outcome != Conclusion::NotTested {
                claim.outcome = Conclusion::Withheld;
            }
        }
        if let Some(test) = self.sweep.as_mut().and_then(|found| found.test.as_mut()) {
            test.cost = Conclusion::Withheld;
        }
        if let Some(found) = &mut self.comparison {
            for adapter in &mut found.adapters {
                adapter.outcome = Conclusion::Withheld;
            }
            for other in &mut found.elsewhere {
                other.outcome = other.outcome.map(|_| Conclusion::Withheld);
            }
            let first = found.adapters.iter_mut().map(|of| &mut of.gate);
            let gates = first.chain(found.elsewhere.iter_mut().map(|of| &mut of.gate));
            for gate in gates.flatten() {
                gate.outcome = Conclusion::Withheld;
            }
        }
        self
    }

    /// Adjusts the p-values of all claims together.
    fn adjusted(mut self) -> Self {
        adjust_for_the_family(self.claims_mut().collect());
        self
    }

    fn claims_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        let h1 = self.comparison.iter_mut().flat_map(|found| {
            let first = found.adapters.iter_mut().map(|of| &mut of.claims);
            let others = found.elsewhere.iter_mut().map(|of| &mut of.claims);
            first.chain(others).flatten()
        });
        let h2 = self
            .sweep
            .iter_mut()
            .filter_map(|found| found.claim.as_mut());
        let h3 = self
            .collaboration
            .iter_mut()
            .filter_map(|found| found.claim.as_mut());
        h1.chain(h2).chain(h3)
    }

    /// Returns all claims, in the order of the hypotheses.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &Claim> {
        let h1 = self.comparison.iter().flat_map(|found| {
            let first = found.adapters.iter().map(|of| &of.claims);
            let others = found.elsewhere.iter().map(|of| &of.claims);
            first.chain(others).flatten()
        });
        let h2 = self.sweep.iter().filter_map(|found| found.claim.as_ref());
        let h3 = self
            .collaboration
            .iter()
            .filter_map(|found| found.claim.as_ref());
        h1.chain(h2).chain(h3)
    }
}
