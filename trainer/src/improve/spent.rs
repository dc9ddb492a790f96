//! What the stages cost: their wall time, and their energy.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;
use slm_artifacts::{AdapterFolder, Energy, EnergyPart, MeasuredEnergy, add_energy};
use slm_config::{Costs, Prefer};
use slm_report::{PhaseTiming, WorkCost};

use super::judge;
use super::stages::Stages;
use super::state::{Kind, Line};

/// What is read of a run's description.
#[derive(Deserialize)]
struct Times {
    timings: Vec<PhaseTiming>,
}

/// Returns the energy of the GPU of a finished stage, as its command recorded it over all its starts; the processors are
/// measured here, around the command, which took `seconds`. A data set has no record, and its command computes on a GPU only
/// for `improve.prefer: likelihood`.
///
/// # Errors
/// The record cannot be read.
pub(super) fn of_gpu(stages: &Stages, kind: Kind, round: usize, seconds: f64) -> Result<Energy> {
    let mut energy = Energy::default();
    match kind {
        Kind::Data => {
            let asks_model = stages.recipe.improve.prefer == Prefer::Likelihood;
            // The answers of the round were given on the same device.
            if asks_model && !of_gpu(stages, Kind::Sample, round, seconds)?.0.is_empty() {
                let reason = "`evaluator dataset` does not record the energy of a GPU";
                let unread = MeasuredEnergy::unread(seconds, reason);
                energy.0.insert(EnergyPart::Gpu, unread);
            }
        }
        Kind::Fit => {
            let training = AdapterFolder(&stages.adapter_of(round)).read_training();
            energy = training.and_then(|of| of.energy).unwrap_or_default();
        }
        Kind::Sample | Kind::Judge => {
            let path = judge::run_below(&stages.folder_of(kind, round))?.join("run.json");
            let cannot = || format!("cannot read {}", path.display());
            let run: Times = serde_json::from_slice(&fs::read(&path).with_context(cannot)?)
                .with_context(cannot)?;
            for timing in run.timings {
                energy.add(&timing.energy.unwrap_or_default());
            }
        }
    }
    // The processors are measured around the command.
    energy.0.retain(|part, _| *part != EnergyPart::Processors);
    Ok(energy)
}

/// Returns the cost of all stages together.
pub(super) fn all(lines: &[Line], prices: Option<&Costs>) -> WorkCost {
    let (seconds, energy) = lines.iter().fold((0.0, None), |(seconds, energy), line| {
        let more = (line.energy.as_ref(), line.seconds);
        let energy: Option<Energy> = energy;
        (
            seconds + line.seconds,
            add_energy((energy.as_ref(), seconds), more),
        )
    });
    WorkCost::of(seconds, energy.as_ref(), prices)
}

#[cfg(test)]
mod tests {
    use slm_artifacts::{Amount, NOT_RECORDED};

    use super::*;

    fn line(seconds: f64, energy: Option<Energy>) -> Line {
        Line {
            stage: Kind::Sample,
            round: 1,
            inputs: [].into(),
            outputs: [].into(),
            seconds,
            energy,
            command: String::new(),
        }
    }

    #[test]
    fn the_rounds_cost_the_sum_of_their_stages() {
        let mut part = MeasuredEnergy::default();
        part.gain(1.8e6);
        part.seconds = 3600.0;
        let energy = Energy([(EnergyPart::Processors, part)].into());
        let prices = Costs {
            price_per_kwh: Some(0.4),
            price_per_hour: None,
            currency: None,
        };
        let measured = line(3600.0, Some(energy));
        let cost = all(&[measured.clone(), measured.clone()], Some(&prices));
        assert!((cost.hours - 2.0).abs() < 1e-12);
        let Some(Amount::Known(money)) = cost.money else {
            panic!("{cost:?}");
        };
        assert!((money - 0.4).abs() < 1e-12, "1 kWh: {money}");
        // A stage that an earlier version carried out.
        let cost = all(&[line(60.0, None), measured], Some(&prices));
        assert!(matches!(cost.money, Some(Amount::AtLeast(_))), "{cost:?}");
        assert_eq!(cost.unread, [(NOT_RECORDED.to_owned(), 60.0)].into());
    }
}
