//! Findings of the probes, and their grades.

use serde::Serialize;

/// Relative difference up to which two devices agree in single precision: they sum in different orders.
const SINGLE: f64 = 2e-4;
/// Relative difference up to which products in TF32 or 16 bits explain it; training tolerates it.
const REDUCED: f64 = 3e-2;

/// How far a device deviates in one respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grade {
    /// Equal up to rounding in single precision.
    Single,
    /// Equal up to rounding in a narrower type.
    Reduced,
    /// Different.
    Wrong,
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// The quantity that was compared.
    pub(crate) probe: String,
    /// The model, and the place of the largest difference.
    pub(crate) place: String,
    /// Largest difference, divided by the largest value; `null` in JSON if it is not finite.
    pub(crate) difference: f64,
    /// The grade of the difference.
    pub(crate) grade: Grade,
}

impl Finding {
    /// Grades a difference.
    pub(crate) fn of(probe: &str, place: &str, difference: f64) -> Self {
        Self {
            probe: probe.to_owned(),
            place: place.to_owned(),
            difference,
            grade: if difference <= SINGLE {
                Grade::Single
            } else if difference <= REDUCED {
                Grade::Reduced
            } else {
                // NaN compares false with everything.
                Grade::Wrong
            },
        }
    }
}
