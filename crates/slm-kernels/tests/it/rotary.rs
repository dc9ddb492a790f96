use burn_backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use slm_kernels::rotary::{Direction, rotate, rotate_pair};

use crate::support::{assert_close, given, narrow_format, random, read};

const POSITIONS: usize = 5;

/// Cosines and sines of angles `position * 10000^(-i / half)`, `[positions, half]`.
struct Tables {
    half: usize,
    cosines: Vec<f64>,
    sines: Vec<f64>,
    tensors: [CubeTensor; 2],
}

impl Tables {
    fn new(dim: usize) -> Self {
        let half = dim / 2;
        let angle = |i: usize| {
            let (position, lane) = (i / half, i % half);
            position as f64 * 10_000f64.powf(-(lane as f64) / half as f64)
        };
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f64> = (0..POSITIONS * half).map(|i| f(angle(i))).collect();
            given(&values, [POSITIONS, half], DType::F32)
        };
        let (cosines, sines) = (table(f64::cos), table(f64::sin));
        Self {
            half,
            cosines: cosines.values,
            sines: sines.values,
            tensors: [cosines.tensor, sines.tensor],
        }
    }

    fn tensors(&self) -> [CubeTensor; 2] {
        self.tensors.clone()
    }

    /// Rotates rows of heads; `sign` is -1 for the way back.
    fn rotated(&self, x: &[f64], width: usize, factor: f64, sign: f64) -> Vec<f64> {
        let dim = 2 * self.half;
        let value = |i: usize| {
            let (row, lane) = (i / width, i % dim);
            let angle = row % POSITIONS * self.half + lane % self.half;
            let (cosine, sine) = (self.cosines[angle], sign * self.sines[angle]);
            let turned = if lane < self.half {
                x[i] * cosine - x[i + self.half] * sine
            } else {
                x[i] * cosine + x[i - self.half] * sine
            };
            turned * factor
        };
        (0..x.len()).map(value).collect()
    }
}

#[test]
fn heads_of_each_width_rotate_both_ways() {
    for (heads, dim) in [(1, 2), (3, 14), (3, 64), (12, 128)] {
        for dtype in [DType::F32, narrow_format()] {
            let tables = Tables::new(dim);
            let x = random(1, 2.0, [2 * POSITIONS, heads * dim], dtype);
            for (direction, sign) in [(Direction::Forward, 1.0), (Direction::Backward, -1.0)] {
                let [cosines, sines] = tables.tensors();
                let out = rotate(x.tensor.clone(), cosines, sines, 0.25, direction);
                let expected = tables.rotated(&x.values, heads * dim, 0.25, sign);
                let what = format!("{heads} heads of {dim} in {dtype:?}, {direction:?}");
                assert_close(&what, &out, &expected);
            }
        }
    }
}

#[test]
fn queries_and_keys_rotate_in_one_launch_and_the_factor_is_the_queries() {
    let (heads, key_heads, dim) = (6, 2, 64);
    for dtype in [DType::F32, narrow_format()] {
        let tables = Tables::new(dim);
        let q = random(1, 2.0, [2 * POSITIONS, heads * dim], dtype);
        let k = random(2, 2.0, [2 * POSITIONS, key_heads * dim], dtype);
        for (direction, sign) in [(Direction::Forward, 1.0), (Direction::Backward, -1.0)] {
            let [cosines, sines] = tables.tensors();
            let (q_out, k_out) = rotate_pair(
                q.tensor.clone(),
                k.tensor.clone(),
                cosines,
                sines,
                0.125,
                direction,
            );
            let expected = tables.rotated(&q.values, heads * dim, 0.125, sign);
            assert_close("queries", &q_out, &expected);
            let expected = tables.rotated(&k.values, key_heads * dim, 1.0, sign);
            assert_close("keys", &k_out, &expected);
        }
    }
}

#[test]
fn a_rotation_and_its_reverse_are_the_identity() {
    let tables = Tables::new(64);
    let x = random(1, 2.0, [POSITIONS, 128], DType::F32);
    let [cosines, sines] = tables.tensors();
    let there = rotate(x.tensor, cosines, sines, 1.0, Direction::Forward);
    let [cosines, sines] = tables.tensors();
    let back = rotate(there, cosines, sines, 1.0, Direction::Backward);
    assert_close("back", &back, &x.values);
}

#[test]
fn an_input_that_is_still_held_keeps_its_values_and_another_is_replaced() {
    let tables = Tables::new(8);
    let x = random(1, 2.0, [POSITIONS, 8], narrow_format());
    let held = x.tensor.clone();
    let [cosines, sines] = tables.tensors();
    let out = rotate(x.tensor, cosines, sines, 1.0, Direction::Forward);
    assert_eq!(read(&held), x.values);
    let before = out.handle.memory.descriptor().id;
    let [cosines, sines] = tables.tensors();
    let back = rotate(out, cosines, sines, 1.0, Direction::Backward);
    assert_eq!(back.handle.memory.descriptor().id, before);
}

#[test]
fn no_rows_give_no_rows() {
    let [cosines, sines] = Tables::new(8).tensors();
    let empty = || given(&[], [0, 16], DType::F32).tensor;
    let (q, k) = rotate_pair(empty(), empty(), cosines, sines, 1.0, Direction::Forward);
    assert_eq!(q.shape().dims(), [0, 16]);
    assert_eq!(k.shape().dims(), [0, 16]);
}
