use burn_backend::{DType, TensorMetadata};
use slm_kernels::dropout::dropout_mask;

use crate::support::{device, narrow_format, read};

/// One block of Philox4x32-10.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let product = |a: u32, b: u32| {
        let product = u64::from(a) * u64::from(b);
        ((product >> 32) as u32, product as u32)
    };
    for _ in 0..10 {
        let [c0, c1, c2, c3] = counter;
        let (high0, low0) = product(c0, 0xD251_1F53);
        let (high1, low1) = product(c2, 0xCD9E_8D57);
        counter = [high1 ^ c1 ^ key[0], low1, high0 ^ c3 ^ key[1], low0];
        key[0] = key[0].wrapping_add(0x9E37_79B9);
        key[1] = key[1].wrapping_add(0xBB67_AE85);
    }
    counter
}

fn mask(shape: [usize; 2], probability: f64, key: [u32; 4]) -> Vec<f64> {
    read(&dropout_mask(
        &device(),
        shape,
        probability,
        key,
        DType::F32,
    ))
}

/// The columns of a row that are kept.
fn kept(mask: &[f64]) -> Vec<bool> {
    mask.iter().map(|&value| value != 0.0).collect()
}

#[test]
fn the_generator_of_the_test_gives_the_published_numbers() {
    // Known answers of Random123.
    let zeros = [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8];
    assert_eq!(philox([0; 4], [0; 2]), zeros);
    let ones = [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd];
    assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), ones);
}

#[test]
fn a_mask_follows_the_generator() {
    let key = [1, 2, 3, 4];
    for shape in [[5, 8], [3, 7], [1, 1]] {
        let expected = |row: usize, column: usize| {
            let block = philox(
                [row as u32, (column / 4) as u32, key[2], key[3]],
                [key[0], key[1]],
            );
            if f64::from(block[column % 4]) < 0.25 * 2f64.powi(32) {
                0.0
            } else {
                f64::from(1.0f32 / 0.75)
            }
        };
        let [rows, columns] = shape;
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let expected: Vec<f64> = places.map(|(row, column)| expected(row, column)).collect();
        assert_eq!(mask(shape, 0.25, key), expected, "{shape:?}");
    }
}

#[test]
fn the_share_of_zeros_is_the_probability() {
    let n = 256.0 * 1024.0;
    for probability in [0.05, 0.5, 0.9] {
        let mask = mask([256, 1024], probability, [7, 0, 0, 1]);
        let dropped = mask.iter().filter(|&&value| value == 0.0).count() as f64;
        let deviation = (n * probability * (1.0 - probability)).sqrt();
        let off = (dropped - n * probability).abs();
        assert!(off < 6.0 * deviation, "{probability}: {dropped} of {n}");
    }
}

#[test]
fn a_key_gives_the_same_mask_again_and_another_key_an_independent_one() {
    let shape = [64, 256];
    let first = mask(shape, 0.5, [1, 2, 3, 4]);
    assert_eq!(first, mask(shape, 0.5, [1, 2, 3, 4]));
    for other in [[2, 2, 3, 4], [1, 3, 3, 4], [1, 2, 4, 4], [1, 2, 3, 5]] {
        let second = kept(&mask(shape, 0.5, other));
        let equal = kept(&first)
            .iter()
            .zip(&second)
            .filter(|(a, b)| a == b)
            .count() as f64;
        let n = first.len() as f64;
        assert!(
            (equal - n / 2.0).abs() < 6.0 * n.sqrt() / 2.0,
            "{other:?}: {equal} of {n}"
        );
    }
}

#[test]
fn a_value_depends_on_its_row_and_column_alone() {
    let key = [9, 8, 7, 6];
    let large = mask([16, 40], 0.5, key);
    for columns in [40, 12, 7] {
        let small = mask([4, columns], 0.5, key);
        for (row, values) in small.chunks(columns).enumerate() {
            assert_eq!(
                values,
                &large[row * 40..row * 40 + columns],
                "{columns} columns"
            );
        }
    }
}

#[test]
fn a_mask_of_probability_zero_keeps_everything_in_each_format() {
    for kind in [DType::F32, narrow_format()] {
        let mask = dropout_mask(&device(), [2, 6], 0.0, [1, 2, 3, 4], kind);
        assert_eq!(mask.dtype(), kind);
        assert_eq!(read(&mask), vec![1.0; 12]);
    }
}

#[test]
fn no_rows_give_no_rows() {
    let mask = dropout_mask(&device(), [0, 6], 0.5, [1, 2, 3, 4], DType::F32);
    assert_eq!(mask.shape().dims(), [0, 6]);
}
