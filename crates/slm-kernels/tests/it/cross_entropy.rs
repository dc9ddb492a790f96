use burn_backend::{DType, TensorMetadata};
use slm_kernels::cross_entropy::{cross_entropy, losses as losses_alone};

use crate::support::{WIDTHS, assert_close, given, narrow_format, random, read};

/// Losses and gradients of rows of logits.
fn exact(logits: &[f64], targets: &[f64], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let width = logits.len() / targets.len();
    let (mut losses, mut gradient) = (Vec::new(), Vec::new());
    for (row, logits) in logits.chunks(width).enumerate() {
        let (target, weight) = (targets[row] as usize, weights[row]);
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
        let total: f64 = powers.iter().sum();
        losses.push(weight * (total.ln() + most - logits[target]));
        let others = powers.iter().enumerate().filter(|&(i, _)| i != target);
        let others: f64 = others.map(|(_, power)| power).sum();
        let at = |i: usize| if i == target { -others } else { powers[i] };
        gradient.extend((0..width).map(|i| weight * at(i) / total));
    }
    (losses, gradient)
}

fn check(what: &str, logits: &[f64], shape: [usize; 2], targets: &[f64], weights: &[f64]) {
    for (out, index) in [(DType::F32, DType::U32), (narrow_format(), DType::I32)] {
        let logits = given(logits, shape, DType::F32);
        let targets = given(targets, [shape[0]], index);
        let weights = given(weights, [shape[0]], DType::F32);
        let (losses, gradient) = exact(&logits.values, &targets.values, &weights.values);
        let [of_logits, of_targets, of_weights] =
            [&logits, &targets, &weights].map(|given| given.tensor.clone());
        let alone = losses_alone(of_logits, of_targets, of_weights);
        assert_close(&format!("{what}: losses alone"), &alone, &losses);
        assert_eq!(read(&logits.tensor), logits.values);
        let found = cross_entropy(logits.tensor, targets.tensor, weights.tensor, out);
        assert_eq!(found.1.dtype(), out);
        assert_close(&format!("{what}: losses"), &found.0, &losses);
        assert_close(&format!("{what}: gradient in {out:?}"), &found.1, &gradient);
    }
}

#[test]
fn losses_and_gradients_equal_those_in_double_precision() {
    for width in WIDTHS {
        let logits = random(1, 6.0, [4, width], DType::F32).values;
        let last = (width - 1) as f64;
        let targets = [0.0, last, (width / 2) as f64, last];
        let weights = [1.0, 0.5, 0.0, 2.0];
        check(
            &format!("width {width}"),
            &logits,
            [4, width],
            &targets,
            &weights,
        );
    }
}

#[test]
fn large_logits_give_finite_losses_and_gradients() {
    let logits = [1e4, -1e4, 9999.0, -1e4, 1e4, -1e4, 0.0, 1.0];
    check("large", &logits, [2, 4], &[1.0, 0.0], &[1.0, 1.0]);
}

#[test]
fn a_certain_target_keeps_the_digits_of_its_small_gradient() {
    let logits = given(&[12.0, 0.0, -1.0, 0.5, 1.0], [1, 5], DType::F32);
    let targets = given(&[0.0], [1], DType::I32);
    let weights = given(&[1.0], [1], DType::F32);
    let (_, expected) = exact(&logits.values, &targets.values, &weights.values);
    let out = cross_entropy(logits.tensor, targets.tensor, weights.tensor, DType::F32);
    let found = read(&out.1);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() < 1e-5 * expected.abs(),
            "{found} {expected}"
        );
    }
}

#[test]
fn impossible_tokens_have_no_probability() {
    let none = f64::NEG_INFINITY;
    let logits = [none, 1.0, none, 2.0, 0.5, none, none, none];
    check("masked", &logits, [2, 4], &[3.0, 0.0], &[1.0, 1.0]);
}

#[test]
fn logits_that_are_still_held_keep_their_values_and_others_are_replaced() {
    let ask = |held: bool| {
        let logits = random(1, 3.0, [2, 8], DType::F32);
        let targets = given(&[1.0, 7.0], [2], DType::I32).tensor;
        let weights = given(&[1.0, 1.0], [2], DType::F32).tensor;
        let keep = held.then(|| logits.tensor.clone());
        let before = logits.tensor.handle.memory.descriptor().id;
        let (_, gradient) = cross_entropy(logits.tensor, targets, weights, DType::F32);
        let kept = keep.map(|keep| read(&keep) == logits.values);
        (gradient.handle.memory.descriptor().id == before, kept)
    };
    assert_eq!(ask(false), (true, None));
    assert_eq!(ask(true), (false, Some(true)));
}

#[test]
fn no_rows_give_no_rows() {
    let (losses, gradient) = cross_entropy(
        given(&[], [0, 8], DType::F32).tensor,
        given(&[], [0], DType::I32).tensor,
        given(&[], [0], DType::F32).tensor,
        narrow_format(),
    );
    assert_eq!(losses.shape().dims(), [0]);
    assert_eq!(gradient.shape().dims(), [0, 8]);
    let alone = losses_alone(
        given(&[], [0, 8], DType::F32).tensor,
        given(&[], [0], DType::I32).tensor,
        given(&[], [0], DType::F32).tensor,
    );
    assert_eq!(alone.shape().dims(), [0]);
}
