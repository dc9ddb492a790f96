//! Matrix products over plain memory, which may be added to what is there.
//!
//! The products themselves are the `gemm` crate's, which burn uses on the CPU as well. Through burn, each would have its
//! own output, to be scaled, added and turned by passes of their own on a single core.
#![allow(unsafe_code)] // the crate takes pointers and strides

use std::mem::MaybeUninit;

/// Multiplications from which on a product is worth sharing out among the cores.
const MANY: usize = 1 << 18;

/// A matrix that is read, as it lies in memory or transposed.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Operand<'a> {
    /// Row after row.
    ///
    /// # Shapes
    /// `values`: `[rows, values.len() / rows]`
    pub(crate) fn of_rows(values: &'a [f32], rows: usize) -> Self {
        let columns = values.len().checked_div(rows).unwrap_or(0);
        assert_eq!(values.len(), rows * columns, "rows of unequal length");
        Self {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The same, transposed.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `factor * a b`.
///
/// # Shapes
/// `a`: `[m, k]`; `b`: `[k, n]`; returns `[m, n]`, row after row
pub(crate) fn product(factor: f32, a: Operand, b: Operand) -> Vec<f32> {
    let n = a.rows * b.columns;
    let mut out = Vec::with_capacity(n);
    multiply(factor, a, b, out.spare_capacity_mut(), false);
    // SAFETY: all of the `n` values have been written.
    unsafe { out.set_len(n) };
    out
}

/// `out += factor * a b`.
///
/// # Shapes
/// as in [`product`]
pub(crate) fn add_product(factor: f32, a: Operand, b: Operand, out: &mut [f32]) {
    let start = out.as_mut_ptr().cast::<MaybeUninit<f32>>();
    // SAFETY: the same memory; what is written is initialised.
    let out = unsafe { std::slice::from_raw_parts_mut(start, out.len()) };
    multiply(factor, a, b, out, true);
}

/// Writes the first `m * n` values; with `adds` they are initialised.
fn multiply(factor: f32, a: Operand, b: Operand, out: &mut [MaybeUninit<f32>], adds: bool) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(b.rows, k, "matrices that do not fit");
    assert!(out.len() >= m * n, "output of another shape");
    if k == 0 && !adds {
        out[..m * n].fill(MaybeUninit::new(0.0));
    }
    let threads = if m * n * k < MANY {
        gemm::Parallelism::None
    } else {
        gemm::Parallelism::Rayon(0)
    };
    // SAFETY: by the assertions and `Operand::of_rows`, every place that the strides lead to is inside its slice, and
    // no other reference to `out` exists.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr().cast::<f32>(),
            1,
            n as isize,
            adds,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            factor,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::noise;

    #[test]
    fn products_are_those_of_plain_loops_in_either_layout() {
        for (m, n, k) in [(1, 1, 1), (5, 7, 3), (65, 70, 130), (3, 2, 0), (0, 4, 3)] {
            let (a, b) = (noise(m * k, 1), noise(k * n, 2));
            let at =
                |values: &[f32], width: usize, i: usize, j: usize| f64::from(values[i * width + j]);
            let mut turned = vec![0.0; n * k];
            for i in 0..k {
                for j in 0..n {
                    turned[j * k + i] = b[i * n + j];
                }
            }
            let left = Operand {
                columns: k,
                row_stride: k,
                ..Operand::of_rows(&a, m)
            };
            let b_rows = Operand {
                columns: n,
                row_stride: n,
                ..Operand::of_rows(&b, k)
            };
            for right in [b_rows, Operand::of_rows(&turned, n).transposed()] {
                if right.rows != k {
                    // Without rows a slice does not tell its width.
                    continue;
                }
                let found = product(0.5, left, right);
                let mut added = found.clone();
                add_product(-2.0, left, right, &mut added);
                for i in 0..m {
                    for j in 0..n {
                        let terms = (0..k).map(|l| at(&a, k, i, l) * at(&b, n, l, j));
                        let exact: f64 = terms.sum();
                        let close = |found: f32, exact: f64| {
                            let error = (f64::from(found) - exact).abs();
                            assert!(error < 1e-5 * (k as f64 + 1.0), "{found} for {exact}");
                        };
                        close(found[i * n + j], 0.5 * exact);
                        close(added[i * n + j], -1.5 * exact);
                    }
                }
            }
        }
    }
}
