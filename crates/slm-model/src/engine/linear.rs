//! Linear layers over a batch of rows, several at a time, on all cores.

use rayon::prelude::*;

use super::matrix::Matrix;
use super::pair::Pair;
use crate::gguf::PackedTensor;
use crate::kernel::packed::Inputs;
use crate::simd::{Row, WIDTH};

/// Minimum number of rows for which results are reordered in parallel.
const MANY_ROWS: usize = 16;

/// A frozen linear layer.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Matrix,
    /// `[out]`
    pub(crate) bias: Option<Vec<f32>>,
}

impl Linear {
    /// Creates a layer without bias from blocks as in a GGUF file.
    pub(crate) fn of_blocks(blocks: &PackedTensor) -> Self {
        Self {
            weight: Matrix::from_packed(blocks),
            bias: None,
        }
    }
}

/// A layer with its LoRA pair.
pub(crate) type Adapted<'a> = (&'a Linear, Option<&'a Pair>);

/// Computes several layers on the same rows.
///
/// # Shapes
/// `x`: `[n, in]`; returns `[n, out]` for each layer
pub(crate) fn project<const L: usize>(layers: [Adapted; L], x: &[f32], n: usize) -> [Vec<f32>; L] {
    let narrow = layers.map(|(_, pair)| pair.map(|pair| pair.narrow(x, n)));
    let summed = layers.iter().any(|(linear, _)| linear.weight.needs_sums());
    let x = &Inputs::new(x, summed);
    let tiles: Vec<(usize, usize)> = layers
        .iter()
        .enumerate()
        .flat_map(|(layer, (linear, _))| (0..linear.weight.panels()).map(move |tile| (layer, tile)))
        .collect();
    let results: Vec<Vec<Row>> = tiles
        .par_iter()
        .map(|&(layer, panel)| {
            let (linear, pair) = layers[layer];
            let adapted = pair.zip(narrow[layer].as_deref());
            products(linear, adapted, panel, x, n)
        })
        .collect();
    let mut results = results.into_iter();
    layers.map(|(linear, _)| {
        let results: Vec<Vec<Row>> = results.by_ref().take(linear.weight.panels()).collect();
        in_rows(&results, linear.weight.out_features, n)
    })
}

/// Computes one panel of a layer's outputs.
fn products(
    linear: &Linear,
    adapted: Option<(&Pair, &[f32])>,
    panel: usize,
    x: &Inputs,
    n: usize,
) -> Vec<Row> {
    let mut out = vec![[0.0; WIDTH]; n];
    linear.weight.add_products(panel, x, &mut out);
    if let Some((pair, narrow)) = adapted {
        pair.apply(panel, narrow, &mut out);
    }
    if let Some(bias) = &linear.bias {
        let bias = &bias[panel * WIDTH..];
        for out in &mut out {
            for (out, bias) in out.iter_mut().zip(bias) {
                *out += bias;
            }
        }
    }
    out
}

/// Puts panels of outputs side by side.
///
/// # Shapes
/// `panels`: `[n]` rows each; returns `[n, width]`
fn in_rows(panels: &[Vec<Row>], width: usize, n: usize) -> Vec<f32> {
    let mut rows = vec![0.0; n * width];
    let fill = |(i, row): (usize, &mut [f32])| {
        for (to, panel) in row.chunks_mut(WIDTH).zip(panels) {
            to.copy_from_slice(&panel[i][..to.len()]);
        }
    };
    if n < MANY_ROWS {
        rows.chunks_mut(width).enumerate().for_each(fill);
    } else {
        rows.par_chunks_mut(width).enumerate().for_each(fill);
    }
    rows
}
