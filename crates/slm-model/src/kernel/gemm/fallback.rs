//! Sums of products with the `gemm` crate, for CPUs without tile kernels.
#![allow(unsafe_code)] // the crate takes pointers and strides

use std::mem::MaybeUninit;

use super::{GemmTerm, MANY};

/// Writes all values of `out`.
///
/// # Shapes
/// as in [`super::gemm_sum`]
pub(super) fn gemm_sum(terms: &[GemmTerm], out: &mut [MaybeUninit<f32>]) {
    let (m, n) = (terms[0].a.rows, terms[0].b.columns);
    assert_eq!(out.len(), m * n, "output of another shape");
    // The crate leaves an output without products as it is.
    out.fill(MaybeUninit::new(0.0));
    for GemmTerm { factor, a, b } in terms {
        assert!(
            a.rows == m && b.columns == n && a.columns == b.rows,
            "factors of another shape"
        );
        let threads = if m * n * a.columns < MANY {
            gemm::Parallelism::None
        } else {
            gemm::Parallelism::Rayon(0)
        };
        // SAFETY: by the assertions and the invariant of `MatRef`, every element the strides address is inside its
        // slice; `out` is initialised, and no other reference to it exists.
        unsafe {
            gemm::gemm(
                m,
                n,
                a.columns,
                out.as_mut_ptr().cast::<f32>(),
                1,
                n as isize,
                true,
                a.values.as_ptr(),
                a.column_stride as isize,
                a.row_stride as isize,
                b.values.as_ptr(),
                b.column_stride as isize,
                b.row_stride as isize,
                1.0,
                *factor,
                false,
                false,
                false,
                threads,
            );
        }
    }
}
