use burn_backend::{DType, TensorMetadata};
use burn_cubecl::ops::permute;
use slm_kernels::matmul::matmul;

use crate::support::{assert_close, given, narrow_format, random, read};

/// `a [n, k]` times the transpose of `b [m, k]`.
fn exact(a: &[f64], b: &[f64], [n, k, m]: [usize; 3]) -> Vec<f64> {
    let at = |i: usize, j: usize| (0..k).map(|x| a[i * k + x] * b[j * k + x]).sum();
    (0..n).flat_map(|i| (0..m).map(move |j| at(i, j))).collect()
}

#[test]
fn bf16_operands_give_f32_products_without_rounding() {
    let [n, k, m] = [5, 96, 40];
    let a = random(1, 1.0, [n, k], narrow_format());
    let b = random(2, 1.0, [m, k], narrow_format());
    let expected = exact(&a.values, &b.values, [n, k, m]);
    let product = matmul(a.tensor, permute(b.tensor, &[1, 0]), DType::F32).expect("a product");
    assert_eq!(product.dtype(), DType::F32);
    assert_close("product", &product, &expected);
}

#[test]
fn products_of_each_number_format_equal_those_in_double_precision() {
    let [n, k, m] = [17, 64, 33];
    for dtype in [DType::F32, narrow_format()] {
        let a = random(1, 1.0, [n, k], dtype);
        let b = random(2, 1.0, [m, k], dtype);
        let expected = exact(&a.values, &b.values, [n, k, m]);
        let product = matmul(a.tensor, permute(b.tensor, &[1, 0]), dtype).expect("a product");
        assert_close(&format!("product in {dtype:?}"), &product, &expected);
    }
}

#[test]
fn empty_operands_give_empty_or_zero_products() {
    let none = matmul(
        given(&[], [0, 4], DType::F32).tensor,
        random(1, 1.0, [4, 3], DType::F32).tensor,
        DType::F32,
    )
    .expect("a product");
    assert_eq!(none.shape().dims(), [0, 3]);
    let zero = matmul(
        given(&[], [2, 0], DType::F32).tensor,
        given(&[], [0, 3], DType::F32).tensor,
        DType::F32,
    )
    .expect("a product");
    assert_eq!(read(&zero), vec![0.0; 6]);
}
