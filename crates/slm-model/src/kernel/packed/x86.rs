//! AVX2 kernels for few rows and narrow weights, which are unpacked in registers.

#[allow(
    clippy::wildcard_imports,
    reason = "intrinsics have the instruction set in their names"
)]
use std::arch::x86_64::*;

use super::factors::Factors;
use super::packing::{
    Bytes, FIVES, Fives, NIBBLES, Nibbles, Packing, SIXES, Sixes, Words, upper_bits,
};
use super::{CodedPanels, HalfRow, Row, WIDTH};
use crate::simd::x86::avx2::{Vectors, add, finish, of_row, write};

/// Prefetch distance in bytes: the hardware prefetcher starts late and does not cross pages.
const AHEAD: usize = 2048;

/// Prefetches as many bytes as `weights` has, [`AHEAD`] bytes after its start.
#[inline]
fn ask_ahead<T>(weights: &[T]) {
    let first = weights.as_ptr().cast::<i8>().wrapping_add(AHEAD);
    for line in (0..size_of_val(weights)).step_by(64) {
        // SAFETY: a prefetch has no visible effect at any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(line)) };
    }
}

/// Calls a block specialized for the number of rows.
macro_rules! by_rows {
    ($out:ident, $block:ident($($argument:expr),*)) => {
        match $out.len() {
            0 => {}
            1 => $block::<1>($($argument),*),
            2 => $block::<2>($($argument),*),
            3 => $block::<3>($($argument),*),
            more => unreachable!("{more} rows are not few"),
        }
    };
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn of_factors(factors: &Factors, group: usize) -> Vectors {
    let halves = &factors.of_blocks[group >> factors.block_shift];
    let of_block: Vectors = std::array::from_fn(|j| {
        // SAFETY: eight halves follow at each address.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(halves.as_ptr().add(j * 8).cast()) })
    });
    let Some(bytes) = factors.of_groups.get(group) else {
        return of_block;
    };
    let of_group = of_bytes(bytes);
    std::array::from_fn(|j| _mm256_mul_ps(of_block[j], of_group[j]))
}

#[target_feature(enable = "avx2")]
#[inline]
fn of_bytes(bytes: &Bytes) -> Vectors {
    std::array::from_fn(|j| {
        // SAFETY: eight bytes follow at each address.
        let bytes = unsafe { _mm_loadl_epi64(bytes.as_ptr().add(j * 8).cast()) };
        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
    })
}

/// Adds the products with a row of codes; `x` and `stride` as in [`add`].
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_bytes<const M: usize>(
    sums: &mut [Vectors; M],
    x: *const f32,
    stride: usize,
    codes: &Bytes,
) {
    // SAFETY: guaranteed by the caller.
    unsafe { add(sums, x, stride, &of_bytes(codes)) };
}

/// Adds the products with eight rows of codes, ignoring their offset; `x` and `stride` as in [`add`], with
/// eight values each.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_nibbles<const M: usize>(
    sums: &mut [Vectors; M],
    x: *const f32,
    stride: usize,
    codes: &Nibbles,
) {
    let mask = _mm256_set1_epi32(0x0f);
    let mut left: [__m256i; WIDTH / 8] = std::array::from_fn(|j| {
        // SAFETY: eight numbers follow at each address.
        unsafe { _mm256_loadu_si256(codes.as_ptr().add(j * 8).cast()) }
    });
    for k in 0..NIBBLES {
        let values = left.map(|left| _mm256_cvtepi32_ps(_mm256_and_si256(left, mask)));
        left = left.map(|left| _mm256_srli_epi32::<4>(left));
        // SAFETY: guaranteed by the caller.
        unsafe { add(sums, x.add(k), stride, &values) };
    }
}

/// Adds the products with a unit of codes; `x` and `stride` as in [`add`], with one value per row of the unit.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_words<const M: usize, const N: usize>(
    sums: &mut [Vectors; M],
    mut x: *const f32,
    stride: usize,
    codes: &Words<N>,
    offset: i8,
) {
    let low_mask = _mm256_set1_epi32(0x0f0f_0f0f);
    let upper_mask = _mm256_set1_epi32(0x1010_1010 * ((1 << upper_bits(N)) - 1));
    let offset = _mm256_set1_epi8(offset);
    let load = |numbers: &[u32; WIDTH]| -> [__m256i; WIDTH / 8] {
        std::array::from_fn(|j| {
            // SAFETY: eight numbers follow at each address.
            unsafe { _mm256_loadu_si256(numbers.as_ptr().add(j * 8).cast()) }
        })
    };
    let mut upper = load(&codes[0]);
    for (n, low) in codes[1..].iter().enumerate() {
        if n == (N - 1) / 2 {
            // The upper bits that start at bit 0.
            upper = load(&codes[0]).map(|upper| _mm256_slli_epi32::<4>(upper));
        }
        let mut low = load(low);
        for _ in 0..2 {
            // Four rows, one byte each.
            let four: [__m256i; WIDTH / 8] = std::array::from_fn(|j| {
                let upper = _mm256_and_si256(upper[j], upper_mask);
                let kept = _mm256_or_si256(_mm256_and_si256(low[j], low_mask), upper);
                _mm256_sub_epi8(kept, offset)
            });
            low = low.map(|low| _mm256_srli_epi32::<4>(low));
            upper = upper.map(|upper| match upper_bits(N) {
                1 => _mm256_srli_epi32::<1>(upper),
                _ => _mm256_srli_epi32::<2>(upper),
            });
            // Sign-extends each byte by shifting it to the left end of its number.
            let rows = [
                four.map(|four| _mm256_slli_epi32::<24>(four)),
                four.map(|four| _mm256_slli_epi32::<16>(four)),
                four.map(|four| _mm256_slli_epi32::<8>(four)),
                four,
            ];
            for row in rows {
                let values = row.map(|row| _mm256_cvtepi32_ps(_mm256_srai_epi32::<24>(row)));
                // SAFETY: guaranteed by the caller, as `x` advances by one per row.
                unsafe {
                    add(sums, x, stride, &values);
                    x = x.add(1);
                }
            }
        }
    }
}

/// Adds the products of all rows with one panel of codes.
///
/// # Safety
/// `x` has `depth` values for each row of `out`. `sums` are the sums of its groups, one for each row and group, and the
/// distance between rows.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn add_products(
    panels: &CodedPanels,
    first: usize,
    depth: usize,
    x: &[f32],
    sums: (&[f32], usize),
    out: &mut [Row],
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match &panels.packing {
            Packing::Bytes(bytes) => {
                by_rows!(out, bytes_block(panels, bytes, first, depth, x, sums, out));
            }
            Packing::Nibbles(nibbles, _) => {
                by_rows!(
                    out,
                    nibbles_block(panels, nibbles, first, depth, x, sums, out)
                );
            }
            Packing::Fives(fives, _) => {
                by_rows!(out, fives_block(panels, fives, first, depth, x, sums, out));
            }
            Packing::Sixes(sixes, _) => {
                by_rows!(out, sixes_block(panels, sixes, first, depth, x, sums, out));
            }
        }
    }
}

/// Defines products with codes of one packing, `$rows` rows per unit; `$offset` is named if the kernel subtracts the
/// offset first.
macro_rules! of_packing {
    ($block:ident, $packed:ty, $rows:expr, $add:ident $(, $offset:ident)?) => {
        /// # Safety
        /// As for [`add_products`], with `M` rows.
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn $block<const M: usize>(
            panels: &CodedPanels,
            codes: &[$packed],
            first: usize,
            depth: usize,
            x: &[f32],
            (of_groups, sums_stride): (&[f32], usize),
            out: &mut [Row],
        ) {
            let surplus = _mm256_set1_ps(-f32::from(panels.packing.surplus()));
            $(let $offset = panels.packing.offset();)?
            let codes = &codes[first / $rows..][..depth / $rows];
            let mut values = x.as_ptr();
            for (g, codes) in codes.chunks_exact(panels.group / $rows).enumerate() {
                let mut sums: [Vectors; M] =
                    std::array::from_fn(|_| [_mm256_setzero_ps(); WIDTH / 8]);
                ask_ahead(codes);
                for codes in codes {
                    // SAFETY: `values` has advanced by one per row of weights already read.
                    unsafe {
                        $add(&mut sums, values, depth, codes $(, $offset)?);
                        values = values.add($rows);
                    }
                }
                let at = first / panels.group + g;
                let scales = of_factors(&panels.scales, at);
                if panels.needs_sums() {
                    let minima = match &panels.minima {
                        Some(minima) => of_factors(minima, at),
                        None => std::array::from_fn(|j| _mm256_mul_ps(surplus, scales[j])),
                    };
                    let of_x = std::array::from_fn(|i| of_groups[i * sums_stride + g]);
                    finish(sums, &scales, Some((&minima, of_x)), out);
                } else {
                    finish(sums, &scales, None, out);
                }
            }
        }
    };
}

of_packing!(bytes_block, Bytes, 1, add_bytes);
of_packing!(nibbles_block, Nibbles, NIBBLES, add_nibbles);
of_packing!(fives_block, Fives, FIVES, add_words, offset);
of_packing!(sixes_block, Sixes, SIXES, add_words, offset);

/// Adds the products of all rows with one panel of bfloat16 weights.
///
/// # Safety
/// `x` has `weights.len()` values for each row of `out`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply_halves(weights: &[HalfRow], x: &[f32], out: &mut [Row]) {
    // SAFETY: guaranteed by the caller.
    unsafe { by_rows!(out, halves_block(weights, x, out)) };
}

/// # Safety
/// As above, for `M` rows.
#[target_feature(enable = "avx2,fma")]
unsafe fn halves_block<const M: usize>(weights: &[HalfRow], x: &[f32], out: &mut [Row]) {
    let mut sums: [Vectors; M] = std::array::from_fn(|i| of_row(&out[i]));
    for (k, halves) in weights.iter().enumerate() {
        ask_ahead(halves);
        let values = std::array::from_fn(|j| {
            // SAFETY: eight halves follow at each address.
            let halves = unsafe { _mm_loadu_si128(halves.as_ptr().add(j * 8).cast()) };
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(halves)))
        });
        // SAFETY: `k` is below the length of a row of `x`.
        unsafe { add(&mut sums, x.as_ptr().add(k), weights.len(), &values) };
    }
    for (sums, out) in sums.iter().zip(out) {
        write(sums, out);
    }
}
