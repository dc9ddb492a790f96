//! `y = x Wᵀ` on the CPU, row by row.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{dot, from_values, to_flex, values};

/// Rows of the weight per parallel task: small enough to balance, large enough to pay.
const TILE: usize = 64;

/// `x Wᵀ`, each element one dot product in a fixed order (see [`dot`]).
///
/// # Shapes
/// `x`: `[n, in]`; `weight`: `[out, in]`, both on the CPU in f32; returns `[n, out]`
pub(crate) fn row_wise_linear(x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let [n, k] = x.dims();
    let [out_features, in_features] = weight.dims();
    assert_eq!(k, in_features, "input of another width than the weight");
    let (x, weight) = (to_flex(x), to_flex(weight.clone()));
    let (x, weight) = (values(&x), values(&weight));
    // Tiles are computed as [n, TILE] blocks and then put side by side.
    let tiles: Vec<Vec<f32>> = weight
        .par_chunks(TILE * k)
        .map(|rows| {
            let mut tile = vec![0.0; n * (rows.len() / k)];
            dot::products(x, rows, k, &mut tile);
            tile
        })
        .collect();
    let mut y = Vec::with_capacity(n * out_features);
    for row in 0..n {
        for tile in &tiles {
            let width = tile.len() / n;
            y.extend_from_slice(&tile[row * width..(row + 1) * width]);
        }
    }
    from_values(y, [n, out_features])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn agrees_with_burns_matmul() {
        let device = Device::flex();
        let x = Tensor::<2>::random([5, 40], Distribution::Normal(0.0, 1.0), &device);
        let weight = Tensor::<2>::random([150, 40], Distribution::Normal(0.0, 1.0), &device);
        let expected = x.clone().matmul(weight.clone().transpose());
        let difference = (row_wise_linear(x, &weight) - expected).abs().max();
        assert!(difference.into_scalar::<f32>() < 1e-4);
    }
}
