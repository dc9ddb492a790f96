//! Packing of right factors into the order in which a tile reads them.
#![allow(unsafe_code)] // calls of vector instructions

use std::ops::Range;

use super::x86::{rows_to_panels, transpose_8x8};
use super::{GemmTerm, MatRef};

/// Side of the blocks that are transposed.
const BLOCK: usize = 8;

/// A slice of a term along `k`: columns of `a` and the same rows of `b`.
pub(super) struct TermSlice<'a> {
    pub(super) term: GemmTerm<'a>,
    pub(super) k: Range<usize>,
}

/// Packs some columns of `b`, scaled by the term's factor, into panels of `width` columns; the last panel is padded
/// with zeros.
///
/// # Shapes
/// `panels`: `[columns.len() / width, rounded up, panel]`; the first `part.k.len() * width` values of each are written
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn columns_of_b(
    part: &TermSlice,
    columns: Range<usize>,
    width: usize,
    (panels, panel): (&mut [f32], usize),
) {
    let GemmTerm { factor, b, .. } = part.term;
    let k = part.k.len();
    let is_of_rows = b.column_stride == 1;
    let whole = columns.len() / width;
    let mut rest = columns.start;
    if is_of_rows && whole > 0 && width.is_multiple_of(BLOCK) {
        let from = b.from(part.k.start, columns.start);
        assert!(from.len() >= (k - 1) * b.row_stride + whole * width);
        assert!(panels.len() >= (whole - 1) * panel + k * width);
        let (from, to) = ((from.as_ptr(), b.row_stride), (panels.as_mut_ptr(), panel));
        // SAFETY: by the assertions, the last row of the last panel is inside.
        unsafe { rows_to_panels(factor, from, to, [k, whole, width]) };
        rest += whole * width;
    }
    for start in (rest..columns.end).step_by(width) {
        let place = (start - columns.start) / width * panel;
        let panel = &mut panels[place..][..k * width];
        let columns = start..columns.end.min(start + width);
        if columns.len() < width {
            panel.fill(0.0);
        }
        transpose_columns(factor, b, part.k.clone(), columns, panel, width);
    }
}

/// Packs rows `k` and some columns of `b` into one panel; faster if the values of a column are contiguous.
#[target_feature(enable = "avx2")]
fn transpose_columns(
    factor: f32,
    b: MatRef,
    k: Range<usize>,
    columns: Range<usize>,
    panel: &mut [f32],
    width: usize,
) {
    let in_blocks = |n: usize| n - n % BLOCK;
    let blocks_of = if b.row_stride == 1 { k.len() } else { 0 };
    let (whole_rows, whole_columns) = (in_blocks(blocks_of), in_blocks(columns.len()));
    for column in (0..whole_columns).step_by(BLOCK) {
        for row in (0..whole_rows).step_by(BLOCK) {
            let from = b.from(k.start + row, columns.start + column);
            let to = &mut panel[row * width + column..];
            assert!(from.len() >= (BLOCK - 1) * b.column_stride + BLOCK);
            assert!(to.len() >= (BLOCK - 1) * width + BLOCK);
            // SAFETY: by the assertions, the last value of the last row is inside.
            unsafe {
                transpose_8x8(
                    factor,
                    (from.as_ptr(), b.column_stride),
                    (to.as_mut_ptr(), width),
                );
            }
        }
    }
    for row in 0..k.len() {
        let done = if row < whole_rows { whole_columns } else { 0 };
        for column in done..columns.len() {
            let from = b.from(k.start + row, columns.start + column);
            panel[row * width + column] = factor * from[0];
        }
    }
}
