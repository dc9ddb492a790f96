//! The phases that the trajectories of a workflow reach.

use serde::Serialize;

use super::arms::ArmSamples;

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

/// Returns the phases of a workflow in the order in which its trajectories reach them; none if it records none.
pub(crate) fn phases(samples: &ArmSamples) -> Vec<PhaseShare> {
    let of = samples.samples().count();
    let mut shares: Vec<PhaseShare> = Vec::new();
    for record in samples.samples() {
        // A phase that is new comes after the one before it in the same trajectory.
        let mut place = 0;
        for phase in &record.phases {
            let known = shares.iter().position(|share| share.phase == phase.name());
            let at = known.unwrap_or_else(|| {
                let share = PhaseShare {
                    workflow: samples.name.to_owned(),
                    phase: phase.name().to_owned(),
                    reached: 0,
                    of,
                    is_rare: false,
                };
                shares.insert(place, share);
                place
            });
            place = at + 1;
        }
        for share in &mut shares {
            share.reached += usize::from(record.phases.iter().any(|of| of.name() == share.phase));
        }
    }
    for share in &mut shares {
        share.is_rare = (share.reached as f64) < RARE * of as f64;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SampleRecord;
    use crate::synthetic::sample;
    use slm_artifacts::Phase;

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
    fn phases_come_in_the_order_of_the_trajectories_and_rare_ones_are_marked() {
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
        assert!(!shares[0].is_rare, "{shares:?}");
    }
}
