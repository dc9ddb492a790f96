//! What a probe found, and how bad it is.

use serde::Serialize;

/// Relative difference up to which two devices compute the same in single precision: sums run in another order.
const SINGLE: f64 = 2e-4;
/// Up to here a difference is what products in TF32 or 16 bits make; training bears it.
const REDUCED: f64 = 3e-2;

/// How far a device is off in one respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Grade {
    /// Equal but for rounding in single precision.
    Single,
    /// Equal but for rounding in a narrower type.
    Reduced,
    /// Not the same.
    Wrong,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What was compared.
    pub(crate) probe: String,
    /// On which model, and where the difference is largest.
    pub(crate) place: String,
    /// Largest difference, as a part of the largest value; `null` in JSON if it is no number.
    pub(crate) difference: f64,
    /// What that means.
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
                // No number is not smaller than anything.
                Grade::Wrong
            },
        }
    }
}
