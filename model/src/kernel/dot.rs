//! Dot products in one fixed order, as fast as the CPU's vector unit allows.
//!
//! Sixteen partial sums run over the vectors, element `i` going to sum `i % 16`; at the end
//! they are added as a balanced tree. The order is the same in every block shape, and on
//! every instruction set that has fused multiply-add, so blocking is free to follow the number of
//! rows.
#![allow(unsafe_code)] // vector instructions, after asking the CPU for them

/// Partial sums per dot product: one AVX-512 register, or two of AVX2.
const LANES: usize = 16;

/// All dot products of the rows of `x` with the rows of `w`, both of length `k`.
///
/// # Shapes
/// `x`: `[n_x, k]`; `w`: `[n_w, k]`; `out`: `[n_x, n_w]`, overwritten
pub(crate) fn products(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    let (n_x, n_w) = (x.len() / k, w.len() / k);
    assert_eq!(
        (n_x * k, n_w * k),
        (x.len(), w.len()),
        "rows of another length"
    );
    assert_eq!(out.len(), n_x * n_w, "output of another shape");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the CPU has the features that the function is compiled for.
            return unsafe { x86::products_avx512(x, w, k, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::products_avx2(x, w, k, out) };
        }
    }
    for (i, x) in x.chunks_exact(k).enumerate() {
        for (j, w) in w.chunks_exact(k).enumerate() {
            out[i * n_w + j] = dot(x, w);
        }
    }
}

/// One dot product, in the order that all forms keep.
fn dot(x: &[f32], w: &[f32]) -> f32 {
    // A call into the mathematics library for each element would cost more than it is worth.
    const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    let mut sums = [0.0f32; LANES];
    for (x, w) in x.chunks(LANES).zip(w.chunks(LANES)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(x).zip(w) {
            *sum = if FUSED {
                a.mul_add(b, *sum)
            } else {
                a * b + *sum
            };
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(
        clippy::wildcard_imports,
        reason = "intrinsics are named by the instruction set alone"
    )]
    use std::arch::x86_64::*;

    use super::LANES;

    /// Computes `out` in blocks of `$height` by `$width` dot products, which share the loads of their rows; smaller
    /// blocks fill the edges.
    macro_rules! in_blocks {
        ($block:ident, $height:literal, $width:literal, $x:ident, $w:ident, $k:ident, $out:ident) => {{
            let (n_x, n_w) = ($x.len() / $k, $w.len() / $k);
            let mut j = 0;
            while j < n_w {
                let w = &$w[j * $k..];
                let wide = n_w - j >= $width;
                let mut i = 0;
                while i < n_x {
                    let x = &$x[i * $k..];
                    let out = &mut $out[i * n_w + j..];
                    i += match (n_x - i >= $height, wide) {
                        (true, true) => $block::<$height, $width>(x, w, $k, out, n_w),
                        (true, false) => $block::<$height, 1>(x, w, $k, out, n_w),
                        (false, true) => $block::<1, $width>(x, w, $k, out, n_w),
                        (false, false) => $block::<1, 1>(x, w, $k, out, n_w),
                    };
                }
                j += if wide { $width } else { 1 };
            }
        }};
    }

    #[target_feature(enable = "avx512f,avx512dq")]
    pub(super) fn products_avx512(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
        in_blocks!(block_avx512, 4, 4, x, w, k, out);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn products_avx2(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
        in_blocks!(block_avx2, 2, 2, x, w, k, out);
    }

    /// `M` rows of `x` by `N` rows of `w`, written to rows of `out` that are `stride` apart; returns `M`.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn block_avx512<const M: usize, const N: usize>(
        x: &[f32],
        w: &[f32],
        k: usize,
        out: &mut [f32],
        stride: usize,
    ) -> usize {
        assert!(x.len() >= M * k && w.len() >= N * k);
        let mut sums = [[_mm512_setzero_ps(); N]; M];
        let mut add = |at: usize, mask: __mmask16| {
            // SAFETY: unmasked lanes are elements `at..k` of rows that the assertion has found to be there.
            let load = |rows: &[f32], row: usize| unsafe {
                _mm512_maskz_loadu_ps(mask, rows.as_ptr().add(row * k + at))
            };
            let w: [__m512; N] = std::array::from_fn(|j| load(w, j));
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = load(x, i);
                for (sum, &w) in sums.iter_mut().zip(&w) {
                    *sum = _mm512_fmadd_ps(x, w, *sum);
                }
            }
        };
        let whole = k - k % LANES;
        let mut at = 0;
        while at < whole {
            add(at, !0);
            at += LANES;
        }
        if whole < k {
            add(whole, (1 << (k - whole)) - 1);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                let halves = _mm256_add_ps(
                    _mm512_castps512_ps256(sum),
                    _mm512_extractf32x8_ps::<1>(sum),
                );
                out[i * stride + j] = tree_sum(halves);
            }
        }
        M
    }

    /// As [`block_avx512`], with two registers for the sixteen partial sums.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn block_avx2<const M: usize, const N: usize>(
        x: &[f32],
        w: &[f32],
        k: usize,
        out: &mut [f32],
        stride: usize,
    ) -> usize {
        assert!(x.len() >= M * k && w.len() >= N * k);
        let mut sums = [[[_mm256_setzero_ps(); 2]; N]; M];
        // What is left of each row after its whole lanes, padded with zeros.
        let whole = k - k % LANES;
        let (mut x_rest, mut w_rest) = ([[0.0f32; LANES]; M], [[0.0f32; LANES]; N]);
        for (rest, row) in x_rest.iter_mut().zip(x.chunks_exact(k)) {
            rest[..k - whole].copy_from_slice(&row[whole..]);
        }
        for (rest, row) in w_rest.iter_mut().zip(w.chunks_exact(k)) {
            rest[..k - whole].copy_from_slice(&row[whole..]);
        }
        let mut at = 0;
        while at < k {
            let (x, w, stride) = if at < whole {
                (x[at..].as_ptr(), w[at..].as_ptr(), k)
            } else {
                (x_rest.as_ptr().cast(), w_rest.as_ptr().cast(), LANES)
            };
            // SAFETY: sixteen values follow at each row's place: inside the row by the assertion, or in its rest.
            let load = |rows: *const f32, row: usize| unsafe {
                let start = rows.add(row * stride);
                (_mm256_loadu_ps(start), _mm256_loadu_ps(start.add(8)))
            };
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = load(x, i);
                for (j, sum) in sums.iter_mut().enumerate() {
                    let w = load(w, j);
                    sum[0] = _mm256_fmadd_ps(x.0, w.0, sum[0]);
                    sum[1] = _mm256_fmadd_ps(x.1, w.1, sum[1]);
                }
            }
            at += LANES;
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                out[i * stride + j] = tree_sum(_mm256_add_ps(sum[0], sum[1]));
            }
        }
        M
    }

    /// Lanes 0 to 3 plus 4 to 7, then 0 and 1 plus 2 and 3, then 0 plus 1.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn tree_sum(sums: __m256) -> f32 {
        let four = _mm_add_ps(
            _mm256_castps256_ps128(sums),
            _mm256_extractf128_ps::<1>(sums),
        );
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn products_agree_with_a_plain_sum_in_double_precision() {
        for (n_x, n_w, k) in [
            (1, 1, 1),
            (1, 5, 17),
            (3, 4, 64),
            (4, 9, 100),
            (7, 6, 31),
            (9, 8, 15),
        ] {
            let (x, w) = (noise(n_x * k, 1), noise(n_w * k, 2));
            let mut out = vec![f32::NAN; n_x * n_w];
            products(&x, &w, k, &mut out);
            for i in 0..n_x {
                for j in 0..n_w {
                    let exact: f64 = (0..k)
                        .map(|l| f64::from(x[i * k + l]) * f64::from(w[j * k + l]))
                        .sum();
                    let found = f64::from(out[i * n_w + j]);
                    assert!(
                        (found - exact).abs() < 1e-5,
                        "{n_x} {n_w} {k}: {found} for {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_in_any_block() {
        let (n_x, n_w, k) = (11, 13, 77);
        let (x, w) = (noise(n_x * k, 3), noise(n_w * k, 4));
        let mut together = vec![0.0; n_x * n_w];
        products(&x, &w, k, &mut together);
        for i in 0..n_x {
            let mut alone = vec![0.0; n_w];
            products(&x[i * k..(i + 1) * k], &w, k, &mut alone);
            assert_eq!(alone, together[i * n_w..(i + 1) * n_w], "row {i}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_instruction_set_with_fused_multiply_add_gives_the_same_bits() {
        if !(is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("fma")) {
            // One vector instruction set at most: nothing to compare on this CPU.
            return;
        }
        let (n_x, n_w, k) = (5, 7, 90);
        let (x, w) = (noise(n_x * k, 5), noise(n_w * k, 6));
        let (mut wide, mut narrow) = (vec![0.0; n_x * n_w], vec![0.0; n_x * n_w]);
        // SAFETY: the features were detected above.
        unsafe {
            x86::products_avx512(&x, &w, k, &mut wide);
            x86::products_avx2(&x, &w, k, &mut narrow);
        }
        assert_eq!(wide, narrow);
    }
}
