//! Dot products in one fixed order, as fast as the CPU's vector unit allows.
//!
//! Sixteen partial sums run over the vectors, element `i` going to sum `i % 16`; at the end
//! they are added as a balanced tree. The order is the same in every block shape and on
//! every instruction set that has fused multiply-add, so blocking is free to follow the number of
//! rows.
#![allow(unsafe_code)] // calls into `#[target_feature]` functions, after detecting the feature

/// Partial sums per dot product: one AVX-512 register, or two of AVX2.
const LANES: usize = 16;

/// Rows of the left matrix that one block holds in registers.
pub(crate) const BLOCK: usize = 4;

/// `out[i * N + j] = dot(x row i, w row j)` for `M` rows of `x` and `N` rows of `w`.
///
/// # Shapes
/// `x`: at least `M * k` values; `w`: at least `N * k`; `out`: `M * N`
#[inline(always)]
#[allow(clippy::inline_always)] // must melt into the `#[target_feature]` functions below
fn block<const M: usize, const N: usize, const FUSED: bool>(
    x: &[f32],
    w: &[f32],
    k: usize,
    out: &mut [[f32; N]; M],
) {
    let multiply_add = |a: f32, b: f32, sum: f32| {
        if FUSED {
            a.mul_add(b, sum)
        } else {
            a * b + sum
        }
    };
    let mut sums = [[[0.0f32; LANES]; N]; M];
    let whole = k - k % LANES;
    let mut at = 0;
    while at < whole {
        for i in 0..M {
            let x_lane: &[f32; LANES] = lane(x, i * k + at);
            for j in 0..N {
                let w_lane: &[f32; LANES] = lane(w, j * k + at);
                for l in 0..LANES {
                    sums[i][j][l] = multiply_add(x_lane[l], w_lane[l], sums[i][j][l]);
                }
            }
        }
        at += LANES;
    }
    for i in 0..M {
        for j in 0..N {
            for l in whole..k {
                let sum = &mut sums[i][j][l - whole];
                *sum = multiply_add(x[i * k + l], w[j * k + l], *sum);
            }
            out[i][j] = tree_sum(&mut sums[i][j]);
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn lane(values: &[f32], at: usize) -> &[f32; LANES] {
    match values[at..].first_chunk() {
        Some(lane) => lane,
        None => unreachable!("rows hold whole lanes up to `whole`"),
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn tree_sum(sums: &mut [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            sums[l] += sums[l + width];
        }
        width /= 2;
    }
    sums[0]
}

/// Multiplies the rows of `x` with `rows` rows of `w`: `out[i * rows + j] = dot(x_i, w_j)`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn tile<const FUSED: bool>(x: &[f32], w: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    let n_x = x.len() / k;
    let mut j = 0;
    while j < rows {
        let w_block = &w[j * k..];
        let width = BLOCK.min(rows - j);
        let mut i = 0;
        while i < n_x {
            let x_block = &x[i * k..];
            let height = BLOCK.min(n_x - i);
            match (height, width) {
                (BLOCK, BLOCK) => {
                    store::<BLOCK, BLOCK, FUSED>(x_block, w_block, k, i, j, rows, out)
                }
                (1, BLOCK) => store::<1, BLOCK, FUSED>(x_block, w_block, k, i, j, rows, out),
                (height, width) => {
                    for di in 0..height {
                        for dj in 0..width {
                            let (x, w) = (&x_block[di * k..], &w_block[dj * k..]);
                            store::<1, 1, FUSED>(x, w, k, i + di, j + dj, rows, out);
                        }
                    }
                }
            }
            i += height;
        }
        j += width;
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn store<const M: usize, const N: usize, const FUSED: bool>(
    x: &[f32],
    w: &[f32],
    k: usize,
    i: usize,
    j: usize,
    rows: usize,
    out: &mut [f32],
) {
    let mut dots = [[0.0; N]; M];
    block::<M, N, FUSED>(x, w, k, &mut dots);
    for (di, row) in dots.iter().enumerate() {
        out[(i + di) * rows + j..][..N].copy_from_slice(row);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,fma")]
fn tile_avx512(x: &[f32], w: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    tile::<true>(x, w, k, rows, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn tile_avx2(x: &[f32], w: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    tile::<true>(x, w, k, rows, out);
}

/// All dot products of the rows of `x` with the rows of `w`, both of length `k`.
///
/// # Shapes
/// `x`: `[n_x, k]`; `w`: `[n_w, k]`; `out`: `[n_x, n_w]`, overwritten
pub(crate) fn products(x: &[f32], w: &[f32], k: usize, out: &mut [f32]) {
    let rows = w.len() / k;
    assert_eq!(out.len(), x.len() / k * rows, "output of another shape");
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            // SAFETY: the CPU has the features that the function is compiled for.
            return unsafe { tile_avx512(x, w, k, rows, out) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { tile_avx2(x, w, k, rows, out) };
        }
    }
    // aarch64 has fused multiply-add in its base instruction set.
    if cfg!(target_arch = "aarch64") {
        tile::<true>(x, w, k, rows, out);
    } else {
        tile::<false>(x, w, k, rows, out);
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
}
