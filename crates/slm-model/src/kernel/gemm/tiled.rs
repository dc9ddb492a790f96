//! Tiled GEMM: tiles of the output stay in registers, and blocks are sized for the caches.
//!
//! A task has some rows and a block of columns. It packs the block of every `b`, which then stays in the L2 cache, and
//! multiplies all of its rows with it, one tile height at a time; these rows stay in the L1 cache. Rows of `a` are read
//! in place. A sum of more products than fit takes several passes.
//!
//! # Source
//! Goto and van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication", without the copy of `a`: a tile
//! reads so few rows that they need not be contiguous.
#![allow(unsafe_code)] // tiles of one output are written by several threads

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::pack::{self, TermSlice};
use super::x86::{MOST_COLUMNS, ROWS, RowsOfA, Tile};
use super::{GemmTerm, MANY, MatRef, transposed};

/// Products per value that are summed in one pass.
const PASS: usize = 960;
/// Panels of a block: with the rows of a pass they take 180 KiB, or 360 KiB with vectors of twice the width.
const PANELS: usize = 3;
/// Tasks per thread, so that no thread waits long for the last one.
const TASKS: usize = 3;
/// Values of `a` that all tasks process before continuing: 8 MiB, so that they stay in the last-level cache.
const SHARED: usize = 2 << 20;
/// Minimum number of rows for which a block is worth packing again.
const FEWEST_ROWS: usize = 128;

thread_local! {
    /// Each thread's buffer for the panels of a task, reused so that it is zeroed only once.
    static PANELS_OF_B: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// The output; each task writes its own rows and columns.
struct Output(*mut f32);

// SAFETY: tasks write disjoint parts.
unsafe impl Sync for Output {}

impl Output {
    /// # Safety
    /// The index is inside.
    unsafe fn at(&self, place: usize) -> *mut f32 {
        // SAFETY: guaranteed by the caller.
        unsafe { self.0.add(place) }
    }
}

/// Writes all values of `out`.
///
/// # Shapes
/// as in [`super::gemm_sum`]
pub(super) fn gemm_sum(terms: &[GemmTerm], out: &mut [MaybeUninit<f32>], tile: Tile) {
    let (m, n) = (terms[0].a.rows, terms[0].b.columns);
    assert_eq!(out.len(), m * n, "output of another shape");
    for GemmTerm { a, b, .. } in terms {
        assert!(
            a.rows == m && b.columns == n && a.columns == b.rows,
            "factors of another shape"
        );
    }
    if out.is_empty() {
        return;
    }
    // Rows of `a` are read in place and must be contiguous: a transposed factor is copied once.
    let copies: Vec<Option<Vec<f32>>> = terms
        .iter()
        .map(|GemmTerm { a, .. }| (a.column_stride != 1).then(|| transposed(a.values, a.columns)))
        .collect();
    let terms: Vec<GemmTerm> = terms
        .iter()
        .zip(&copies)
        .map(|(term, copy)| GemmTerm {
            a: copy
                .as_ref()
                .map_or(term.a, |values| MatRef::of_rows(values, m)),
            ..*term
        })
        .collect();
    let passes = passes(&terms);
    let width = PANELS * tile.columns;
    let blocks = n.div_ceil(width);
    let tasks = TASKS * rayon::current_num_threads();
    let stretches = tasks.div_ceil(blocks).min(m / FEWEST_ROWS).max(1);
    let height = m.div_ceil(stretches).next_multiple_of(ROWS);
    let stretches = m.div_ceil(height);
    let out = Output(out.as_mut_ptr().cast());
    let tasks = 0..blocks * stretches;
    let products: usize = terms.iter().map(GemmTerm::k).sum();
    for (index, passes) in passes.chunks((SHARED / (PASS * m)).max(1)).enumerate() {
        let run = |task: usize| {
            let (block, stretch) = (task / stretches, task % stretches);
            let rows = stretch * height..m.min((stretch + 1) * height);
            let columns = block * width..n.min((block + 1) * width);
            let out = (&out, n, index > 0);
            PANELS_OF_B.with_borrow_mut(|of_b| {
                // SAFETY: no two tasks have both a row and a column in common.
                unsafe { write(passes, rows, columns, out, tile, of_b) };
            });
        };
        if m * n * products < MANY {
            tasks.clone().for_each(run);
        } else {
            tasks.clone().into_par_iter().with_max_len(1).for_each(run);
        }
    }
}

/// Splits the concatenated terms into passes of about equal length; at least one, which may be empty.
fn passes<'a>(terms: &[GemmTerm<'a>]) -> Vec<Vec<TermSlice<'a>>> {
    let total: usize = terms.iter().map(GemmTerm::k).sum();
    let count = total.div_ceil(PASS).max(1);
    let length = total.div_ceil(count).next_multiple_of(8);
    let mut passes: Vec<Vec<TermSlice>> = Vec::new();
    passes.resize_with(count, Vec::new);
    let mut before = 0;
    for term in terms {
        for (pass, parts) in passes.iter_mut().enumerate() {
            let start = (pass * length).clamp(before, before + term.k());
            let end = ((pass + 1) * length).clamp(before, before + term.k());
            if start < end {
                let k = start - before..end - before;
                parts.push(TermSlice { term: *term, k });
            }
        }
        before += term.k();
    }
    passes
}

/// Writes some rows of a block of columns, or adds to them if `adds`.
///
/// # Safety
/// The rows and columns are inside the output, which is `width` columns wide; no other thread uses them during the
/// call; if `adds`, they are initialised.
unsafe fn write(
    passes: &[Vec<TermSlice>],
    rows: Range<usize>,
    columns: Range<usize>,
    (out, width, adds): (&Output, usize, bool),
    tile: Tile,
    of_b: &mut Vec<f32>,
) {
    let panels = columns.len().div_ceil(tile.columns);
    let length = |pass: &Vec<TermSlice>| pass.iter().map(|part| part.k.len()).sum::<usize>();
    let longest = passes.iter().map(length).max().unwrap_or(0);
    let needed = panels * longest * tile.columns;
    if of_b.len() < needed {
        of_b.resize(needed, 0.0);
    }
    let mut rows_of_a = Vec::new();
    for (index, pass) in passes.iter().enumerate() {
        let adds = adds || index > 0;
        let panel = length(pass) * tile.columns;
        let mut before = 0;
        for part in pass {
            let of_part = (&mut of_b[before * tile.columns..], panel);
            // SAFETY: only CPUs with AVX2 have tiles.
            unsafe { pack::columns_of_b(part, columns.clone(), tile.columns, of_part) };
            before += part.k.len();
        }
        for first in rows.clone().step_by(ROWS) {
            let some = first..rows.end.min(first + ROWS);
            point_at_rows(pass, some.clone(), &mut rows_of_a);
            for p in 0..panels {
                let column = columns.start + p * tile.columns;
                let b = of_b[p * panel..].as_ptr();
                let n = tile.columns.min(columns.end - column);
                // SAFETY: `rows_of_a` has as many rows as the tile, and in total as many columns as a panel has
                // rows; a tile wider than the output is written to a buffer first; the first pass has initialised
                // what the others add to.
                unsafe {
                    let place = out.at(first * width + column);
                    if n == tile.columns {
                        tile.multiply(some.len(), &rows_of_a, b, (place, width), adds);
                        continue;
                    }
                    let mut whole = [0.0; ROWS * MOST_COLUMNS];
                    let aside = (whole.as_mut_ptr(), tile.columns);
                    tile.multiply(some.len(), &rows_of_a, b, aside, false);
                    for (i, row) in whole.chunks(tile.columns).take(some.len()).enumerate() {
                        for (j, &value) in row[..n].iter().enumerate() {
                            let place = place.add(i * width + j);
                            place.write(if adds { *place + value } else { value });
                        }
                    }
                }
            }
        }
    }
}

/// Collects the addresses of a tile's rows in each part.
fn point_at_rows(pass: &[TermSlice], rows: Range<usize>, rows_of_a: &mut Vec<RowsOfA>) {
    rows_of_a.clear();
    for TermSlice { term, k } in pass {
        let last = term.a.from(rows.end - 1, k.start);
        assert!(last.len() >= k.len(), "a row that ends early");
        rows_of_a.push(RowsOfA {
            a: term.a.from(rows.start, k.start).as_ptr(),
            row_stride: term.a.row_stride,
            k: k.len(),
        });
    }
}
