//! Allocation of result buffers.
#![allow(unsafe_code)] // a call into the C library; memory that is written before it is read

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// Values zeroed at a time.
const PIECE: usize = 1 << 16;

/// Allocates zeros, written by all cores: zeroing on one core while the others wait takes a fiftieth of a step.
pub(crate) fn zeros(n: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n);
    let pieces = values.spare_capacity_mut()[..n].par_chunks_mut(PIECE);
    pieces.for_each(|piece| {
        piece.fill(MaybeUninit::new(0.0));
    });
    // SAFETY: all of the `n` values have been written.
    unsafe { values.set_len(n) };
    values
}

/// Makes the allocator keep freed memory for later allocations.
///
/// A training step repeatedly allocates the same large buffers. By default the largest are returned to the system each
/// time, which then has to zero new pages: a tenth of a step. The peak does not change. Call this first in a program,
/// before other threads start; it has an effect only with glibc.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Bytes taken from the system at a time.
        const STEP: libc::c_int = 64 << 20;
        // SAFETY: the function only sets parameters of the allocator; it rejects values that it does not
        // support.
        unsafe {
            // No separate mappings, and no memory returned from the end of the heap.
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            libc::mallopt(libc::M_TOP_PAD, STEP);
        }
    }
}
