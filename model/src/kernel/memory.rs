//! What the C library's allocator does with memory that is freed.
#![allow(unsafe_code)] // a call into the C library

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
