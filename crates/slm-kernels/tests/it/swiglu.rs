use burn_backend::DType;
use burn_cubecl::ops::permute;
use slm_kernels::swiglu::{swiglu, swiglu_backward};

use crate::support::{WIDTHS, assert_close, given, narrow_format, random, read};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Hidden values and gradients of one element.
fn exact(gate: f64, up: f64, gradient: f64) -> [f64; 3] {
    let s = sigmoid(gate);
    let slope = s * (1.0 + gate * (1.0 - s));
    [gate * s * up, gradient * up * slope, gradient * gate * s]
}

fn check(shape: [usize; 2], dtype: DType) {
    let gate = random(1, 8.0, shape, dtype);
    let up = random(2, 3.0, shape, dtype);
    let gradient = random(3, 1.0, shape, dtype);
    let triples = gate.values.iter().zip(&up.values).zip(&gradient.values);
    let exact: Vec<[f64; 3]> = triples.map(|((&g, &u), &d)| exact(g, u, d)).collect();
    let part = |i: usize| exact.iter().map(|values| values[i]).collect::<Vec<_>>();
    let what = |name: &str| format!("{name} of {shape:?} in {dtype:?}");

    let out = swiglu(gate.tensor.clone(), up.tensor.clone());
    assert_close(&what("swiglu"), &out, &part(0));
    let (hidden, of_gate, of_up) = swiglu_backward(gate.tensor, up.tensor, gradient.tensor);
    assert_close(&what("hidden"), &hidden, &part(0));
    assert_close(&what("gradient of gate"), &of_gate, &part(1));
    assert_close(&what("gradient of up"), &of_up, &part(2));
}

#[test]
fn values_and_gradients_equal_those_in_double_precision() {
    for width in WIDTHS {
        for dtype in [DType::F32, narrow_format()] {
            check([3, width], dtype);
        }
    }
    check([1, 65], narrow_format());
}

#[test]
fn half_precision_works_too() {
    if narrow_format() == DType::BF16 {
        check([3, 64], DType::F16);
    }
}

#[test]
fn transposed_views_are_read_in_their_order() {
    let [gate, up] = [1, 2].map(|seed| random(seed, 2.0, [5, 3], DType::F32));
    let [plain, turned] = [false, true].map(|turn| {
        let tensors = [&gate, &up].map(|given| given.tensor.clone());
        let [gate, up] = tensors.map(|tensor| {
            if turn {
                permute(tensor, &[1, 0])
            } else {
                tensor
            }
        });
        read(&swiglu(gate, up))
    });
    let transposed = (0..15).map(|i| plain[i % 5 * 3 + i / 5]);
    assert_eq!(turned, transposed.collect::<Vec<_>>());
}

#[test]
fn large_gates_give_finite_values_and_gradients() {
    let gates = [60_000.0, -60_000.0, 100.0, -100.0];
    for dtype in [DType::F32, narrow_format()] {
        let gate = given(&gates, [1, 4], dtype);
        let ones = given(&[1.0; 4], [1, 4], dtype);
        let (hidden, of_gate, of_up) =
            swiglu_backward(gate.tensor, ones.tensor.clone(), ones.tensor);
        assert_close("hidden", &hidden, &[gate.values[0], 0.0, 100.0, 0.0]);
        assert_close("gradient of gate", &of_gate, &[1.0, 0.0, 1.0, 0.0]);
        assert_close("gradient of up", &of_up, &[gate.values[0], 0.0, 100.0, 0.0]);
    }
}

#[test]
fn no_rows_give_no_rows() {
    let empty = || given(&[], [0, 5], DType::F32).tensor;
    assert_eq!(read(&swiglu(empty(), empty())), Vec::<f64>::new());
    let (hidden, of_gate, of_up) = swiglu_backward(empty(), empty(), empty());
    for part in [hidden, of_gate, of_up] {
        assert_eq!(read(&part), Vec::<f64>::new());
    }
}

#[test]
fn inputs_that_are_still_held_keep_their_values() {
    let [gate, up, gradient] = [1, 2, 3].map(|seed| random(seed, 2.0, [2, 8], narrow_format()));
    let held = [&gate, &up, &gradient].map(|given| given.tensor.clone());
    let _results = swiglu_backward(gate.tensor, up.tensor, gradient.tensor);
    for (held, values) in held.iter().zip([gate.values, up.values, gradient.values]) {
        assert_eq!(read(held), values);
    }
}

#[test]
fn results_replace_inputs_that_no_other_tensor_shares() {
    let [gate, up, gradient] =
        [1, 2, 3].map(|seed| random(seed, 2.0, [2, 8], narrow_format()).tensor);
    let before = [&gradient, &gate, &up].map(|tensor| tensor.handle.memory.descriptor().id);
    let (hidden, of_gate, of_up) = swiglu_backward(gate, up, gradient);
    let after = [&hidden, &of_gate, &of_up].map(|tensor| tensor.handle.memory.descriptor().id);
    assert_eq!(before, after);
}
