//! `PiSSA`: pairs initialized from the principal singular vectors of their weight.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::weight_file::HostTensor;

/// Oversampling: vectors computed beyond `r`, so that the last of the `r` converge.
const SPARE: usize = 8;
/// Rounds of power iteration. Each multiplies the error of a vector by the squared ratio of the first singular value
/// that is left out to its own.
const ROUNDS: usize = 8;
/// Sweeps of Jacobi rotations; ten reach double precision at these sizes.
const SWEEPS: usize = 16;

/// Returns `A` (`[r, in]`) and `B` (`[out, r]`) with `B A` the best approximation of rank `r` to `weight`
/// (`[out, in]`), divided by `scale`; each factor contains the square roots of the singular values.
///
/// The vectors are found by power iteration on a random subspace; they are exact if that is the whole space.
///
/// # Source
/// Meng et al. 2024, arXiv:2404.02948, equations 2 and 3; Halko et al. 2011, arXiv:0909.4061, algorithms 4.4 and 5.1.
pub(super) fn pissa_init(
    weight: &Tensor<2>,
    r: usize,
    scale: f64,
    seed: u64,
) -> (HostTensor, HostTensor) {
    let [out_features, in_features] = weight.dims();
    let smaller = out_features.min(in_features);
    let (r, k) = (r, (r + SPARE).min(smaller));
    let device = weight.device();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let start = (0..in_features * k).map(|_| rng.random_range(-1.0f32..1.0));
    let start: Vec<f32> = start.collect();
    let mut right = Tensor::from_data(TensorData::new(start, [in_features, k]), &device);
    let transposed = weight.clone().transpose();
    let mut left = orthonormal(&weight.clone().matmul(right));
    for _ in 0..ROUNDS {
        right = transposed.clone().matmul(left);
        left = orthonormal(&weight.clone().matmul(right));
    }
    // W is Q Qᵀ W on this subspace; with Qᵀ W = L S Rᵀ, the left vectors are Q L.
    let projected = columns(&transposed.matmul(left.clone()));
    let basis = columns(&left);
    let (values, rotation) = jacobi(&gram(&projected));

    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    let (mut a, mut b) = (vec![0.0; r * in_features], vec![0.0; out_features * r]);
    for (row, &i) in order.iter().take(r).enumerate() {
        let singular = values[i].max(0.0).sqrt();
        if singular == 0.0 {
            // Beyond the weight's rank the pair adds nothing.
            continue;
        }
        let root = (singular / scale).sqrt();
        let combine = |vectors: &[Vec<f64>], at: usize| -> f64 {
            let terms = vectors.iter().zip(&rotation[i]);
            terms.map(|(vector, factor)| vector[at] * factor).sum()
        };
        for at in 0..in_features {
            // (Qᵀ W)ᵀ l = s r
            a[row * in_features + at] = (root * combine(&projected, at) / singular) as f32;
        }
        for at in 0..out_features {
            b[at * r + row] = (root * combine(&basis, at)) as f32;
        }
    }
    let a = HostTensor {
        shape: vec![r, in_features],
        values: a,
    };
    let b = HostTensor {
        shape: vec![out_features, r],
        values: b,
    };
    (a, b)
}

/// Returns the columns of a matrix in double precision.
fn columns(matrix: &Tensor<2>) -> Vec<Vec<f64>> {
    let [rows, n] = matrix.dims();
    let data = matrix.clone().transpose().into_data();
    let values: Vec<f32> = data
        .try_into_vec()
        .unwrap_or_else(|e| unreachable!("weights are f32: {e:?}"));
    debug_assert_eq!(values.len(), rows * n, "a whole matrix");
    let column = |column: &[f32]| column.iter().map(|&v| f64::from(v)).collect();
    values.chunks_exact(rows).map(column).collect()
}

/// Returns an orthonormal basis of a matrix's columns: Gram-Schmidt in double precision, run twice.
fn orthonormal(matrix: &Tensor<2>) -> Tensor<2> {
    let [rows, n] = matrix.dims();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n);
    for mut column in columns(matrix) {
        let before = dot(&column, &column).sqrt();
        for _ in 0..2 {
            for other in &basis {
                let share = dot(&column, other);
                for (v, o) in column.iter_mut().zip(other) {
                    *v -= share * o;
                }
            }
        }
        let norm = dot(&column, &column).sqrt();
        // A column in the span of the others is only noise; zeros remove it from all later steps.
        let factor = if norm > 1e-12 * before {
            1.0 / norm
        } else {
            0.0
        };
        for v in &mut column {
            *v *= factor;
        }
        basis.push(column);
    }
    let values: Vec<f32> = basis.iter().flatten().map(|&v| v as f32).collect();
    let device: Device = matrix.device();
    Tensor::<2>::from_data(TensorData::new(values, [n, rows]), &device).transpose()
}

/// Inner product in eight partial sums, which vectorize.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Inner products of all pairs of vectors (Gram matrix).
fn gram(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let row = |a: &Vec<f64>| vectors.iter().map(|b| dot(a, b)).collect();
    vectors.iter().map(row).collect()
}

/// Returns the eigenvalues of a symmetric matrix and, as rows, an eigenvector for each.
///
/// # Source
/// Cyclic Jacobi rotations: Golub and Van Loan, Matrix Computations, section 8.5.
fn jacobi(matrix: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let mut m = matrix.to_vec();
    let unit = |i| (0..n).map(|j| f64::from(u8::from(i == j))).collect();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(unit).collect();
    for _ in 0..SWEEPS {
        for p in 0..n {
            for q in p + 1..n {
                if m[p][q].abs() <= f64::EPSILON * (m[p][p] * m[q][q]).abs().sqrt() {
                    continue;
                }
                let tau = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut m {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
                rotate(&mut m, p, q, c, s);
                rotate(&mut vectors, p, q, c, s);
            }
        }
    }
    ((0..n).map(|i| m[i][i]).collect(), vectors)
}

/// Rotates rows `p` and `q` of a matrix, with `p < q`.
fn rotate(rows: &mut [Vec<f64>], p: usize, q: usize, c: f64, s: f64) {
    let (before, after) = rows.split_at_mut(q);
    for (x, y) in before[p].iter_mut().zip(&mut after[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn on_device(tensor: &HostTensor) -> Tensor<2> {
        let shape = [tensor.shape[0], tensor.shape[1]];
        Tensor::from_data(
            TensorData::new(tensor.values.clone(), shape),
            &Device::flex(),
        )
    }

    fn random(shape: [usize; 2]) -> Tensor<2> {
        Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    fn largest(tensor: Tensor<2>) -> f32 {
        tensor.abs().max().into_scalar::<f32>()
    }

    /// Returns two bases and a weight whose singular values halve from one to the next.
    fn known(
        out_features: usize,
        in_features: usize,
        n: usize,
    ) -> (Tensor<2>, Tensor<2>, Tensor<2>) {
        let left = orthonormal(&random([out_features, n]));
        let right = orthonormal(&random([in_features, n]));
        let values: Vec<f32> = (0..n).map(|i| 8.0 * 0.5f32.powi(i as i32)).collect();
        let values = Tensor::<2>::from_data(TensorData::new(values, [1, n]), &Device::flex());
        let weight = (left.clone() * values).matmul(right.clone().transpose());
        (weight, left, right)
    }

    #[test]
    fn the_pair_is_the_best_approximation_of_its_rank() {
        for (shape, n) in [((60, 90), 20), ((90, 60), 20), ((12, 30), 12)] {
            let (weight, left, right) = known(shape.0, shape.1, n);
            let r = 4;
            let (a, b) = pissa_init(&weight, r, 2.0, 7);
            let found = on_device(&b).matmul(on_device(&a)).mul_scalar(2.0);
            let values: Vec<f32> = (0..r).map(|i| 8.0 * 0.5f32.powi(i as i32)).collect();
            let values = Tensor::<2>::from_data(TensorData::new(values, [1, r]), &Device::flex());
            let best = (left.narrow(1, 0, r) * values).matmul(right.narrow(1, 0, r).transpose());
            let difference = largest(found - best);
            assert!(difference < 1e-5, "{shape:?}: {difference}");
        }
    }

    #[test]
    fn a_rank_beyond_the_weights_own_adds_nothing() {
        let (weight, _, _) = known(20, 30, 3);
        let (a, b) = pissa_init(&weight, 6, 1.0, 7);
        let difference = largest(on_device(&b).matmul(on_device(&a)) - weight);
        assert!(difference < 1e-5, "{difference}");
        assert!(a.values.iter().chain(&b.values).all(|v| v.is_finite()));
    }
}
