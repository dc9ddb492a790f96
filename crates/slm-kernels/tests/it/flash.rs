//! Flash attention against sums in double precision over whole matrices of scores.

#[cfg(feature = "ptx")]
mod emulated;
mod reference;

use burn_backend::TensorData;
use burn_backend::ops::{FloatTensorOps, IntTensorOps};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{Cube, CubeDevice};
use half::bf16;
use slm_kernels::flash::{FlashError, Shape, attend, attend_backward};

use self::reference::{Problem, Results, packed, padded};

/// Largest error of sums in single precision, relative to the largest value. A score is a sum of up to 128 products and an
/// output one of up to 200 weights, each rounded in its last place.
const SINGLE: f64 = 2e-6;

/// The CPU runtime, or wgpu with `SLM_TEST_DEVICE=wgpu`, on which cubes have many units.
fn device() -> CubeDevice {
    #[cfg(feature = "wgpu")]
    if on_wgpu() {
        return CubeDevice::Wgpu(cubecl::device::WgpuDevice::default());
    }
    CubeDevice::Cpu(cubecl::device::CpuDevice)
}

fn on_wgpu() -> bool {
    cfg!(feature = "wgpu") && std::env::var("SLM_TEST_DEVICE").is_ok_and(|name| name == "wgpu")
}

/// Whether the device lacks what a test needs: wgpu has no bfloat16, and its shading language does not promise NaN.
#[expect(
    clippy::print_stdout,
    reason = "the log of tests shows what was skipped"
)]
fn lacks(what: &str) -> bool {
    if on_wgpu() {
        println!("SKIPPED: wgpu lacks {what}");
    }
    on_wgpu()
}

fn float(values: &[f32], width: usize, half: bool) -> CubeTensor {
    let shape = [values.len() / width, width];
    let data = if half {
        let values: Vec<bf16> = values.iter().map(|&v| bf16::from_f32(v)).collect();
        TensorData::new(values, shape)
    } else {
        TensorData::new(values.to_vec(), shape)
    };
    Cube::float_from_data(data, &device())
}

fn read(tensor: CubeTensor) -> Vec<f32> {
    let data = burn_cubecl::ops::into_data_sync(tensor);
    data.iter::<f32>().collect()
}

/// Runs both passes on the CPU runtime.
fn run(problem: &Problem, half: bool) -> [Vec<f32>; 5] {
    let shape = problem.shape;
    let (wide, narrow) = (shape.heads * shape.dim, shape.key_value_heads * shape.dim);
    let starts = TensorData::new(problem.starts.clone(), [problem.starts.len()]);
    let starts = Cube::int_from_data(starts, &device());
    let [q, gradient] = [&problem.queries, &problem.gradient].map(|v| float(v, wide, half));
    let [k, v] = [&problem.keys, &problem.values].map(|v| float(v, narrow, half));
    let attended = attend(q.clone(), k.clone(), v.clone(), starts.clone(), shape).expect("forward");
    let (out, log_sums) = (attended.out.clone(), attended.log_sums.clone());
    let gradients = attend_backward(q, k, v, attended, gradient, starts, shape).expect("backward");
    [
        out,
        log_sums,
        gradients.queries,
        gradients.keys,
        gradients.values,
    ]
    .map(read)
}

/// Checks values against expected ones, for the rows that `of` selects.
#[track_caller]
fn agree(name: &str, found: &[f32], expected: &[f64], half: bool) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    // In half precision two units in the last place of the largest value. Results that are differences of equal sums, as of
    // rows that see themselves alone, and logarithms have the error of their terms, whose size is about 1.
    let single = if name == "log_sums" || half {
        SINGLE * largest.max(1.0)
    } else {
        SINGLE * largest
    };
    let bound = if half && name != "log_sums" {
        single + 2.0 * (largest.log2().floor() - 7.0).exp2()
    } else {
        single
    };
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(
            error <= bound,
            "{name}[{i}]: {found}, expected {expected}: error {error:e} of at most {bound:e}"
        );
    }
}

const NAMES: [&str; 5] = ["out", "log_sums", "queries", "keys", "values"];

#[track_caller]
fn check(shape: Shape, starts: Vec<u32>, half: bool) {
    let problem = Problem::random(shape, starts, half);
    let Results(expected) = problem.reference();
    let found = run(&problem, half);
    for ((name, found), expected) in NAMES.iter().zip(&found).zip(&expected) {
        agree(name, found, expected, half);
    }
}

fn shape(batch: usize, length: usize, heads: (usize, usize), dim: usize) -> Shape {
    Shape {
        batch,
        length,
        heads: heads.0,
        key_value_heads: heads.1,
        dim,
    }
}

#[test]
fn flash_equals_the_reference_at_lengths_around_the_tiles() {
    for length in [1, 15, 16, 17, 63, 64, 65, 200] {
        check(shape(1, length, (2, 1), 64), vec![0; length], false);
    }
}

#[test]
fn flash_equals_the_reference_in_half_precision() {
    if lacks("bfloat16") {
        return;
    }
    for length in [1, 63, 64, 65, 200] {
        check(shape(1, length, (2, 1), 64), vec![0; length], true);
    }
    check(
        shape(2, 65, (6, 1), 128),
        padded(&[vec![40, 20], vec![65]], 65),
        true,
    );
}

#[test]
fn flash_equals_the_reference_for_each_group_of_heads() {
    for heads in [(2, 2), (4, 2), (6, 1), (12, 2)] {
        check(shape(1, 65, heads, 64), vec![0; 65], false);
    }
}

#[test]
fn flash_equals_the_reference_for_heads_of_128() {
    check(shape(2, 65, (2, 1), 128), vec![0; 130], false);
}

#[test]
fn flash_keeps_packed_texts_and_padding_apart() {
    let texts = [vec![10, 1, 33, 70], vec![64, 16, 50]];
    check(shape(2, 130, (2, 1), 64), padded(&texts, 130), false);
    let texts = [vec![40, 90], vec![130]];
    check(shape(2, 130, (2, 1), 64), packed(&texts), false);
}

#[test]
fn flash_is_the_same_for_a_text_alone_and_packed() {
    let texts = [vec![32, 48]];
    let problem = Problem::random(shape(1, 80, (2, 1), 64), packed(&texts), false);
    let second = problem.rows(32..80);
    let (all, alone) = (run(&problem, false), run(&second, false));
    let wide = 2 * 64;
    for (name, (all, alone), width) in [
        ("out", (&all[0], &alone[0]), wide),
        ("queries", (&all[2], &alone[2]), wide),
        ("keys", (&all[3], &alone[3]), 64),
        ("values", (&all[4], &alone[4]), 64),
    ] {
        let expected: Vec<f64> = alone.iter().map(|&v| f64::from(v)).collect();
        agree(name, &all[32 * width..], &expected, false);
    }
}

#[test]
fn flash_gives_equal_bits_in_repeated_runs() {
    if lacks("bfloat16") {
        return;
    }
    let texts = [vec![50, 20], vec![77]];
    let problem = Problem::random(shape(2, 77, (6, 1), 64), padded(&texts, 77), true);
    let (once, again) = (run(&problem, true), run(&problem, true));
    for (once, again) in once.iter().zip(&again) {
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(once), bits(again));
    }
}

#[test]
fn flash_keeps_large_scores_finite() {
    let shape = shape(1, 65, (2, 1), 64);
    let mut problem = Problem::random(shape, vec![0; 65], false);
    // Scores of +-80, and a maximum that grows from tile to tile.
    for (row, values) in problem.queries.chunks_exact_mut(64).enumerate() {
        values.fill(if row % 2 == 0 { 1.25 } else { -1.25 });
    }
    for (row, values) in problem.keys.chunks_exact_mut(64).enumerate() {
        values.fill(row as f32 / 64.0);
    }
    let Results(expected) = problem.reference();
    for ((name, found), expected) in NAMES.iter().zip(run(&problem, false)).zip(&expected) {
        // A score of 80 rounds to 4e-6, which is the relative error of its exponential. Gradients of queries and keys are
        // differences of terms of size 1.
        let largest = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        for (&found, &expected) in found.iter().zip(expected) {
            let error = (f64::from(found) - expected).abs();
            assert!(
                found.is_finite() && error <= 1e-5 * largest,
                "{name}: {found} {expected}"
            );
        }
    }
}

#[test]
fn flash_keeps_values_that_are_not_finite_from_rows_that_do_not_see_them() {
    if lacks("NaN") {
        return;
    }
    let texts = [vec![20, 30]];
    let mut problem = Problem::random(shape(1, 70, (2, 1), 64), padded(&texts, 70), false);
    let clean = run(&problem, false);
    // Padding, and the second text.
    let (wide, narrow) = (2 * 64, 64);
    problem.queries[wide * 50..].fill(f32::NAN);
    problem.gradient[wide * 50..].fill(f32::INFINITY);
    problem.keys[narrow * 20..].fill(f32::NAN);
    problem.values[narrow * 20..].fill(f32::NEG_INFINITY);
    let dirty = run(&problem, false);
    for (at, width) in [(0, wide), (2, wide), (3, narrow), (4, narrow)] {
        assert_eq!(
            clean[at][..20 * width],
            dirty[at][..20 * width],
            "{}",
            NAMES[at]
        );
    }
    // Rows that see them are not finite.
    assert!(dirty[0][wide * 20..].iter().all(|v| v.is_nan()));
    assert!(dirty[2][wide * 20..].iter().all(|v| v.is_nan()));
}

#[test]
fn flash_refuses_sizes_and_types_that_it_does_not_support() {
    if lacks("bfloat16") {
        return;
    }
    let problem = Problem::random(shape(1, 8, (2, 1), 64), vec![0; 8], false);
    let starts = Cube::int_from_data(TensorData::new(vec![0u32; 8], [8]), &device());
    let q = float(&problem.queries, 128, false);
    let [k, v] = [&problem.keys, &problem.values].map(|v| float(v, 64, false));
    let attend =
        |k: &CubeTensor, shape| attend(q.clone(), k.clone(), v.clone(), starts.clone(), shape);
    let odd = Shape {
        heads: 4,
        key_value_heads: 2,
        dim: 32,
        ..problem.shape
    };
    let error = attend(&k, odd).expect_err("heads of 32");
    assert!(matches!(error, FlashError::Unsupported { shape } if shape == odd));
    assert!(error.to_string().contains("dim: 32"), "{error}");
    let error = attend(&float(&problem.keys, 64, true), problem.shape).expect_err("mixed types");
    assert!(
        matches!(error, FlashError::Mismatch { name: "keys", .. }),
        "{error}"
    );
}
