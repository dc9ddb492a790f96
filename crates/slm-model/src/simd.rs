//! SIMD: the inner loops of decoding and training.
//!
//! Every output is one sum over `k`, from the first product to the last, each added with a fused multiply-add. No
//! blocking changes that order, so a row's result has the same bits alone, in a batch, and on every instruction
//! set that has fused multiply-add.
#![allow(unsafe_code)] // vector instructions, guarded by CPU feature detection

mod gelu;
mod instructions;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

pub(crate) use gelu::{geglu, gelu};
pub(crate) use instructions::for_each_instruction_set;

/// Columns of a panel: the number of outputs computed together.
pub(crate) const WIDTH: usize = 32;

/// One value per column of a panel.
pub(crate) type Row = [f32; WIDTH];

/// Scales and minima of the rows of a panel, shared by groups of rows.
pub(crate) struct Groups<'a> {
    /// Rows per group.
    pub(crate) len: usize,
    pub(crate) scales: &'a [Row],
    pub(crate) minima: Option<&'a [Row]>,
    /// The sum of each row of `x` within each group, if there are minima; rows are `sums_stride` apart.
    pub(crate) sums: &'a [f32],
    pub(crate) sums_stride: usize,
}

/// Multiplies rows by a panel: `out[i][j] += sum over k of x[i][k] * panel[k][j]`.
///
/// # Shapes
/// `x`: one row of `depth` values per row of `out`, with the stride `stride`; `panel`: `[depth, WIDTH]`
pub(crate) fn multiply(x: &[f32], stride: usize, panel: &[Row], out: &mut [Row]) {
    let needed = out.len().saturating_sub(1) * stride + panel.len();
    assert!(
        out.is_empty() || x.len() >= needed,
        "rows that are not there"
    );
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature, and the assertions above bound the reads.
            return unsafe { x86::avx512::multiply(x, stride, panel, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::avx2::multiply(x, stride, panel, out) };
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

/// Multiplies rows by a panel whose values are `scale * number + minimum`: the products of each group are
/// summed before scaling.
///
/// # Shapes
/// As for [`multiply`]; `panel`: of whole groups
pub(crate) fn multiply_scaled(
    x: &[f32],
    stride: usize,
    panel: &[Row],
    groups: &Groups,
    out: &mut [Row],
) {
    let n = panel.len() / groups.len;
    let needed = out.len().saturating_sub(1) * stride + panel.len();
    let sums = out.len().saturating_sub(1) * groups.sums_stride + n;
    assert!(
        out.is_empty()
            || x.len() >= needed && (groups.minima.is_none() || groups.sums.len() >= sums),
        "rows that are not there"
    );
    assert!(groups.scales.len() >= n && groups.minima.is_none_or(|minima| minima.len() >= n));
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature, and the assertions above bound the reads.
            return unsafe { x86::avx512::multiply_scaled(x, stride, panel, groups, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { x86::avx2::multiply_scaled(x, stride, panel, groups, out) };
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        for (group, panel) in panel.chunks_exact(groups.len).enumerate() {
            let mut products = [0.0; WIDTH];
            for (&x, panel) in x[i * stride + group * groups.len..].iter().zip(panel) {
                for (product, &w) in products.iter_mut().zip(panel) {
                    *product = fused(x, w, *product);
                }
            }
            for (j, out) in out.iter_mut().enumerate() {
                *out = fused(groups.scales[group][j], products[j], *out);
                if let Some(minima) = groups.minima {
                    let sum = groups.sums[i * groups.sums_stride + group];
                    *out = fused(minima[group][j], sum, *out);
                }
            }
        }
    }
}

/// `a * b + c`, rounded once if the target has fused multiply-add.
#[inline]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    // Without it, `mul_add` calls the math library for each element, which is too slow.
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

/// Converts bfloat16 to single precision.
pub(crate) fn widen(halves: &[u16], out: &mut [f32]) {
    for (out, &half) in out.iter_mut().zip(halves) {
        *out = f32::from_bits(u32::from(half) << 16);
    }
}

/// Replaces each value by `exp(value - shift)` and returns their sum, computed in blocks of [`BLOCK`].
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

/// Writes `gate * sigmoid(gate) * up` to `gate`.
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

/// The inverse root mean square of a row.
///
/// # Source
/// Zhang and Sennrich 2019, arXiv:1910.07467.
pub(crate) fn inverse_rms(row: &[f32], eps: f32) -> f32 {
    let mean_square = sum_of(row, |value| value * value) / row.len() as f32;
    (mean_square + eps).sqrt().recip()
}

/// Sums values in blocks of [`BLOCK`].
pub(crate) fn sum(values: &[f32]) -> f32 {
    sum_of(values, |value| value)
}

/// Values summed in single precision, 32 in each of [`LANES`]; the block sums are added in double.
///
/// A single sum over a vocabulary of 150,000 probabilities loses most of the small ones to rounding once it contains
/// the large one, and is too small by up to 1e-5 of its value.
pub(crate) const BLOCK: usize = 512;
/// The number of parallel partial sums.
pub(crate) const LANES: usize = 16;

#[inline]
fn sum_of(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let blocks = values.chunks(BLOCK).map(|block| {
        let mut sums = [0.0; LANES];
        for part in block.chunks(LANES) {
            for (sum, &value) in sums.iter_mut().zip(part) {
                *sum += term(value);
            }
        }
        f64::from(total(sums))
    });
    blocks.sum::<f64>() as f32
}

/// Adds partial sums as a balanced tree.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
pub(crate) fn total(mut sums: [f32; LANES]) -> f32 {
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
    }
    sums[0]
}

pub(crate) use plain::exp;

/// Loops without intrinsics, compiled once for each instruction set.
mod plain {
    #![allow(
        clippy::inline_always,
        reason = "only inlined functions are compiled for the caller's instruction set"
    )]

    use super::{BLOCK, LANES, fused, total};

    /// Its unit in the last place is 1, so adding it rounds to an integer and leaves that in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;

    /// Computes `e^x` for `x` at most 0 or slightly above; the error is at most 2 units in the last place.
    ///
    /// `x = n ln 2 + r` with `|r|` at most half of `ln 2`; a polynomial gives `exp(r)`, and `n` is added to the
    /// exponent.
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
        let mut sum_of_blocks = 0.0;
        for block in values.chunks_mut(BLOCK) {
            let mut sums = [0.0; LANES];
            let (parts, rest) = block.as_chunks_mut::<LANES>();
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
            sum_of_blocks += f64::from(total(sums));
        }
        sum_of_blocks as f32
    }

    #[inline(always)]
    pub(super) fn swiglu(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::noise;

    fn rows(n: usize, seed: u32) -> Vec<Row> {
        noise(n * WIDTH, seed).as_chunks().0.to_vec()
    }

    #[test]
    fn exponentials_are_those_of_double_precision() {
        let mut values: Vec<f32> = (0..3000).map(|i| i as f32 * -0.03).collect();
        let shifted: Vec<f64> = values.iter().map(|&v| f64::from(v - 0.5)).collect();
        let sum = exponentials(&mut values, 0.5);
        for (found, x) in values.iter().zip(&shifted) {
            // Smaller results are clamped to the smallest normal numbers.
            let exact = x.max(-87.0).exp();
            let error = (f64::from(*found) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "exp({x}): {found}");
        }
        let exact: f64 = values.iter().map(|&v| f64::from(v)).sum();
        assert!((f64::from(sum) - exact).abs() < 1e-6 * exact);
    }

    /// Probabilities of a vocabulary, and the squares of a wide row: one large value and many small ones.
    #[test]
    fn long_sums_are_those_of_double_precision() {
        for n in [7, 511, 512, 513, 9_001, 151_936] {
            let mut values: Vec<f32> = noise(n, 3).iter().map(|x| 8.0 * x).collect();
            values[n / 2] = 22.0;
            let sum = f64::from(exponentials(&mut values, 22.0));
            let exact: f64 = values.iter().map(|&v| f64::from(v)).sum();
            assert!((sum / exact - 1.0).abs() < 2e-7, "{n}: {sum} for {exact}");
            let found = f64::from(super::sum(&values));
            assert!(
                (found / exact - 1.0).abs() < 2e-7,
                "{n}: {found} for {exact}"
            );
            let found = f64::from(inverse_rms(&values, 0.0)).powi(-2) * n as f64;
            let exact: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum();
            assert!(
                (found / exact - 1.0).abs() < 1e-6,
                "{n}: {found} for {exact}"
            );
        }
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

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn every_instruction_set_with_fused_multiply_add_gives_the_same_bits() {
        if !(is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma")) {
            // At most one vector instruction set: nothing to compare on this CPU.
            return;
        }
        let (n, depth) = (29, 90);
        let (x, panel) = (noise(n * depth, 5), rows(depth, 6));
        let (scales, minima, of_x) = (rows(3, 9), rows(3, 10), noise(3 * n, 11));
        let groups = Groups {
            len: 30,
            scales: &scales,
            minima: Some(&minima),
            sums: &of_x,
            sums_stride: 3,
        };
        let (mut wide, mut narrow) = (vec![[0.0; WIDTH]; n], vec![[0.0; WIDTH]; n]);
        let (mut plain, up) = (noise(500, 7), noise(500, 8));
        let (mut of_wide, mut of_narrow) = (plain.clone(), plain.clone());
        let sums;
        // SAFETY: the features were detected above.
        unsafe {
            x86::avx512::multiply(&x, depth, &panel, &mut wide);
            x86::avx2::multiply(&x, depth, &panel, &mut narrow);
            x86::avx512::multiply_scaled(&x, depth, &panel, &groups, &mut wide);
            x86::avx2::multiply_scaled(&x, depth, &panel, &groups, &mut narrow);
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
