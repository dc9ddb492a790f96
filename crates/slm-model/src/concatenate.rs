//! Concatenation of many matrices into one vector.

use burn::tensor::Tensor;

/// Concatenates the values of plain matrices of one dtype, each in row-major order.
///
/// On a GPU one launch copies several matrices; a single matrix is not copied.
///
/// # Shapes
/// at least one matrix, on one device; returns `[sum of their sizes]`
///
/// # Panics
/// The list is empty.
pub fn concatenated(mut matrices: Vec<Tensor<2>>) -> Tensor<1> {
    if matrices.len() == 1 {
        return matrices.remove(0).flatten(0, 1);
    }
    #[cfg(feature = "cube")]
    if !crate::device::is_cpu(&matrices[0].device()) {
        return on_cube(matrices);
    }
    let vectors = matrices.into_iter().map(|matrix| matrix.flatten(0, 1));
    Tensor::cat(vectors.collect(), 0)
}

#[cfg(feature = "cube")]
fn on_cube(matrices: Vec<Tensor<2>>) -> Tensor<1> {
    use crate::fused::cube::primitive;
    use burn::backend::Cube;
    let parts = matrices.into_iter().map(primitive).collect();
    Tensor::from_primitive::<Cube>(slm_kernels::concat::concat(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn check(device: &Device) {
        let a = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], device);
        let b = Tensor::<2>::from_data([[5.0], [6.0]], device);
        let found = concatenated(vec![a.clone(), b, a.clone().transpose()]);
        let values: Vec<f32> = found.into_data().try_into_vec().expect("f32");
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1.0, 3.0, 2.0, 4.0]);
        let one: Vec<f32> = concatenated(vec![a])
            .into_data()
            .try_into_vec()
            .expect("f32");
        assert_eq!(one, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn matrices_follow_each_other_row_by_row() {
        check(&Device::flex());
        #[cfg(feature = "cube-cpu")]
        check(&Device::cpu());
    }
}
