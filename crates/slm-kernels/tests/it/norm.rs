use burn_backend::{DType, TensorMetadata};
use slm_kernels::norm::{add_rms_norm, rms_norm, rms_norm_backward};

use crate::support::{
    Given, WIDTHS, assert_close, assert_close_to, given, narrow_format, random, read,
};

const EPS: f64 = 1e-6;

/// Inverse RMS of each row.
fn inverse_rms(sum: &[f64], width: usize) -> Vec<f64> {
    let of_row = |row: &[f64]| {
        let squares: f64 = row.iter().map(|value| value * value).sum();
        1.0 / (squares / width as f64 + EPS).sqrt()
    };
    sum.chunks(width).map(of_row).collect()
}

fn normed(sum: &[f64], weight: &[f64]) -> Vec<f64> {
    let width = weight.len();
    let inverse = inverse_rms(sum, width);
    let value = |(i, value): (usize, &f64)| value * inverse[i / width] * weight[i % width];
    sum.iter().enumerate().map(value).collect()
}

/// Gradient with respect to the sum: `r (g w - s r^2 mean(g w s))`.
fn backward(gradient: &[f64], sum: &[f64], weight: &[f64]) -> Vec<f64> {
    let width = weight.len();
    let inverse = inverse_rms(sum, width);
    let rows = gradient.chunks(width).zip(sum.chunks(width)).zip(inverse);
    let of_row = |((gradient, sum), r): ((&[f64], &[f64]), f64)| {
        let scaled: Vec<f64> = gradient.iter().zip(weight).map(|(g, w)| g * w).collect();
        let products: f64 = scaled.iter().zip(sum).map(|(g, s)| g * s).sum();
        let along = products / width as f64 * r * r;
        let parts = scaled.iter().zip(sum).map(|(g, s)| r * (g - s * along));
        parts.collect::<Vec<_>>()
    };
    rows.flat_map(of_row).collect()
}

fn added(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Rounds to f32, as the residual stream is stored.
fn stored(values: &[f64]) -> Vec<f64> {
    values
        .iter()
        .map(|&value| f64::from(value as f32))
        .collect()
}

#[test]
fn a_norm_of_each_format_equals_that_in_double_precision() {
    for width in WIDTHS {
        for (from, kind) in [
            (DType::F32, DType::F32),
            (DType::F32, narrow_format()),
            (narrow_format(), narrow_format()),
        ] {
            let x = random(1, 4.0, [3, width], from);
            let weight = random(2, 1.5, [width], kind);
            let what = format!("norm of {width} values, {from:?} to {kind:?}");
            let out = rms_norm(x.tensor, weight.tensor, EPS, kind);
            assert_eq!(out.normed.dtype(), kind);
            assert_close(&what, &out.normed, &normed(&x.values, &weight.values));
            assert_close(&what, &out.inverse_rms, &inverse_rms(&x.values, width));
            assert_eq!(read(&out.sum), x.values);
        }
    }
}

#[test]
fn the_sum_and_its_norm_come_from_one_launch() {
    for width in WIDTHS {
        for (x_kind, kind) in [
            (DType::F32, DType::F32),
            (DType::F32, narrow_format()),
            (narrow_format(), narrow_format()),
        ] {
            let x = random(1, 4.0, [3, width], x_kind);
            let delta = random(2, 1.0, [3, width], kind);
            let weight = random(3, 1.5, [width], DType::F32);
            let sum = stored(&added(&x.values, &delta.values));
            let what = format!("sum and norm of {width} values in {kind:?}");
            let out = add_rms_norm(x.tensor, delta.tensor, weight.tensor, EPS);
            assert_eq!(out.sum.dtype(), DType::F32);
            assert_eq!(out.normed.dtype(), kind);
            assert_close(&what, &out.sum, &sum);
            assert_close(&what, &out.normed, &normed(&sum, &weight.values));
            assert_close(&what, &out.inverse_rms, &inverse_rms(&sum, width));
        }
    }
}

#[test]
fn gradients_equal_those_in_double_precision() {
    let (wide, narrow) = (DType::F32, narrow_format());
    for width in WIDTHS {
        check_gradient(width, [wide, wide], None);
        check_gradient(width, [wide, narrow], Some(wide));
        check_gradient(width, [narrow, narrow], Some(narrow));
    }
}

/// Checks the gradient with a sum and a weight in these formats, and with a residual gradient in a format.
fn check_gradient(width: usize, [stream, kind]: [DType; 2], residual: Option<DType>) {
    let sum = random(1, 4.0, [3, width], stream);
    let weight = random(2, 1.5, [width], kind);
    let gradient = random(3, 1.0, [3, width], kind);
    let residual = residual.map(|dtype| random(4, 1.0, [3, width], dtype));
    let forward = rms_norm(sum.tensor, weight.tensor.clone(), EPS, kind);
    let mut expected = backward(&gradient.values, &sum.values, &weight.values);
    if let Some(residual) = &residual {
        expected = added(&expected, &residual.values);
    }
    let what = format!("gradient of {width} values of {stream:?} in {kind:?}");
    let out = rms_norm_backward(
        gradient.tensor,
        forward.sum,
        forward.inverse_rms,
        weight.tensor,
        residual.map(|residual| residual.tensor),
    );
    assert_eq!(out.dtype(), DType::F32);
    // In a row of one value the two terms of the gradient cancel.
    let inverse = inverse_rms(&sum.values, width);
    let scaled = |(i, g): (usize, &f64)| g * weight.values[i % width] * inverse[i / width];
    let mut terms: Vec<f64> = gradient.values.iter().enumerate().map(scaled).collect();
    terms.extend(&expected);
    assert_close_to(&what, &out, &expected, &terms);
}

#[test]
fn a_row_of_zeros_gives_zeros_and_finite_gradients() {
    let rows = [0.0, 0.0, 0.0, 1.0, 2.0, 3.0];
    let x = given(&rows, [2, 3], DType::F32);
    let weight = given(&[1.0, 2.0, 3.0], [3], DType::F32);
    let out = rms_norm(x.tensor, weight.tensor.clone(), EPS, DType::F32);
    assert_close("norm", &out.normed, &normed(&rows, &weight.values));
    let gradient = random(1, 1.0, [2, 3], DType::F32);
    let expected = backward(&gradient.values, &rows, &weight.values);
    let back = rms_norm_backward(
        gradient.tensor,
        out.sum,
        out.inverse_rms,
        weight.tensor,
        None,
    );
    assert_close("gradient", &back, &expected);
}

#[test]
fn equal_rows_give_equal_bits() {
    let row = random(1, 4.0, [1, 1536], DType::F32).values;
    let x = given(&row.repeat(5), [5, 1536], DType::F32);
    let weight = random(2, 1.5, [1536], DType::F32);
    let out = read(&rms_norm(x.tensor, weight.tensor, EPS, DType::F32).normed);
    for other in out.chunks(1536) {
        assert_eq!(other, &out[..1536]);
    }
}

#[test]
fn the_sum_replaces_a_residual_stream_that_no_other_tensor_shares() {
    let inputs = || -> [Given; 2] { [1, 2].map(|seed| random(seed, 1.0, [2, 8], DType::F32)) };
    let weight = random(3, 1.0, [8], DType::F32).tensor;

    let [x, delta] = inputs();
    let before = x.tensor.handle.memory.descriptor().id;
    let out = add_rms_norm(x.tensor, delta.tensor, weight.clone(), EPS);
    assert_eq!(out.sum.handle.memory.descriptor().id, before);

    let [x, delta] = inputs();
    let held = x.tensor.clone();
    let _out = add_rms_norm(x.tensor, delta.tensor, weight.clone(), EPS);
    assert_eq!(read(&held), x.values);

    let [gradient, residual] = inputs();
    let held = residual.tensor.clone();
    let normed = rms_norm(held.clone(), weight.clone(), EPS, DType::F32);
    let _out = rms_norm_backward(
        gradient.tensor,
        normed.sum,
        normed.inverse_rms,
        weight,
        Some(residual.tensor),
    );
    assert_eq!(read(&held), residual.values);
}

#[test]
fn no_rows_give_no_rows() {
    let empty = || given(&[], [0, 8], DType::F32).tensor;
    let weight = random(1, 1.0, [8], DType::F32).tensor;
    let out = add_rms_norm(empty(), empty(), weight.clone(), EPS);
    assert_eq!(out.sum.shape().dims(), [0, 8]);
    assert_eq!(out.inverse_rms.shape().dims(), [0]);
    let back = rms_norm_backward(empty(), out.sum, out.inverse_rms, weight, Some(empty()));
    assert_eq!(back.shape().dims(), [0, 8]);
}
