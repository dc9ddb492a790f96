use burn_backend::{DType, TensorMetadata};
use slm_kernels::sum::{scaled_cast, sum_scaled};

use crate::support::{Given, WIDTHS, assert_close, given, narrow_format, random, read};

/// The sum of the terms with their factors, and of the bias in every row.
fn exact(terms: &[(&Given, f64)], bias: Option<&Given>) -> Vec<f64> {
    let sum = |i: usize| {
        let scaled = terms.iter().map(|(term, factor)| term.values[i] * factor);
        let bias = bias.map_or(0.0, |bias| bias.values[i % bias.values.len()]);
        scaled.sum::<f64>() + bias
    };
    (0..terms[0].0.values.len()).map(sum).collect()
}

#[test]
fn terms_of_both_formats_and_a_bias_are_summed_in_one_launch() {
    for width in WIDTHS {
        for out in [DType::F32, narrow_format()] {
            let shape = [3, width];
            let wide = random(1, 2.0, shape, DType::F32);
            let narrow = random(2, 3.0, shape, narrow_format());
            let bias = random(3, 1.0, [width], narrow_format());
            let expected = exact(&[(&wide, -0.5), (&narrow, 1.5)], Some(&bias));
            let terms = vec![(narrow.tensor, 1.5), (wide.tensor, -0.5)];
            let sum = sum_scaled(terms, Some(bias.tensor), out);
            assert_eq!(sum.dtype(), out);
            assert_close(&format!("sum of {shape:?} in {out:?}"), &sum, &expected);
        }
    }
}

#[test]
fn six_terms_are_summed_in_one_launch() {
    let terms: Vec<Given> = (0..6)
        .map(|seed| random(seed, 1.0, [2, 40], narrow_format()))
        .collect();
    let factors = [1.0, 2.0, -1.0, 0.5, 0.25, 3.0];
    let scaled: Vec<(&Given, f64)> = terms.iter().zip(factors).collect();
    let expected = exact(&scaled, None);
    let terms = terms.into_iter().zip(factors);
    let terms = terms.map(|(term, factor)| (term.tensor, factor as f32));
    let sum = sum_scaled(terms.collect(), None, DType::F32);
    assert_close("sum of six", &sum, &expected);
}

#[test]
fn the_residual_stream_stays_in_its_format() {
    for (x_kind, out) in [(DType::F32, DType::F32), (narrow_format(), DType::F32)] {
        let x = random(1, 100.0, [4, 65], x_kind);
        let delta = random(2, 1.0, [4, 65], narrow_format());
        let expected = exact(&[(&x, 1.0), (&delta, 1.0)], None);
        let sum = sum_scaled(vec![(x.tensor, 1.0), (delta.tensor, 1.0)], None, out);
        assert_close("residual stream", &sum, &expected);
    }
}

#[test]
fn a_scaled_cast_rounds_once() {
    let x = random(1, 3.0, [2, 9], DType::F32);
    let expected = exact(&[(&x, 0.125)], None);
    let cast = scaled_cast(x.tensor, 0.125, narrow_format());
    let rounded: Vec<f64> = given(&expected, [2, 9], narrow_format()).values;
    assert_eq!(read(&cast), rounded);
}

#[test]
fn a_sum_replaces_a_term_only_if_no_other_tensor_shares_it() {
    let terms = || [1, 2].map(|seed| random(seed, 1.0, [2, 8], DType::F32));
    let [a, b] = terms();
    let before = a.tensor.handle.memory.descriptor().id;
    let sum = sum_scaled(vec![(a.tensor, 1.0), (b.tensor, 1.0)], None, DType::F32);
    assert_eq!(sum.handle.memory.descriptor().id, before);

    let [a, b] = terms();
    let held = [a.tensor.clone(), b.tensor.clone()];
    let _sum = sum_scaled(vec![(a.tensor, 1.0), (b.tensor, 1.0)], None, DType::F32);
    assert_eq!(held.map(|tensor| read(&tensor)), [a.values, b.values]);
}

#[test]
fn no_rows_give_no_rows() {
    let empty = given(&[], [0, 5], narrow_format()).tensor;
    let sum = scaled_cast(empty, 2.0, DType::F32);
    assert_eq!(sum.shape().dims(), [0, 5]);
}
