//! Rotary embedding of the rows of a forward pass.

use crate::config::{ModelConfig, PerBase};
use crate::rotary::angles;

/// The frequencies of a model's rotary bases.
#[derive(Debug)]
pub(super) struct Frequencies(PerBase<Base>);

#[derive(Debug)]
struct Base {
    /// One for each pair of rotated elements of a head.
    inv_freq: Vec<f32>,
    /// The factor of cosines and sines.
    magnitude: f64,
}

impl Frequencies {
    pub(super) fn of(config: &ModelConfig) -> Self {
        Self(PerBase::new(config, |base| Base {
            inv_freq: config.inv_freq(base),
            magnitude: config.rotary_magnitude(base),
        }))
    }

    /// Computes the rotations of rows at these slots and positions.
    pub(super) fn rotations(&self, at: &[(usize, usize)]) -> Rotations {
        self.0.map(|base| Rotation::new(base, at))
    }
}

/// The rotations of the rows of a forward pass, by their base.
pub(super) type Rotations = PerBase<Rotation>;

/// Cosines and sines of each row's position, shared by all layers.
///
/// # Source
/// Su et al. 2021, arXiv:2104.09864, half-split form; see [`ModelConfig::inv_freq`].
pub(super) struct Rotation {
    /// Cosine and sine for each row and pair of elements.
    turns: Vec<(f32, f32)>,
    pairs: usize,
}

impl Rotation {
    fn new(base: &Base, at: &[(usize, usize)]) -> Self {
        let angles = angles(&base.inv_freq, at.iter().map(|&(_, position)| position));
        let scaled = |value: f64| (base.magnitude * value) as f32;
        Self {
            turns: angles
                .map(|angle| (scaled(angle.cos()), scaled(angle.sin())))
                .collect(),
            pairs: base.inv_freq.len(),
        }
    }

    /// Applies the rotary embedding to every head of each row.
    ///
    /// # Shapes
    /// `x`: `[n, heads * dim]`
    pub(super) fn apply(&self, x: &mut [f32], dim: usize) {
        let n = self.turns.len() / self.pairs;
        let width = x.len() / n;
        for (row, turns) in x
            .chunks_exact_mut(width)
            .zip(self.turns.chunks_exact(self.pairs))
        {
            for head in row.chunks_exact_mut(dim) {
                // The elements after them are not rotated.
                let (first, second) = head[..2 * self.pairs].split_at_mut(self.pairs);
                for ((a, b), &(cos, sin)) in first.iter_mut().zip(second).zip(turns) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}
