//! Rotary positions, half-split form, with their gradient.
//!
//! # Source
//! Su et al. 2021, arXiv:2104.09864.

use std::sync::Arc;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::instructions::for_each_instruction_set;
use super::{Values, matrix, zeros};
use crate::node::{Function, apply};

/// Cosines and sines of the positions, `[positions, head_dim / 2]`.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    pub(crate) cosines: Arc<Vec<f32>>,
    pub(crate) sines: Arc<Vec<f32>>,
    pub(crate) head_dim: usize,
}

/// Turns each head of `x` by its token's angles and multiplies it by a factor; tracked if `x` is.
///
/// # Shapes
/// `x`: `[batch * positions, heads * head_dim]`, the positions repeating for every sequence of the batch; returns the
/// same; in the CPU's memory
pub(crate) fn turned(x: Tensor<2>, turns: &Turns, factor: f32) -> Tensor<2> {
    let turns = turns.clone();
    apply(Turn { turns, factor }, [x])
}

#[derive(Clone)]
struct Turn {
    turns: Turns,
    factor: f32,
}

impl Turn {
    /// Turns forward, or back.
    fn turn(&self, x: Tensor<2>, backward: bool) -> Tensor<2> {
        let (shape, device) = (x.dims(), x.device());
        let width = shape[1];
        let half = self.turns.head_dim / 2;
        let positions = self.turns.cosines.len() / half;
        let direction = if backward { -1.0 } else { 1.0 };
        let values = Values::of(x);
        let mut out = zeros(shape[0] * width);
        out.par_chunks_mut(width)
            .zip(values.as_slice().par_chunks(width))
            .enumerate()
            .with_min_len(16)
            .for_each(|(row, (out, x))| {
                let at = row % positions * half;
                let (cosines, sines) = (&self.turns.cosines[at..], &self.turns.sines[at..]);
                let (cosines, sines) = (&cosines[..half], &sines[..half]);
                turn_row(x, cosines, sines, self.factor, direction * self.factor, out);
            });
        matrix(out, shape, &device)
    }
}

impl Function<1> for Turn {
    type Saved = ();

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, ()) {
        (self.turn(x, false), ())
    }

    fn backward(self, (): (), gradient: Tensor<2>, _: [bool; 1]) -> [Option<Tensor<2>>; 1] {
        [Some(self.turn(gradient, true))]
    }
}

for_each_instruction_set! {
    fn turn_row(
        x: &[f32],
        cosines: &[f32],
        sines: &[f32],
        of_cosine: f32,
        of_sine: f32,
        out: &mut [f32],
    ) {
        let half = cosines.len();
        for (x, out) in x.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half)) {
            let ((a, b), (to_a, to_b)) = (x.split_at(half), out.split_at_mut(half));
            for i in 0..half {
                let (cosine, sine) = (of_cosine * cosines[i], of_sine * sines[i]);
                to_a[i] = a[i] * cosine - b[i] * sine;
                to_b[i] = b[i] * cosine + a[i] * sine;
            }
        }
    }
}
