//! The inner loops of the engine, as fast as the CPU's vector unit allows.
//!
//! Every output is one sum over `k`, from the first product to the last, each added with a fused multiply-add. No
//! blocking changes that order, so a row's result is the same bits alone, in a batch, and on every instruction
//! set that has fused multiply-add.
#![allow(unsafe_code)] // vector instructions, after asking the CPU for them

/// Columns of a panel: the outputs that are computed side by side.
pub(crate) const WIDTH: usize = 32;

/// A value for each column of a panel.
pub(crate) type Row = [f32; WIDTH];

/// Multiplies rows by a panel: `out[i][j] += sum over k of x[i][k] * panel[k][j]`.
///
/// # Shapes
/// `x`: a row of `depth` values for each of `out`, which begin `stride` apart; `panel`: `[depth, WIDTH]`
pub(crate) fn multiply(x: &[f32], stride: usize, panel: &[Row], out: &mut [Row]) {
    let needed = out.len().saturating_sub(1) * stride + panel.len();
    assert!(
        out.is_empty() || x.len() >= needed,
        "rows that are not there"
    );
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature, and the assertions above bound what is read.
            return unsafe { x86::multiply_avx512(x, stride, panel, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::multiply_avx2(x, stride, panel, out) };
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        for (&x, panel) in x[i * stride..].iter().zip(panel) {
            for (out, &w) in out.iter_mut().zip(panel) {
                *out = fused(x, w, *out);
            }
        }
    }
}

/// `a * b + c`, rounded once where the target can.
#[inline]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    // A call into the mathematics library for each element would cost more than it is worth.
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// `scales[j] * codes[i][j] + minima[j]`, the product rounded before the sum.
///
/// # Shapes
/// `codes`, `out`: `[n, WIDTH]`; `scales`, `minima`: `[WIDTH]`
pub(crate) fn decode(codes: &[[i8; WIDTH]], scales: &Row, minima: Option<&Row>, out: &mut [Row]) {
    assert_eq!(codes.len(), out.len(), "output of another shape");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature that the function is compiled for.
            return unsafe { x86::decode_avx512(codes, scales, minima, out) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { x86::decode_avx2(codes, scales, minima, out) };
        }
    }
    for (codes, out) in codes.iter().zip(out) {
        for j in 0..WIDTH {
            out[j] = scales[j] * f32::from(codes[j]);
            if let Some(minima) = minima {
                out[j] += minima[j];
            }
        }
    }
}

/// Halves of single precision, made whole.
pub(crate) fn widen(halves: &[u16], out: &mut [f32]) {
    for (out, &half) in out.iter_mut().zip(halves) {
        *out = f32::from_bits(u32::from(half) << 16);
    }
}

/// Replaces each value by `exp(value - shift)` and gives their sum, which is taken in sixteen parts.
pub(crate) fn exponentials(values: &mut [f32], shift: f32) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature that the function is compiled for.
            return unsafe { x86::exponentials_avx512(values, shift) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::exponentials_avx2(values, shift) };
        }
    }
    plain::exponentials(values, shift)
}

/// `gate * sigmoid(gate) * up`, into `gate`.
pub(crate) fn swiglu(gate: &mut [f32], up: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature that the function is compiled for.
            return unsafe { x86::swiglu_avx512(gate, up) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::swiglu_avx2(gate, up) };
        }
    }
    plain::swiglu(gate, up);
}

/// The sum of squares, taken in sixteen parts.
pub(crate) fn sum_of_squares(values: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for part in values.chunks(16) {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value * value;
        }
    }
    total(sums)
}

/// Sixteen partial sums, added as a balanced tree.
#[inline]
fn total(mut sums: [f32; 16]) -> f32 {
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}

pub(crate) use plain::exp;

/// Loops without instructions of their own, compiled once for each instruction set.
mod plain {
    #![allow(
        clippy::inline_always,
        reason = "only what is inlined is compiled for its caller's instruction set"
    )]

    use super::{fused, total};

    /// So large that its last place is 1: adding it rounds, and leaves the whole number in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;

    /// e to the power of `x`, for `x` at most 0 or a little above; at most 2 units in the last place away.
    ///
    /// `x = n ln 2 + r` with `r` within half of `ln 2`; a polynomial gives `exp(r)`, and `n` goes into the exponent.
    ///
    /// # Source
    /// The polynomial and the split of `ln 2`: Moshier, Cephes mathematical library, `expf`.
    #[inline(always)]
    pub(crate) fn exp(x: f32) -> f32 {
        // Below, the result would be subnormal; above, infinite.
        let x = x.clamp(-87.0, 88.0);
        let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
        let n = shifted - ROUNDER;
        let r = fused(n, -0.693_359_4, x);
        let r = fused(n, 2.121_944_4e-4, r);
        let mut p = 1.987_569_1e-4;
        for c in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ] {
            p = fused(p, r, c);
        }
        let mantissa = fused(p, r * r, r) + 1.0;
        mantissa * f32::from_bits((shifted.to_bits() + 127) << 23)
    }

    #[inline(always)]
    pub(super) fn exponentials(values: &mut [f32], shift: f32) -> f32 {
        let mut sums = [0.0; 16];
        let (parts, rest) = values.as_chunks_mut::<16>();
        for part in parts {
            for (sum, value) in sums.iter_mut().zip(part) {
                *value = exp(*value - shift);
                *sum += *value;
            }
        }
        for (sum, value) in sums.iter_mut().zip(rest) {
            *value = exp(*value - shift);
            *sum += *value;
        }
        total(sums)
    }

    #[inline(always)]
    pub(super) fn swiglu(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(
        clippy::wildcard_imports,
        reason = "intrinsics are named by the instruction set alone"
    )]
    use std::arch::x86_64::*;

    use super::{Row, WIDTH, plain};

    /// Walks over the rows in blocks of the given heights, the tallest that fits first.
    macro_rules! in_blocks {
        ($block:ident, [$($height:literal),*], $x:ident, $stride:ident, $panel:ident, $out:ident) => {{
            let mut i = 0;
            $(
                while $out.len() - i >= $height {
                    $block::<$height>(&$x[i * $stride..], $stride, $panel, &mut $out[i..]);
                    i += $height;
                }
            )*
        }};
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn multiply_avx512(x: &[f32], stride: usize, panel: &[Row], out: &mut [Row]) {
        in_blocks!(block_avx512, [12, 6, 3, 2, 1], x, stride, panel, out);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn multiply_avx2(x: &[f32], stride: usize, panel: &[Row], out: &mut [Row]) {
        in_blocks!(block_avx2, [2, 1], x, stride, panel, out);
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn block_avx512<const M: usize>(x: &[f32], stride: usize, panel: &[Row], out: &mut [Row]) {
        let depth = panel.len();
        assert!(x.len() >= (M - 1) * stride + depth && out.len() >= M);
        let (x, panel) = (x.as_ptr(), panel.as_ptr().cast::<f32>());
        let out = out.as_mut_ptr().cast::<f32>();
        // SAFETY: rows of `out` are whole, by the assertion.
        let mut sums: [[__m512; 2]; M] = std::array::from_fn(|i| unsafe {
            let row = out.add(i * WIDTH);
            [_mm512_loadu_ps(row), _mm512_loadu_ps(row.add(16))]
        });
        for k in 0..depth {
            // SAFETY: `k` is below the panel's depth, and so inside each row of `x`, by the assertion.
            unsafe {
                let w = panel.add(k * WIDTH);
                let w = [_mm512_loadu_ps(w), _mm512_loadu_ps(w.add(16))];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*x.add(i * stride + k));
                    sums[0] = _mm512_fmadd_ps(x, w[0], sums[0]);
                    sums[1] = _mm512_fmadd_ps(x, w[1], sums[1]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            // SAFETY: as above.
            unsafe {
                _mm512_storeu_ps(out.add(i * WIDTH), sums[0]);
                _mm512_storeu_ps(out.add(i * WIDTH + 16), sums[1]);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn block_avx2<const M: usize>(x: &[f32], stride: usize, panel: &[Row], out: &mut [Row]) {
        let depth = panel.len();
        assert!(x.len() >= (M - 1) * stride + depth && out.len() >= M);
        let (x, panel) = (x.as_ptr(), panel.as_ptr().cast::<f32>());
        let out = out.as_mut_ptr().cast::<f32>();
        // SAFETY: rows of `out` are whole, by the assertion.
        let mut sums: [[__m256; 4]; M] = std::array::from_fn(|i| {
            std::array::from_fn(|j| unsafe { _mm256_loadu_ps(out.add(i * WIDTH + j * 8)) })
        });
        for k in 0..depth {
            // SAFETY: `k` is below the panel's depth, and so inside each row of `x`, by the assertion.
            unsafe {
                let w: [__m256; 4] =
                    std::array::from_fn(|j| _mm256_loadu_ps(panel.add(k * WIDTH + j * 8)));
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm256_set1_ps(*x.add(i * stride + k));
                    for (sum, &w) in sums.iter_mut().zip(&w) {
                        *sum = _mm256_fmadd_ps(x, w, *sum);
                    }
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(out.add(i * WIDTH + j * 8), sum) };
            }
        }
    }

    /// The caller has checked that there is a row of `out` for each of `codes`.
    #[target_feature(enable = "avx512f")]
    pub(super) fn decode_avx512(
        codes: &[[i8; WIDTH]],
        scales: &Row,
        minima: Option<&Row>,
        out: &mut [Row],
    ) {
        // SAFETY: in every row, sixteen values follow at the places 0 and 16.
        let halves = |row: &Row| unsafe { [0, 16].map(|at| _mm512_loadu_ps(row.as_ptr().add(at))) };
        let (scales, minima) = (halves(scales), minima.map(halves));
        for (codes, out) in codes.iter().zip(out) {
            for half in 0..2 {
                // SAFETY: as above.
                let codes = unsafe { _mm_loadu_si128(codes.as_ptr().add(half * 16).cast()) };
                let values = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
                let mut values = _mm512_mul_ps(values, scales[half]);
                if let Some(minima) = minima {
                    values = _mm512_add_ps(values, minima[half]);
                }
                // SAFETY: as above.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(half * 16), values) };
            }
        }
    }

    /// As [`decode_avx512`], with twice as many registers.
    #[target_feature(enable = "avx2")]
    pub(super) fn decode_avx2(
        codes: &[[i8; WIDTH]],
        scales: &Row,
        minima: Option<&Row>,
        out: &mut [Row],
    ) {
        // SAFETY: in every row, eight values follow at the places 0, 8, 16 and 24.
        let quarters =
            |row: &Row| unsafe { [0, 8, 16, 24].map(|at| _mm256_loadu_ps(row.as_ptr().add(at))) };
        let (scales, minima) = (quarters(scales), minima.map(quarters));
        for (codes, out) in codes.iter().zip(out) {
            for quarter in 0..4 {
                // SAFETY: as above.
                let codes = unsafe { _mm_loadl_epi64(codes.as_ptr().add(quarter * 8).cast()) };
                let values = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
                let mut values = _mm256_mul_ps(values, scales[quarter]);
                if let Some(minima) = minima {
                    values = _mm256_add_ps(values, minima[quarter]);
                }
                // SAFETY: as above.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr().add(quarter * 8), values) };
            }
        }
    }

    /// The plain loops again, compiled for an instruction set.
    macro_rules! compiled_for {
        ($features:literal, $exponentials:ident, $swiglu:ident) => {
            #[target_feature(enable = $features)]
            pub(super) fn $exponentials(values: &mut [f32], shift: f32) -> f32 {
                plain::exponentials(values, shift)
            }

            #[target_feature(enable = $features)]
            pub(super) fn $swiglu(gate: &mut [f32], up: &[f32]) {
                plain::swiglu(gate, up);
            }
        };
    }

    compiled_for!("avx512f", exponentials_avx512, swiglu_avx512);
    compiled_for!("avx2,fma", exponentials_avx2, swiglu_avx2);
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

    fn rows(n: usize, seed: u32) -> Vec<Row> {
        noise(n * WIDTH, seed).as_chunks().0.to_vec()
    }

    #[test]
    fn exponentials_are_those_of_double_precision() {
        let mut values: Vec<f32> = (0..3000).map(|i| i as f32 * -0.03).collect();
        let shifted: Vec<f64> = values.iter().map(|&v| f64::from(v - 0.5)).collect();
        let sum = exponentials(&mut values, 0.5);
        for (found, x) in values.iter().zip(&shifted) {
            // Below, the smallest normal numbers stand for all that is smaller.
            let exact = x.max(-87.0).exp();
            let error = (f64::from(*found) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "exp({x}): {found}");
        }
        let exact: f64 = values.iter().map(|&v| f64::from(v)).sum();
        assert!((f64::from(sum) - exact).abs() < 1e-6 * exact);
    }

    #[test]
    fn a_gate_is_weighed_by_its_sigmoid() {
        let (gate, up) = (noise(100, 1), noise(100, 2));
        let mut out: Vec<f32> = gate.iter().map(|g| g * 40.0).collect();
        let gates = out.clone();
        swiglu(&mut out, &up);
        for ((found, &g), &u) in out.iter().zip(&gates).zip(&up) {
            let g = f64::from(g);
            let exact = g / (1.0 + (-g).exp()) * f64::from(u);
            assert!((f64::from(*found) - exact).abs() < 1e-6 * (1.0 + exact.abs()));
        }
    }

    #[test]
    fn codes_are_scaled_before_their_minimum_is_added() {
        let codes = [[-128, 0, 127], [1, 2, 3]].map(|c| std::array::from_fn(|j| c[j % 3]));
        let (scales, minima) = (rows(1, 3)[0], rows(1, 4)[0]);
        for minima in [None, Some(&minima)] {
            let mut out = [[0.0; WIDTH]; 2];
            decode(&codes, &scales, minima, &mut out);
            for (codes, out) in codes.iter().zip(&out) {
                for j in 0..WIDTH {
                    let product = scales[j] * f32::from(codes[j]);
                    let expected = minima.map_or(product, |minima| product + minima[j]);
                    assert_eq!(out[j].to_bits(), expected.to_bits());
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_instruction_set_with_fused_multiply_add_gives_the_same_bits() {
        if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma")) {
            // One vector instruction set at most: nothing to compare on this CPU.
            return;
        }
        let (n, depth) = (29, 90);
        let (x, panel) = (noise(n * depth, 5), rows(depth, 6));
        let (mut wide, mut narrow) = (vec![[0.0; WIDTH]; n], vec![[0.0; WIDTH]; n]);
        let (mut plain, up) = (noise(500, 7), noise(500, 8));
        let (mut of_wide, mut of_narrow) = (plain.clone(), plain.clone());
        let sums;
        // SAFETY: the features were detected above.
        unsafe {
            x86::multiply_avx512(&x, depth, &panel, &mut wide);
            x86::multiply_avx2(&x, depth, &panel, &mut narrow);
            sums = [
                x86::exponentials_avx512(&mut of_wide, 1.0),
                x86::exponentials_avx2(&mut of_narrow, 1.0),
                plain::exponentials(&mut plain, 1.0),
            ];
            x86::swiglu_avx512(&mut of_wide, &up);
            x86::swiglu_avx2(&mut of_narrow, &up);
        }
        plain::swiglu(&mut plain, &up);
        assert_eq!(wide, narrow);
        assert_eq!(sums.map(f32::to_bits), [sums[0].to_bits(); 3]);
        assert_eq!(of_wide, of_narrow);
        assert_eq!(of_wide, plain);
    }
}
