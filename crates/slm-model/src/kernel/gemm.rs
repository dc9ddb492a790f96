//! GEMM: sums of matrix products over plain memory, in one pass over their output.
//!
//! In burn, each product would have its own output, which separate single-core passes would scale, add and
//! transpose.
//!
//! A single product takes as long as with the `gemm` crate: 0.87 to 1.04 times its speed for 1,024 rows, up to 300 GFLOP/s on
//! two cores with AVX-512 (2026-11-30, `cargo bench -p slm-model --bench kernels -- gemm`). The gain is in sums of
//! products, which need no further passes, see `linear`.

mod fallback;
#[cfg(target_arch = "x86_64")]
mod pack;
#[cfg(target_arch = "x86_64")]
mod tiled;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::mem::MaybeUninit;

/// Minimum number of multiplications to distribute a sum over the cores.
const MANY: usize = 1 << 18;

/// A read-only matrix with strides, e.g. a transposed one. Every element its strides address is inside `values`.
#[derive(Clone, Copy)]
pub(crate) struct MatRef<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> MatRef<'a> {
    /// Wraps a row-major matrix.
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

    /// Returns the transposed view.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Returns the memory starting at an element of the matrix.
    fn from(&self, row: usize, column: usize) -> &'a [f32] {
        &self.values[row * self.row_stride + column * self.column_stride..]
    }
}

/// One product of a sum: `factor * a b`.
#[derive(Clone, Copy)]
pub(crate) struct GemmTerm<'a> {
    factor: f32,
    a: MatRef<'a>,
    b: MatRef<'a>,
}

impl<'a> GemmTerm<'a> {
    /// Creates a term.
    ///
    /// # Shapes
    /// `a`: `[m, k]`; `b`: `[k, n]`
    pub(crate) fn new(factor: f32, a: MatRef<'a>, b: MatRef<'a>) -> Self {
        assert_eq!(a.columns, b.rows, "matrices that do not fit");
        Self { factor, a, b }
    }

    /// The inner dimension: the number of products per value.
    fn k(&self) -> usize {
        self.a.columns
    }
}

/// Computes the sum of at least one product, all of the same shape.
///
/// Each value is summed in a fixed order, independent of the number of threads.
///
/// # Shapes
/// returns `[m, n]`, row-major
pub(crate) fn gemm_sum(terms: &[GemmTerm]) -> Vec<f32> {
    sum_of(terms, false)
}

/// Computes the sum with the `gemm` crate or the fastest kernel for this CPU.
fn sum_of(terms: &[GemmTerm], by_crate: bool) -> Vec<f32> {
    let (m, n) = (terms[0].a.rows, terms[0].b.columns);
    let alike = |term: &GemmTerm| term.a.rows == m && term.b.columns == n;
    assert!(terms.iter().all(alike), "products of several shapes");
    let mut out = Vec::with_capacity(m * n);
    write(terms, &mut out.spare_capacity_mut()[..m * n], by_crate);
    // SAFETY: all values have been written.
    #[allow(unsafe_code)]
    unsafe {
        out.set_len(m * n);
    };
    out
}

/// Computes `factor * a b`.
///
/// # Shapes
/// `a`: `[m, k]`; `b`: `[k, n]`; returns `[m, n]`, row-major
pub(crate) fn gemm(factor: f32, a: MatRef, b: MatRef) -> Vec<f32> {
    gemm_sum(&[GemmTerm::new(factor, a, b)])
}

/// Computes `a b` with the `gemm` crate, which CPUs without AVX2 use; the baseline for benchmarks of [`gemm`].
///
/// # Shapes
/// As for [`gemm`].
pub(crate) fn gemm_by_crate(a: MatRef, b: MatRef) -> Vec<f32> {
    sum_of(&[GemmTerm::new(1.0, a, b)], true)
}

/// Returns the values in column-major order.
///
/// # Shapes
/// `values`: `[rows, values.len() / rows]`
pub(crate) fn transposed(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len().checked_div(rows).unwrap_or(0);
    let places = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
    places.map(|place| values[place]).collect()
}

/// Writes all values of `out`.
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused_variables, reason = "only the crate is available")
)]
fn write(terms: &[GemmTerm], out: &mut [MaybeUninit<f32>], by_crate: bool) {
    #[cfg(target_arch = "x86_64")]
    if !by_crate && let Some(tile) = x86::Tile::best() {
        tiled::gemm_sum(terms, out, tile);
        return;
    }
    fallback::gemm_sum(terms, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::check::noise;

    type Sum = Box<dyn Fn(&[GemmTerm], &mut [MaybeUninit<f32>])>;

    /// All implementations that run on this machine.
    fn ways() -> Vec<(&'static str, Sum)> {
        let mut ways: Vec<(&str, Sum)> = vec![("fallback", Box::new(fallback::gemm_sum))];
        #[cfg(target_arch = "x86_64")]
        for tile in x86::Tile::all() {
            let sum: Sum = Box::new(move |terms, out| tiled::gemm_sum(terms, out, tile));
            ways.push((tile.name, sum));
        }
        ways
    }

    /// A matrix of `rows` rows and `columns` columns, also with zero of either.
    fn mat_ref(values: &[f32], rows: usize, columns: usize) -> MatRef<'_> {
        MatRef {
            columns,
            row_stride: columns,
            ..MatRef::of_rows(values, rows)
        }
    }

    fn exact(terms: &[GemmTerm], i: usize, j: usize) -> f64 {
        let products = terms.iter().flat_map(|term| {
            (0..term.k()).map(move |l| {
                let (a, b) = (term.a.from(i, l)[0], term.b.from(l, j)[0]);
                f64::from(term.factor) * f64::from(a) * f64::from(b)
            })
        });
        products.sum()
    }

    /// Checks one sum with its factors both plain and transposed.
    fn check(m: usize, n: usize, ks: &[usize]) {
        let factors: Vec<[Vec<f32>; 4]> = ks
            .iter()
            .enumerate()
            .map(|(index, &k)| {
                let seed = 2 * index as u32;
                let (a, b) = (noise(m * k, seed + 1), noise(k * n, seed + 2));
                let (of_a, of_b) = (transposed(&a, m), transposed(&b, k));
                [a, b, of_a, of_b]
            })
            .collect();
        for layout in 0..4 {
            let terms: Vec<GemmTerm> = factors
                .iter()
                .zip(ks)
                .zip([1.0, -0.5, 2.0])
                .map(|(([a, b, of_a, of_b], &k), factor)| {
                    let a = match layout % 2 {
                        0 => mat_ref(a, m, k),
                        _ => mat_ref(of_a, k, m).transposed(),
                    };
                    let b = match layout / 2 {
                        0 => mat_ref(b, k, n),
                        _ => mat_ref(of_b, n, k).transposed(),
                    };
                    GemmTerm::new(factor, a, b)
                })
                .collect();
            let terms_of_a_value: usize = ks.iter().sum();
            for (way, sum) in ways() {
                // Detects writes beyond the output and values that were not written.
                let mut out = vec![MaybeUninit::new(f32::NAN); m * n + 64];
                sum(&terms, &mut out[..m * n]);
                // SAFETY: all values have been initialised above.
                #[allow(unsafe_code)]
                let out: Vec<f32> = out.iter().map(|x| unsafe { x.assume_init() }).collect();
                for (place, &found) in out[..m * n].iter().enumerate() {
                    let exact = exact(&terms, place / n, place % n);
                    let error = (f64::from(found) - exact).abs();
                    assert!(
                        error < 1e-6 * (terms_of_a_value as f64 + 1.0),
                        "{way}, {m} x {n}, {ks:?}, layout {layout}, at {place}: {found} for {exact}"
                    );
                }
                assert!(out[m * n..].iter().all(|x| x.is_nan()), "{way}: beyond");
            }
        }
    }

    #[test]
    fn sums_are_those_of_plain_loops_in_every_layout() {
        for (m, n) in [
            (1, 1),
            (5, 7),
            (6, 16),
            (65, 70),
            (3, 2),
            (13, 131),
            (0, 4),
            (4, 0),
        ] {
            check(m, n, &[3]);
            check(m, n, &[130, 9, 1]);
            check(m, n, &[0]);
        }
        check(20, 40, &[1900, 16]);
        check(70, 230, &[701, 640, 3]);
        // More than a task processes at once.
        check(2200, 1, &[1950]);
    }

    #[test]
    fn a_value_does_not_depend_on_the_number_of_threads_or_on_what_is_beside_it() {
        let (m, n, k) = (403, 331, 1290);
        let (a, b) = (noise(m * k, 1), noise(k * n, 2));
        let [a, b] = [mat_ref(&a, m, k), mat_ref(&b, k, n)];
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().expect("threads");
            pool.install(|| gemm(1.0, a, b))
        };
        let one = on(1);
        assert_eq!(one, on(2));
        assert_eq!(one, on(7));
        let row = mat_ref(&a.values[5 * k..6 * k], 1, k);
        assert_eq!(gemm(1.0, row, b), one[5 * n..6 * n]);
    }

    #[test]
    #[should_panic(expected = "matrices that do not fit")]
    fn factors_of_other_shapes_are_refused() {
        let values = noise(12, 1);
        let _ = GemmTerm::new(1.0, mat_ref(&values, 3, 4), mat_ref(&values, 3, 4));
    }
}
