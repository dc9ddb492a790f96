//! What the records say about each question that the run asks: every number computed once.

pub(super) mod h1;
pub(super) mod h2;
pub(super) mod h3;

use serde::Serialize;

use super::claim::{Claim, adjust_for_the_family};
use h1::Comparison;
use h2::SweepFindings;
use h3::CollaborationFindings;

/// One entry a question; none where the run does not ask it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Findings {
    #[serde(rename = "h1")]
    pub(super) comparison: Option<Comparison>,
    #[serde(rename = "h2")]
    pub(super) sweep: Option<SweepFindings>,
    #[serde(rename = "h3")]
    pub(super) collaboration: Option<CollaborationFindings>,
}

impl Findings {
    /// Corrects the p-values of all claims together.
    pub(super) fn adjusted(mut self) -> Self {
        let h1 = self
            .comparison
            .iter_mut()
            .flat_map(|found| &mut found.adapters);
        let h1 = h1.flat_map(|adapter| &mut adapter.claims);
        let h2 = self
            .sweep
            .iter_mut()
            .filter_map(|found| found.claim.as_mut());
        let h3 = self
            .collaboration
            .iter_mut()
            .filter_map(|found| found.claim.as_mut());
        adjust_for_the_family(h1.chain(h2).chain(h3).collect());
        self
    }

    /// All claims, in the order of the hypotheses.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        let h1 = self.comparison.iter().flat_map(|found| &found.adapters);
        let h1 = h1.flat_map(|adapter| &adapter.claims);
        let h2 = self.sweep.iter().filter_map(|found| found.claim.as_ref());
        let h3 = self
            .collaboration
            .iter()
            .filter_map(|found| found.claim.as_ref());
        h1.chain(h2).chain(h3)
    }
}
