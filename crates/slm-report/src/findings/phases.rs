//! The phases that the trajectories of a workflow reach.

use serde::Serialize;
use slm_artifacts::Phase;

use super::arms::ArmSamples;
use crate::record::SampleRecord;

/// With a smaller share of trajectories, a phase cannot show an effect.
const RARE: f64 = 0.05;

/// How many trajectories of a workflow reached one of its phases.
#[derive(Debug, Serialize)]
pub(crate) struct PhaseShare {
    pub(crate) workflow: String,
    pub(crate) phase: String,
    pub(crate) reached: usize,
    /// All trajectories of the workflow.
    pub(crate) of: usize,
    /// Whether less than [`RARE`] of them reached it.
    pub(crate) is_rare: bool,
}

/// Returns how many trajectories of a workflow reached each phase, in the phases' order; none if it records none.
pub(crate) fn phases(samples: &ArmSamples) -> Vec<PhaseShare> {
    if samples.samples().all(|record| record.phases.is_empty()) {
        return Vec::new();
    }
    let of = samples.samples().count();
    let share = |phase: Phase| {
        let has_phase = |record: &&SampleRecord| record.phases.contains(&phase);
        let reached = samples.samples().filter(has_phase).count();
        PhaseShare {
            workflow: samples.name.to_owned(),
            phase: phase.name().to_owned(),
            reached,
            of,
            is_rare: (reached as f64) < RARE * of as f64,
        }
    };
    Phase::ALL.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::sample;

    fn phase(name: &str) -> Phase {
        let mut all = Phase::ALL.into_iter();
        all.find(|phase| phase.name() == name).expect("a phase")
    }

    fn reached(phases: &[&str], task: usize) -> SampleRecord {
        let mut record = sample("base", task);
        record.phases = phases.iter().map(|name| phase(name)).collect();
        record
    }

    #[test]
    fn phases_come_in_their_order_and_rare_ones_are_marked() {
        let mut records: Vec<SampleRecord> = (0..19)
            .map(|task| reached(&["code", "test"], task))
            .collect();
        records.push(reached(&["code", "review", "test"], 19));
        records.push(reached(&["specify", "code"], 20));
        records.push(reached(&[], 21));
        let shares = phases(&ArmSamples::new("chain", &records));
        let found: Vec<(&str, usize, usize, bool)> = shares
            .iter()
            .map(|share| (&*share.phase, share.reached, share.of, share.is_rare))
            .collect();
        let expected = [
            ("specify", 1, 22, true),
            ("code", 21, 22, false),
            ("complete", 0, 22, true),
            ("review", 1, 22, true),
            ("test", 20, 22, false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn one_of_twenty_is_not_below_5_percent_and_no_phase_gives_no_row() {
        let mut records: Vec<SampleRecord> = (0..19).map(|task| reached(&[], task)).collect();
        assert!(phases(&ArmSamples::new("chain", &records)).is_empty());
        records.push(reached(&["test"], 19));
        let shares = phases(&ArmSamples::new("chain", &records));
        let rare: Vec<bool> = shares.iter().map(|share| share.is_rare).collect();
        assert_eq!(rare, [true, true, true, true, false], "{shares:?}");
    }
}
