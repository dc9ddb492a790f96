//! Weights in the engine's memory layout: panels of adjacent outputs.

use std::cell::RefCell;

use half::bf16;

use crate::gguf::PackedTensor;
use crate::kernel::packed::{
    CodedPanels, DEPTH, HalfRow, Inputs, Unpacked, are_few, multiply_halves,
};
use crate::simd::{Row, WIDTH, multiply, widen};
use crate::weights::{Weights, WeightsError};

thread_local! {
    /// Reused, because zeroing it each time is measurable.
    static UNPACKED: RefCell<Unpacked> = RefCell::new(Unpacked::new());
}

/// A weight `[out, in]` in panels of [`WIDTH`] outputs; the last panel is padded with zeros.
///
/// Values keep the dtype on disk and are unpacked to the same single-precision numbers.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) out_features: usize,
    pub(crate) in_features: usize,
    storage: Storage,
}

/// Each vector holds `in_features` rows per panel.
#[derive(Debug)]
enum Storage {
    Single(Vec<Row>),
    /// The upper halves of values whose lower halves are zero (bfloat16).
    Half(Vec<HalfRow>),
    Coded(CodedPanels),
}

impl Matrix {
    /// Reads a matrix by Hugging Face's name and keeps its dtype on disk.
    ///
    /// # Errors
    /// As [`Weights::tensor`].
    pub(crate) fn load(weights: &Weights, name: &str) -> Result<Self, WeightsError> {
        if let Some(packed) = weights.packed(name)? {
            return Ok(Self::from_packed(&packed));
        }
        // Reports errors in the tensor.
        let tensor = weights.tensor(name)?;
        Ok(Self::from_values(&tensor.values, tensor.shape[1]))
    }

    /// Builds a matrix from single-precision values.
    ///
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

    /// Builds a matrix from the blocks of a GGUF file without unpacking them.
    pub(crate) fn from_packed(packed: &PackedTensor) -> Self {
        Self {
            out_features: packed.rows(),
            in_features: packed.columns(),
            storage: Storage::Coded(CodedPanels::new(packed)),
        }
    }

    /// The number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.out_features.div_ceil(WIDTH)
    }

    /// Whether products need the sums of their [`Inputs`].
    pub(crate) fn needs_sums(&self) -> bool {
        match &self.storage {
            Storage::Single(_) | Storage::Half(_) => false,
            Storage::Coded(codes) => codes.needs_sums(),
        }
    }

    /// Adds the products of all rows of `x` with one panel to `out`.
    ///
    /// # Shapes
    /// `x`: `[n, in]`; `out`: `[n, WIDTH]`
    pub(crate) fn add_products(&self, panel: usize, x: &Inputs, out: &mut [Row]) {
        let depth = self.in_features;
        let first = panel * depth;
        match &self.storage {
            Storage::Single(values) => {
                let panel = &values[first..][..depth];
                for (i, panel) in panel.chunks(DEPTH).enumerate() {
                    multiply(&x.values[i * DEPTH..], depth, panel, out);
                }
            }
            Storage::Half(halves) if are_few(out.len()) => {
                multiply_halves(&halves[first..][..depth], x.values, out);
            }
            Storage::Half(halves) => UNPACKED.with_borrow_mut(|unpacked| {
                let halves = halves[first..][..depth].chunks(DEPTH);
                for (i, halves) in halves.enumerate() {
                    let unpacked = &mut unpacked.rows()[..halves.len()];
                    widen(halves.as_flattened(), unpacked.as_flattened_mut());
                    multiply(&x.values[i * DEPTH..], depth, unpacked, out);
                }
            }),
            Storage::Coded(codes) => UNPACKED.with_borrow_mut(|unpacked| {
                codes.add_products(first, depth, x, unpacked, out);
            }),
        }
    }

    /// Copies one row of the matrix to `out`.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let (first, j) = (row / WIDTH * self.in_features, row % WIDTH);
        match &self.storage {
            Storage::Single(values) => {
                for (out, values) in out.iter_mut().zip(&values[first..]) {
                    *out = values[j];
                }
            }
            Storage::Half(halves) => {
                for (out, halves) in out.iter_mut().zip(&halves[first..]) {
                    *out = bf16::from_bits(halves[j]).to_f32();
                }
            }
            Storage::Coded(codes) => codes.column(first, j, out),
        }
    }

    /// Size of the values in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match &self.storage {
            Storage::Single(values) => size_of_val(&values[..]),
            Storage::Half(values) => size_of_val(&values[..]),
            Storage::Coded(codes) => codes.bytes(),
        }
    }
}

/// Arranges values in panels, `[panels * columns]` rows.
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
    use crate::kernel::check::noise;

    fn product(matrix: &Matrix, x: &[f32]) -> Vec<f32> {
        let n = x.len() / matrix.in_features;
        let mut y = vec![0.0; n * matrix.out_features];
        for panel in 0..matrix.panels() {
            let mut out = vec![[0.0; WIDTH]; n];
            matrix.add_products(panel, &Inputs::new(x, matrix.needs_sums()), &mut out);
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

    /// Checks each row of `y` against double precision, with a tolerance for sums in single precision.
    fn check(y: &[f32], values: &[f32], x: &[f32], in_features: usize, coded: bool) {
        let out_features = values.len() / in_features;
        for (y, x) in y
            .chunks_exact(out_features)
            .zip(x.chunks_exact(in_features))
        {
            for (&found, w) in y.iter().zip(values.chunks_exact(in_features)) {
                let terms = x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w));
                let exact: f64 = terms.sum();
                // A coded weight is the sum of a product and a minimum, either of which may be larger than the weight.
                let largest = w.iter().fold(0.0, |largest: f32, w| largest.max(w.abs()));
                let size = |w: &f32| if coded { largest } else { w.abs() };
                let sizes = x.iter().zip(w).map(|(x, w)| f64::from(x.abs() * size(w)));
                let size: f64 = sizes.sum();
                let bound = in_features as f64 * f64::from(f32::EPSILON) * size;
                let found = f64::from(found);
                assert!((found - exact).abs() <= bound, "{found} for {exact}");
            }
        }
    }

    #[test]
    fn products_agree_with_a_plain_sum_in_double_precision() {
        for (n, out_features, in_features) in
            [(1, 5, 7), (3, 32, 256), (13, 33, 300), (26, 70, 513)]
        {
            let (weight, x) = (
                noise(out_features * in_features, 7),
                noise(n * in_features, 7),
            );
            let y = product(&Matrix::from_values(&weight, in_features), &x);
            check(&y, &weight, &x, in_features, false);
        }
        for (packed, values) in packed_noise(33, 512) {
            let kept = Matrix::from_packed(&packed);
            let unpacked = Matrix::from_values(&values, 512);
            assert!(kept.bytes() < unpacked.bytes() / 2, "{packed:?}");
            for n in [1, 2, 3, 4, 13] {
                let x = noise(n * 512, 7);
                check(&product(&kept, &x), &values, &x, 512, true);
            }
            let (mut row, expected) = (vec![0.0; 512], &values[32 * 512..]);
            kept.row(32, &mut row);
            assert_eq!(row, expected, "{packed:?}");
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_beside_others() {
        let out_features = 40;
        let mut matrices = Vec::new();
        for in_features in [300, 512] {
            let values = noise(out_features * in_features, 7);
            let halves: Vec<f32> = values.iter().map(|&v| bf16::from_f32(v).to_f32()).collect();
            matrices.push(Matrix::from_values(&values, in_features));
            let kept = Matrix::from_values(&halves, in_features);
            assert_eq!(kept.bytes(), 64 * in_features * 2);
            matrices.push(kept);
        }
        let packed = packed_noise(out_features, 512).into_iter();
        matrices.extend(packed.map(|(packed, _)| Matrix::from_packed(&packed)));
        for (index, matrix) in matrices.iter().enumerate() {
            let in_features = matrix.in_features;
            for n in [2, 3, 4, 29] {
                let x = noise(n * in_features, 7);
                let together = product(matrix, &x);
                for (i, x) in x.chunks_exact(in_features).enumerate() {
                    let beside = &together[i * out_features..][..out_features];
                    assert_eq!(product(matrix, x), beside, "matrix {index}, row {i} of {n}");
                }
            }
        }
    }

    #[test]
    fn half_precision_weights_give_the_same_bits_as_unpacked_ones() {
        let halves: Vec<f32> = noise(40 * 300, 7)
            .into_iter()
            .map(|v| bf16::from_f32(v).to_f32())
            .collect();
        let kept = Matrix::from_values(&halves, 300);
        let wide = Matrix {
            storage: Storage::Single(panels(40, 300, |row, column| halves[row * 300 + column])),
            ..Matrix::from_values(&halves, 300)
        };
        for n in [1, 2, 3, 5] {
            let x = noise(n * 300, 7);
            assert_eq!(product(&kept, &x), product(&wide, &x), "{n} rows");
        }
    }
}
