//! All kernels of the crate.

use crate::offline::OfflineKernel;

/// Lists every kernel of this crate, in the number formats of training: bf16, with f32 where values are summed.
pub fn kernels() -> Vec<OfflineKernel> {
    let of_modules = [
        crate::sum::offline(),
        crate::swiglu::offline(),
        crate::norm::offline(),
        crate::rotary::offline(),
        crate::cross_entropy::offline(),
        crate::dropout::offline(),
        crate::flash::offline(),
        crate::concat::offline(),
    ];
    of_modules.into_iter().flatten().collect()
}
