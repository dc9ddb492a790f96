//! The inner loops with AVX2 and AVX-512 vectors.

use super::plain;

/// Defines products of rows and panels for one instruction set, `$height` rows at a time; the largest heights come
/// first.
macro_rules! products {
    (
        $module:ident, $features:literal, $vector:ty, $lanes:literal,
        $broadcast:ident, $load:ident, $store:ident, $fused:ident, [$($height:literal),*]
    ) => {
        pub(crate) mod $module {
            use std::arch::x86_64::{$broadcast, $fused, $load, $store};

            use super::super::{Groups, Row, WIDTH};

            /// A row of a panel.
            pub(crate) type Vectors = [$vector; WIDTH / $lanes];

            #[target_feature(enable = $features)]
            #[inline]
            pub(crate) fn of_row(row: &Row) -> Vectors {
                // SAFETY: a whole vector follows at each address.
                std::array::from_fn(|j| unsafe { $load(row.as_ptr().add(j * $lanes)) })
            }

            #[target_feature(enable = $features)]
            #[inline]
            pub(crate) fn write(values: &Vectors, row: &mut Row) {
                for (j, &value) in values.iter().enumerate() {
                    // SAFETY: a whole vector follows at each address.
                    unsafe { $store(row.as_mut_ptr().add(j * $lanes), value) };
                }
            }

            /// Adds the products of one value of each row with a row of weights.
            ///
            /// # Safety
            /// `x` points to a value, followed by one per further row, `stride` apart.
            #[target_feature(enable = $features)]
            #[inline]
            pub(crate) unsafe fn add<const M: usize>(
                sums: &mut [Vectors; M],
                x: *const f32,
                stride: usize,
                weights: &Vectors,
            ) {
                for (i, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: guaranteed by the caller.
                    let x = $broadcast(unsafe { *x.add(i * stride) });
                    for (sum, &weight) in sums.iter_mut().zip(weights) {
                        *sum = $fused(x, weight, *sum);
                    }
                }
            }

            /// Scales the sums of a group's products and adds them to `out`, plus `minima` times the sum of `x` of each
            /// row, given in `of_x`.
            #[target_feature(enable = $features)]
            #[inline]
            pub(crate) fn finish<const M: usize>(
                sums: [Vectors; M],
                scales: &Vectors,
                minima: Option<(&Vectors, [f32; M])>,
                out: &mut [Row],
            ) {
                for (i, (sums, out)) in sums.into_iter().zip(out).enumerate() {
                    let mut total = of_row(out);
                    for (j, total) in total.iter_mut().enumerate() {
                        *total = $fused(scales[j], sums[j], *total);
                    }
                    if let Some((minima, of_x)) = &minima {
                        let of_x = $broadcast(of_x[i]);
                        for (total, &minimum) in total.iter_mut().zip(*minima) {
                            *total = $fused(minimum, of_x, *total);
                        }
                    }
                    write(&total, out);
                }
            }

            #[target_feature(enable = $features)]
            pub(in super::super) fn multiply(
                x: &[f32],
                stride: usize,
                panel: &[Row],
                out: &mut [Row],
            ) {
                let mut i = 0;
                $(
                    while out.len() - i >= $height {
                        block::<$height>(&x[i * stride..], stride, panel, &mut out[i..]);
                        i += $height;
                    }
                )*
            }

            #[target_feature(enable = $features)]
            #[inline]
            fn block<const M: usize>(
                x: &[f32],
                stride: usize,
                panel: &[Row],
                out: &mut [Row],
            ) {
                assert!(x.len() >= (M - 1) * stride + panel.len() && out.len() >= M);
                let mut sums: [Vectors; M] = std::array::from_fn(|i| of_row(&out[i]));
                for (k, weights) in panel.iter().enumerate() {
                    // SAFETY: `k` is inside each row of `x`, by the assertion.
                    unsafe { add(&mut sums, x.as_ptr().add(k), stride, &of_row(weights)) };
                }
                for (sums, out) in sums.iter().zip(out) {
                    write(sums, out);
                }
            }

            #[target_feature(enable = $features)]
            pub(in super::super) fn multiply_scaled(
                x: &[f32],
                stride: usize,
                panel: &[Row],
                groups: &Groups,
                out: &mut [Row],
            ) {
                let mut i = 0;
                $(
                    while out.len() - i >= $height {
                        scaled_block::<$height>(x, stride, panel, groups, i, out);
                        i += $height;
                    }
                )*
            }

            /// Computes the rows starting at `first`.
            #[target_feature(enable = $features)]
            #[inline]
            fn scaled_block<const M: usize>(
                x: &[f32],
                stride: usize,
                panel: &[Row],
                groups: &Groups,
                first: usize,
                out: &mut [Row],
            ) {
                let x = &x[first * stride..];
                assert!(x.len() >= (M - 1) * stride + panel.len());
                let sums = &groups.sums[(first * groups.sums_stride).min(groups.sums.len())..];
                let out = &mut out[first..][..M];
                for (g, panel) in panel.chunks_exact(groups.len).enumerate() {
                    let mut products: [Vectors; M] =
                        std::array::from_fn(|_| [$broadcast(0.0); WIDTH / $lanes]);
                    for (k, weights) in panel.iter().enumerate() {
                        // SAFETY: the group is inside each row of `x`, by the assertion.
                        unsafe {
                            let x = x.as_ptr().add(g * groups.len + k);
                            add(&mut products, x, stride, &of_row(weights));
                        }
                    }
                    let scales = of_row(&groups.scales[g]);
                    // Branches here, outside the inner loops.
                    match groups.minima {
                        Some(minima) => {
                            let of_x =
                                std::array::from_fn(|i| sums[i * groups.sums_stride + g]);
                            let minima = of_row(&minima[g]);
                            finish(products, &scales, Some((&minima, of_x)), out);
                        }
                        None => finish(products, &scales, None, out),
                    }
                }
            }
        }
    };
}

products!(
    avx512,
    "avx512f",
    std::arch::x86_64::__m512,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    [12, 6, 3, 2, 1]
);
products!(
    avx2,
    "avx2,fma",
    std::arch::x86_64::__m256,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    [2, 1]
);

/// Compiles the plain loops for an instruction set.
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
