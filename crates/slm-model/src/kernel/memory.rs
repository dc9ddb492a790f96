//! Where the memory of results comes from.
#![allow(unsafe_code)] // a call into the C library; memory that is written before it is read

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// So many values are cleared at a time.
const PIECE: usize = 1 << 16;

/// Zeros, written by all cores: what one core clears while the others wait is a fiftieth of a step.
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

/// Makes the allocator keep freed memory for what is allocated next.
///
/// A training step allocates the same large pieces again and again. By default the largest are given back to the system
/// each time, which then has to hand out cleared pages anew: a tenth of a step. The peak does not change. To be called
/// first in a program, before there are other threads; without effect but with glibc.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// So much is taken from the system at a time.
        const STEP: libc::c_int = 64 << 20;
        // SAFETY: the function only sets parameters of the allocator; it knows these, and refuses values that it cannot
        // take.
        unsafe {
            // No piece in a mapping of its own, and nothing given back from the end of the heap.
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            libc::mallopt(libc::M_TOP_PAD, STEP);
        }
    }
}
