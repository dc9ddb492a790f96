//! Ranges of what a run is to show, and of the grid of sampling parameters.

use std::ops::Bound;

use super::Check;
use crate::experiment::{Hypothesis, HypothesisId, HypothesisMetric, Sweep};

/// A longer list is a mistake rather than a plan.
const MOST_VALUES: usize = 20;

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
                let allowed = format!("{}, which {} speaks about", names.join(" or "), id.name());
                self.require(false, &key, metric.name(), allowed);
            }
            let holds = (-100.0..=100.0).contains(effect) && *effect != 0.0;
            let key = format!("{at}.effect");
            self.require(holds, &key, effect, "-100 to 100, but not 0");
            if let Some(margin) = *pass_rate_margin {
                let key = format!("{at}.pass_rate_margin");
                if *id == HypothesisId::H2 {
                    self.float_in(&key, margin, 0.0..=100.0);
                } else {
                    self.require(false, &key, margin, "nothing, since it belongs to h2");
                }
            }
        }
    }

    pub(super) fn sweep(&mut self, sweep: &Sweep) {
        let Sweep {
            temperatures,
            top_p,
            samples_per_task,
            workflow: _,
        } = sweep;
        for (name, values) in [("temperatures", temperatures), ("top_p", top_p)] {
            let key = format!("evaluate.sweep.{name}");
            self.choice(&key, values, "value");
            let few = values.len() <= MOST_VALUES;
            self.require(
                few,
                &key,
                values.len(),
                format!("at most {MOST_VALUES} values"),
            );
        }
        for (index, &value) in temperatures.iter().enumerate() {
            let key = format!("evaluate.sweep.temperatures[{index}]");
            self.float_in(&key, value, 0.0..=10.0);
        }
        for (index, &value) in top_p.iter().enumerate() {
            let key = format!("evaluate.sweep.top_p[{index}]");
            self.float_in(&key, value, (Bound::Excluded(0.0), Bound::Included(1.0)));
        }
        let key = "evaluate.sweep.samples_per_task";
        self.int_in(key, *samples_per_task, 1..=1000);
    }
}
