//! Concatenation of matrices.

use burn_backend::TensorData;
use burn_backend::ops::FloatTensorOps;
use burn_cubecl::{Cube, CubeDevice};
use cubecl::device::CpuDevice;
use slm_kernels::concat::concat;

/// Matrices of different sizes with the numbers 0, 1, 2 and so on.
fn check(shapes: &[[usize; 2]]) {
    let device: CubeDevice = cubecl::Device::Cpu(CpuDevice);
    let mut next = 0;
    let tensors = shapes.iter().map(|&[rows, columns]| {
        let values: Vec<f32> = (next..next + rows * columns).map(|n| n as f32).collect();
        next += values.len();
        Cube::float_from_data(TensorData::new(values, [rows, columns]), &device)
    });
    let out = concat(tensors.collect());
    let data = burn_cubecl::ops::into_data_sync(out);
    let expected: Vec<f32> = (0..next).map(|n| n as f32).collect();
    assert_eq!(data.shape()[..], [next], "{shapes:?}");
    assert_eq!(data.try_into_vec::<f32>().expect("f32"), expected);
}

#[test]
fn matrices_follow_each_other_for_any_number_and_size() {
    check(&[[3, 5]]);
    check(&[[1, 1], [2, 3], [7, 1]]);
    // More than a launch takes.
    let many: Vec<[usize; 2]> = (1..40).map(|n| [n % 5 + 1, 3 * n % 7 + 1]).collect();
    check(&many);
    check(&[[300, 41], [2, 1], [129, 64]]);
}

#[test]
fn a_transposed_matrix_is_read_row_by_row() {
    let device: CubeDevice = cubecl::Device::Cpu(CpuDevice);
    let values: Vec<f32> = (0..6).map(|n| n as f32).collect();
    let matrix = Cube::float_from_data(TensorData::new(values, [2, 3]), &device);
    let transposed = Cube::float_transpose(matrix.clone());
    let data = burn_cubecl::ops::into_data_sync(concat(vec![transposed, matrix]));
    let found: Vec<f32> = data.try_into_vec().expect("f32");
    let expected = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    assert_eq!(found, expected);
}

#[test]
fn results_of_kernels_whose_buffers_are_padded_are_read_without_their_padding() {
    let device: CubeDevice = cubecl::Device::Cpu(CpuDevice);
    let rows = |n: usize, from: usize| {
        let values: Vec<f32> = (from..from + n).map(|n| n as f32).collect();
        let matrix = Cube::float_from_data(TensorData::new(values, [1, n]), &device);
        slm_kernels::sum::scaled_cast(matrix.clone(), 1.0, burn_backend::DType::F32)
    };
    let data = burn_cubecl::ops::into_data_sync(concat(vec![rows(3, 0), rows(5, 3), rows(1, 8)]));
    let found: Vec<f32> = data.try_into_vec().expect("f32");
    assert_eq!(found, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
}
