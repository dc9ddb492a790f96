//! The check of the kernels at start-up: each runs on a small input on the very device, and is used only if it gives
//! what burn's operations give on the CPU.
//!
//! So a kernel that a driver or a compiler breaks costs speed, and not correctness. The kernels are compared as training
//! compiles them: in its number formats, with results in new tensors and in place of inputs, and with values that reach
//! their rare branches. Matrix products are the exception: burn races candidates for each class of shapes, and plain
//! operations use the same ones. Small products are compared and, on a GPU, one of 2048 rows with a weight of the
//! feed-forward block; products of other sizes are not.

#[cfg(feature = "cube")]
pub(crate) mod cases;

use burn::tensor::{DType, Device};

use crate::config::ModelConfig;
use crate::fused::Kernels;

impl Kernels {
    /// Checks every kernel on `device`, for a decoder of the dtype `kind`. A kernel that differs, fails or panics is off.
    ///
    /// Takes milliseconds once the kernels are compiled. Nothing is checked on the CPU, which has no kernels.
    pub(crate) fn checked(device: &Device, kind: DType, config: &ModelConfig) -> Self {
        #[cfg(feature = "cube")]
        if !crate::device::is_cpu(device) {
            return cases::checked(device, kind, config, broken_by_test());
        }
        let _ = (device, kind, config);
        Self::default()
    }
}

#[cfg(feature = "cube-cpu")]
static BROKEN: std::sync::Mutex<Option<crate::fused::KernelResult>> = std::sync::Mutex::new(None);

/// Makes the first result of one kernel wrong in all decoders that are loaded from now on: for tests of the check in whole
/// programs.
#[cfg(feature = "cube-cpu")]
#[doc(hidden)]
pub fn break_kernel(kernel: crate::fused::Kernel) {
    let mut broken = BROKEN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    *broken = kernel.results().first().map(|&result| (kernel, result));
}

#[cfg(feature = "cube")]
fn broken_by_test() -> Option<crate::fused::KernelResult> {
    #[cfg(feature = "cube-cpu")]
    {
        let broken = BROKEN.lock();
        *broken.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    #[cfg(not(feature = "cube-cpu"))]
    None
}
