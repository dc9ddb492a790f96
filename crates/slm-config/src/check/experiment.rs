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
                effect,
                pass_rate_margin,
                declared: _,
            } = hypothesis;
            let once = hypotheses[..index]
                .iter()
                .all(|h| (h.id, h.metric) != (*id, *metric));
            let key = format!("{at}.metric");
            self.require(once, &key, metric, "each metric once for an id");
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
            if let Some(margin) = *pass_rate_margin
                && *id != HypothesisId::H2
            {
                let key = format!("{at}.pass_rate_margin");
                self.require(false, &key, margin, "nothing, since it belongs to h2");
            }
        }
    }
}
