//! The weight of a linear layer, laid out for the engine: panels of outputs side by side.

use half::bf16;
use rayon::prelude::*;

use super::vector::{Row, WIDTH, decode, multiply, widen};
use crate::gguf::{Codes, PackedTensor};

/// Columns that are unpacked at a time: a panel of so many rows stays in the nearest cache.
const DEPTH: usize = 256;

/// `[out, in]`, in panels of [`WIDTH`] outputs; the last one is filled up with zeros.
///
/// Values are kept as narrow as they came, and unpacked to the very same single-precision numbers.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) out_features: usize,
    pub(crate) in_features: usize,
    storage: Storage,
}

/// Each vector holds `in_features` rows a panel, or one for each group of them.
#[derive(Debug)]
enum Storage {
    Single(Vec<Row>),
    /// The upper halves, where the lower ones are zero.
    Half(Vec<[u16; WIDTH]>),
    Coded {
        codes: Vec<[i8; WIDTH]>,
        scales: Vec<Row>,
        minima: Option<Vec<Row>>,
        /// Columns that share a scale.
        group: usize,
    },
}

impl Matrix {
    /// # Shapes
    /// `values`: `[out, in]`, row-major
    pub(crate) fn from_values(values: &[f32], in_features: usize) -> Self {
        let out_features = values.len() / in_features;
        let is_half = values.iter().all(|value| value.to_bits() << 16 == 0);
        let storage = if is_half {
            let half = |value: f32| bf16::from_f32(value).to_bits();
            Storage::Half(panels(out_features, in_features, |row, column| {
                half(values[row * in_features + column])
            }))
        } else {
            Storage::Single(panels(out_features, in_features, |row, column| {
                values[row * in_features + column]
            }))
        };
        Self {
            out_features,
            in_features,
            storage,
        }
    }

    /// The same from the blocks of a GGUF file, without unpacking them.
    pub(crate) fn from_packed(packed: &PackedTensor) -> Self {
        let (out_features, in_features) = (packed.rows(), packed.columns());
        let group = packed.group();
        let groups = in_features / group;
        let n_panels = out_features.div_ceil(WIDTH);
        let mut codes = vec![[0; WIDTH]; n_panels * in_features];
        let mut scales = vec![[0.0; WIDTH]; n_panels * groups];
        let mut minima = scales.clone();
        codes
            .par_chunks_mut(in_features)
            .zip(scales.par_chunks_mut(groups))
            .zip(minima.par_chunks_mut(groups))
            .enumerate()
            .for_each(|(panel, ((codes, scales), minima))| {
                let mut of_row = Codes::new(packed);
                for j in 0..WIDTH.min(out_features - panel * WIDTH) {
                    packed.read(panel * WIDTH + j, &mut of_row);
                    into_column(j, &of_row.codes, codes);
                    into_column(j, &of_row.scales, scales);
                    into_column(j, &of_row.minima, minima);
                }
            });
        let minima = packed.has_minima().then_some(minima);
        Self {
            out_features,
            in_features,
            storage: Storage::Coded {
                codes,
                scales,
                minima,
                group,
            },
        }
    }

    /// Panels of outputs.
    pub(crate) fn panels(&self) -> usize {
        self.out_features.div_ceil(WIDTH)
    }

    /// Adds the products of some rows with one panel to `out`.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; `out`: `[n, WIDTH]`
    #[expect(clippy::large_stack_arrays, reason = "the nearest cache holds it")]
    pub(crate) fn add_products(&self, panel: usize, x: &[f32], out: &mut [Row]) {
        let stride = self.in_features;
        if let Storage::Single(values) = &self.storage {
            let panel = &values[panel * stride..][..stride];
            for (i, panel) in panel.chunks(DEPTH).enumerate() {
                multiply(&x[i * DEPTH..], stride, panel, out);
            }
            return;
        }
        let mut unpacked = [[0.0; WIDTH]; DEPTH];
        for start in (0..stride).step_by(DEPTH) {
            let unpacked = &mut unpacked[..DEPTH.min(stride - start)];
            self.unpack(panel, start, unpacked);
            multiply(&x[start..], stride, unpacked, out);
        }
    }

    /// Rows `start..` of a panel, in single precision. Groups are whole.
    fn unpack(&self, panel: usize, start: usize, out: &mut [Row]) {
        let first = panel * self.in_features + start;
        match &self.storage {
            Storage::Single(values) => out.copy_from_slice(&values[first..][..out.len()]),
            Storage::Half(halves) => {
                let halves = halves[first..][..out.len()].as_flattened();
                widen(halves, out.as_flattened_mut());
            }
            Storage::Coded {
                codes,
                scales,
                minima,
                group,
            } => {
                let codes = codes[first..][..out.len()].chunks(*group);
                for (i, (codes, out)) in codes.zip(out.chunks_mut(*group)).enumerate() {
                    let at = first / group + i;
                    let minima = minima.as_ref().map(|minima| &minima[at]);
                    decode(codes, &scales[at], minima, out);
                }
            }
        }
    }

    /// One row of the matrix.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let mut unpacked = vec![[0.0; WIDTH]; DEPTH];
        for start in (0..self.in_features).step_by(DEPTH) {
            let unpacked = &mut unpacked[..DEPTH.min(self.in_features - start)];
            self.unpack(row / WIDTH, start, unpacked);
            for (out, values) in out[start..].iter_mut().zip(unpacked) {
                *out = values[row % WIDTH];
            }
        }
    }

    /// Bytes that the values take.
    pub(crate) fn bytes(&self) -> usize {
        match &self.storage {
            Storage::Single(values) => size_of_val(&values[..]),
            Storage::Half(values) => size_of_val(&values[..]),
            Storage::Coded {
                codes,
                scales,
                minima,
                ..
            } => {
                let minima = minima.as_ref().map_or(0, |minima| size_of_val(&minima[..]));
                size_of_val(&codes[..]) + size_of_val(&scales[..]) + minima
            }
        }
    }
}

/// Writes values into column `j` of as many rows.
fn into_column<T: Copy>(j: usize, values: &[T], rows: &mut [[T; WIDTH]]) {
    for (row, &value) in rows.iter_mut().zip(values) {
        row[j] = value;
    }
}

/// The values of all panels, `[panels * columns]` rows.
fn panels<T: Copy + Default>(
    rows: usize,
    columns: usize,
    value: impl Fn(usize, usize) -> T,
) -> Vec<[T; WIDTH]> {
    let mut out = vec![[T::default(); WIDTH]; rows.div_ceil(WIDTH) * columns];
    for row in 0..rows {
        let (panel, j) = (row / WIDTH, row % WIDTH);
        for (column, place) in out[panel * columns..][..columns].iter_mut().enumerate() {
            place[j] = value(row, column);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::fixture::packed_noise;

    fn product(matrix: &Matrix, x: &[f32]) -> Vec<f32> {
        let n = x.len() / matrix.in_features;
        let mut y = vec![0.0; n * matrix.out_features];
        for panel in 0..matrix.panels() {
            let mut out = vec![[0.0; WIDTH]; n];
            matrix.add_products(panel, x, &mut out);
            for (i, out) in out.iter().enumerate() {
                for (j, &value) in out.iter().enumerate() {
                    if panel * WIDTH + j < matrix.out_features {
                        y[i * matrix.out_features + panel * WIDTH + j] = value;
                    }
                }
            }
        }
        y
    }

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 7u32;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn products_agree_with_a_plain_sum_in_double_precision() {
        for (n, out_features, in_features) in
            [(1, 5, 7), (3, 32, 256), (13, 33, 300), (26, 70, 513)]
        {
            let (weight, x) = (noise(out_features * in_features), noise(n * in_features));
            let y = product(&Matrix::from_values(&weight, in_features), &x);
            for i in 0..n {
                for j in 0..out_features {
                    let (x, w) = (&x[i * in_features..], &weight[j * in_features..]);
                    let terms: Vec<f64> = (x.iter().zip(w).take(in_features))
                        .map(|(&x, &w)| f64::from(x) * f64::from(w))
                        .collect();
                    let exact: f64 = terms.iter().sum();
                    let size: f64 = terms.iter().map(|term| term.abs()).sum();
                    // What a sum of so many terms in single precision may be off by.
                    let bound = in_features as f64 * f64::from(f32::EPSILON) * size;
                    let found = f64::from(y[i * out_features + j]);
                    assert!((found - exact).abs() <= bound, "{found} for {exact}");
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_beside_others() {
        let (n, out_features, in_features) = (29, 40, 300);
        let matrix = Matrix::from_values(&noise(out_features * in_features), in_features);
        let x = noise(n * in_features);
        let together = product(&matrix, &x);
        for i in 0..n {
            let alone = product(&matrix, &x[i * in_features..][..in_features]);
            assert_eq!(
                alone,
                together[i * out_features..][..out_features],
                "row {i}"
            );
        }
    }

    #[test]
    fn packed_and_half_precision_weights_give_the_same_bits_as_unpacked_ones() {
        for (packed, values) in packed_noise(33, 512) {
            let unpacked = Matrix::from_values(&values, 512);
            let kept = Matrix::from_packed(&packed);
            assert!(kept.bytes() < unpacked.bytes() / 2, "{packed:?}");
            let x = noise(5 * 512);
            assert_eq!(product(&kept, &x), product(&unpacked, &x), "{packed:?}");
            let (mut row, expected) = (vec![0.0; 512], &values[32 * 512..]);
            kept.row(32, &mut row);
            assert_eq!(row, expected, "{packed:?}");
        }
        let halves: Vec<f32> = noise(40 * 64)
            .into_iter()
            .map(|v| bf16::from_f32(v).to_f32())
            .collect();
        let kept = Matrix::from_values(&halves, 64);
        assert_eq!(kept.bytes(), 64 * 64 * 2);
        let wide = Matrix {
            storage: Storage::Single(panels(40, 64, |row, column| halves[row * 64 + column])),
            ..Matrix::from_values(&halves, 64)
        };
        assert_eq!(
            product(&kept, &noise(3 * 64)),
            product(&wide, &noise(3 * 64))
        );
    }
}
