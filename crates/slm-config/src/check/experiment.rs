//! Rules of `evaluate.hypotheses`.

use super::Check;
use crate::experiment::{Hypothesis, HypothesisId, HypothesisMetric};

impl Check {
    pub(super) fn hypotheses(&mut self, hypotheses: &[Hypothesis]) {
        for (index, hypothesis) in hypotheses.iter().enumerate() {
            let at = format!("evaluate.hypotheses[{index}]");
            let Hypothesis {
                id,
                metric,
                workflow,
                effect,
                pass_rate_margin,
                declared: _,
            } = hypothesis;
            let once = hypotheses[..index]
                .iter()
                .all(|h| (h.id, h.metric, h.workflow) != (*id, *metric, *workflow));
            let key = format!("{at}.metric");
            self.require(
                once,
                &key,
                metric,
                "each metric once for an id and a workflow",
            );
            if let Some(workflow) = *workflow
                && *id != HypothesisId::H1
            {
                let key = format!("{at}.workflow");
                let allowed = "nothing, since it belongs to h1";
                self.require(false, &key, workflow.name(), allowed);
            }
            if !id.metrics().contains(metric) {
                let names: Vec<&str> = id
                    .metrics()
                    .iter()
                    .map(|m| HypothesisMetric::name(*m))
                    .collect();
                let allowed = format!("{}, which belongs to {}", names.join(" or "), id.name());
                self.require(false, &key, metric.name(), allowed);
            }
            let holds = (-100.0..=100.0).contains(effect) && *effect != 0.0;
            let key = format!("{at}.effect");
            self.require(holds, &key, effect, "-100 to 100, but not 0");
            if *id == HypothesisId::H1 && metric.falls_with_h1() {
                let allowed = "below 0, since less of this metric is better";
                self.require(*effect < 0.0, &key, effect, allowed);
            }
            let is_its_own_gate = *id == HypothesisId::H1 && *metric == HypothesisMetric::PassRate;
            if is_its_own_gate {
                let allowed = "above 0, since more is better; `pass_rate_margin` of a row on another metric allows a loss";
                self.require(*effect > 0.0, &key, effect, allowed);
            }
            if let Some(margin) = *pass_rate_margin {
                let key = format!("{at}.pass_rate_margin");
                let allowed = "nothing, since it belongs to h1 and h2";
                self.require(*id != HypothesisId::H3, &key, margin, allowed);
                let allowed = "nothing, since the row itself tests the pass rate";
                self.require(!is_its_own_gate, &key, margin, allowed);
            }
        }
    }
}
