//! The innermost loops of GEMM: tiles in vector registers, and transposition of 8 x 8 blocks.
#![allow(unsafe_code)] // vector instructions, which take pointers

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_prefetch, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_storeu_ps, _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_add_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

/// Rows of a tile. With two vectors per row, its sums take twelve of sixteen registers, leaving one for a value of `a`
/// and two for a row of `b`.
pub(super) const ROWS: usize = 6;

/// Maximum number of columns of a tile.
pub(super) const MOST_COLUMNS: usize = 32;

/// Part of the products that a tile sums: rows of `a` in place.
#[derive(Clone, Copy)]
pub(super) struct RowsOfA {
    /// The first row's first value.
    pub(super) a: *const f32,
    pub(super) row_stride: usize,
    /// The number of values per row.
    pub(super) k: usize,
}

/// Writes or adds to one tile with a fixed number of rows.
///
/// # Safety
/// as in [`Tile::multiply`]
type Multiply = unsafe fn(&[RowsOfA], *const f32, *mut f32, usize, bool);

/// The tile kernels of one instruction set.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    #[cfg_attr(not(test), expect(dead_code, reason = "printed by failing tests"))]
    pub(super) name: &'static str,
    pub(super) columns: usize,
    /// One kernel for each number of rows from 1 to [`ROWS`].
    of_rows: [Multiply; ROWS],
}

impl Tile {
    /// Returns the widest tile that this CPU supports.
    pub(super) fn best() -> Option<Self> {
        if is_x86_feature_detected!("avx512f") {
            Some(avx512::TILE)
        } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            Some(avx2::TILE)
        } else {
            None
        }
    }

    /// Returns all tiles that this CPU supports.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f");
        let all = [(avx2, avx2::TILE), (avx512, avx512::TILE)];
        all.into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, tile)| tile)
            .collect()
    }

    /// Writes a tile, or adds to it.
    ///
    /// # Shapes
    /// `rows_of_a`: of `rows` rows; `b`: as many rows as `rows_of_a` has values per row, of `columns` each; `out`:
    /// `rows` rows of `columns` values, with the stride `row_stride`
    /// # Safety
    /// All of that is readable, `out` is writable and, if `adds`, initialised; `rows` is from 1 to [`ROWS`].
    pub(super) unsafe fn multiply(
        &self,
        rows: usize,
        rows_of_a: &[RowsOfA],
        b: *const f32,
        (out, row_stride): (*mut f32, usize),
        adds: bool,
    ) {
        // SAFETY: guaranteed by the caller; a tile exists only where its instructions do.
        unsafe { self.of_rows[rows - 1](rows_of_a, b, out, row_stride, adds) }
    }
}

/// Defines one module per vector width: the same loop with other instructions.
macro_rules! tiles {
    ($name:ident, $features:literal, $lanes:literal, $zero:ident, $set:ident, $load:ident, $fma:ident, $add:ident, $store:ident) => {
        mod $name {
            use super::*;

            pub(super) const TILE: Tile = Tile {
                name: stringify!($name),
                columns: 2 * $lanes,
                of_rows: [
                    tile::<1>, tile::<2>, tile::<3>, tile::<4>, tile::<5>, tile::<6>,
                ],
            };

            /// # Safety
            /// as in [`Tile::multiply`]; the CPU has the instructions
            #[target_feature(enable = $features)]
            unsafe fn tile<const R: usize>(
                rows_of_a: &[RowsOfA],
                mut b: *const f32,
                out: *mut f32,
                row_stride: usize,
                adds: bool,
            ) {
                // SAFETY: all addresses are in the ranges that the caller guarantees.
                unsafe {
                    // Prefetches the output rows while the products are summed.
                    for i in 0..R {
                        let row = out.add(i * row_stride);
                        _mm_prefetch::<_MM_HINT_T0>(row.cast());
                        _mm_prefetch::<_MM_HINT_T0>(row.add(2 * $lanes - 1).cast());
                    }
                    let mut sums = [[$zero(); 2]; R];
                    for rows in rows_of_a {
                        let mut a = rows.a;
                        for _ in 0..rows.k {
                            let row = [$load(b), $load(b.add($lanes))];
                            for (i, sums) in sums.iter_mut().enumerate() {
                                let x = $set(*a.add(i * rows.row_stride));
                                sums[0] = $fma(x, row[0], sums[0]);
                                sums[1] = $fma(x, row[1], sums[1]);
                            }
                            a = a.add(1);
                            b = b.add(2 * $lanes);
                        }
                    }
                    for (i, sums) in sums.iter().enumerate() {
                        for (half, &sum) in sums.iter().enumerate() {
                            let place = out.add(i * row_stride + half * $lanes);
                            let sum = if adds { $add(sum, $load(place)) } else { sum };
                            $store(place, sum);
                        }
                    }
                }
            }
        }
    };
}

tiles!(
    avx2,
    "avx2,fma",
    8,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_storeu_ps
);
tiles!(
    avx512,
    "avx512f",
    16,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_storeu_ps
);

/// Prefetch distance in rows. Rows of a wide matrix are on separate pages, which the hardware prefetcher does not
/// cross.
const AHEAD: usize = 6;

/// Copies some rows, scaled, into panels.
///
/// # Shapes
/// `from`: `rows` rows of `panels * width` values, with the stride `from_stride`; `to`: `panels` panels of as many rows
/// of `width`, with the stride `panel`
/// # Safety
/// All of that is readable or writable; `width` is a multiple of 8; the CPU has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn rows_to_panels(
    factor: f32,
    (from, from_stride): (*const f32, usize),
    (to, panel): (*mut f32, usize),
    [rows, panels, width]: [usize; 3],
) {
    let factor = _mm256_set1_ps(factor);
    for row in 0..rows {
        // SAFETY: all addresses are in the ranges that the caller guarantees; prefetches may be outside them.
        unsafe {
            let (from, to) = (from.add(row * from_stride), to.add(row * width));
            let ahead = from.wrapping_add(AHEAD * from_stride);
            for p in 0..panels {
                let ahead = ahead.wrapping_add(p * width);
                for line in (0..width).step_by(16) {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
                }
                let (from, to) = (from.add(p * width), to.add(p * panel));
                for lane in (0..width).step_by(8) {
                    let values = _mm256_loadu_ps(from.add(lane));
                    _mm256_storeu_ps(to.add(lane), _mm256_mul_ps(factor, values));
                }
            }
        }
    }
}

/// Transposes and scales an 8 x 8 block.
///
/// # Safety
/// Eight rows of eight values are readable at `from`, with the stride `from_stride`, and writable at `to` likewise; the
/// CPU has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) unsafe fn transpose_8x8(
    factor: f32,
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
) {
    /// Interleaves values of two rows within each half; `fours` does so with pairs, `eights` with halves.
    #[target_feature(enable = "avx2")]
    fn pairs(a: __m256, b: __m256) -> [__m256; 2] {
        [_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)]
    }
    #[target_feature(enable = "avx2")]
    fn fours(a: __m256, b: __m256) -> [__m256; 2] {
        [
            _mm256_shuffle_ps::<0b01_00_01_00>(a, b),
            _mm256_shuffle_ps::<0b11_10_11_10>(a, b),
        ]
    }
    #[target_feature(enable = "avx2")]
    fn eights(a: __m256, b: __m256) -> [__m256; 2] {
        [
            _mm256_permute2f128_ps::<0x20>(a, b),
            _mm256_permute2f128_ps::<0x31>(a, b),
        ]
    }
    // SAFETY: all addresses are in the ranges that the caller guarantees.
    unsafe {
        let mut rows = [_mm256_setzero_ps(); 8];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = _mm256_loadu_ps(from.add(i * from_stride));
        }
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
        let ([a0, a1], [a2, a3]) = (pairs(r0, r1), pairs(r2, r3));
        let ([a4, a5], [a6, a7]) = (pairs(r4, r5), pairs(r6, r7));
        let ([b0, b1], [b2, b3]) = (fours(a0, a2), fours(a1, a3));
        let ([b4, b5], [b6, b7]) = (fours(a4, a6), fours(a5, a7));
        let ([c0, c4], [c1, c5]) = (eights(b0, b4), eights(b1, b5));
        let ([c2, c6], [c3, c7]) = (eights(b2, b6), eights(b3, b7));
        let factor = _mm256_set1_ps(factor);
        for (i, column) in [c0, c1, c2, c3, c4, c5, c6, c7].into_iter().enumerate() {
            _mm256_storeu_ps(to.add(i * to_stride), _mm256_mul_ps(factor, column));
        }
    }
}
