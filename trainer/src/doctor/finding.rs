//! Findings of the probes, and their grades.

use serde::Serialize;

/// Relative difference up to which two devices agree in single precision: they sum in different orders.
const SINGLE: f64 = 2e-4;
/// Relative difference up to which products in TF32 or 16 bits explain it; training tolerates it.
const REDUCED: f64 = 3e-2;
/// As [`REDUCED`], where weights, hidden states and products are in bf16: above the largest difference of PyTorch's bf16
/// from its single precision on the same models, 6.3e-2 (tests/it/golden/bf16/rounding.txt).
///
/// A kernel that is wrong in one tile or one row is off by the size of the values themselves, 0.1 to 1, and the same kernels
/// are held to [`SINGLE`] in single precision.
const IN_BF16: f64 = 7e-2;

/// The type in which a device computed a quantity; the CPU computes all in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Precision {
    /// Single precision.
    F32,
    /// Matrices, products and hidden states in bf16.
    Bf16,
}

impl Precision {
    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

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
    /// The type in which the device computed it.
    pub(crate) dtype: Precision,
    /// Largest difference, divided by the largest value; `null` in JSON if it is not finite.
    pub(crate) difference: f64,
    /// The grade of the difference.
    pub(crate) grade: Grade,
}

impl Finding {
    /// Grades a difference.
    pub(crate) fn of(probe: &str, place: &str, dtype: Precision, difference: f64) -> Self {
        let reduced = match dtype {
            Precision::F32 => REDUCED,
            Precision::Bf16 => IN_BF16,
        };
        Self {
            probe: probe.to_owned(),
            place: place.to_owned(),
            dtype,
            difference,
            grade: if difference <= SINGLE {
                Grade::Single
            } else if difference <= reduced {
                Grade::Reduced
            } else {
                // NaN compares false with everything.
                Grade::Wrong
            },
        }
    }
}

/// The state of a fused kernel on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KernelFinding {
    /// The kernel's name.
    pub(crate) kernel: String,
    /// The type of the hidden states that it was checked with.
    pub(crate) dtype: Precision,
    /// Why it is off; `null` if it is used.
    pub(crate) off: Option<String>,
}
