//! The search for a scale, or a scale and a minimum, with the least squared error.
//!
//! A candidate gives codes by rounding; for these codes, the best scale and minimum are the solution of a least-squares
//! problem; these round to better codes, and so on. The error is never weighted: it is that of the values themselves.

use std::array::from_fn;

/// Rounds of improving a candidate.
const ROUNDS: usize = 2;

/// `scale * code - minimum`, with neither negative.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) minimum: f32,
}

/// Rounds `value`, which is limited to the range, to the nearest integer.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
pub(super) fn rounded(value: f32, least: f32, most: f32) -> f32 {
    (value.clamp(least, most) - least + 0.5) as i32 as f32 + least
}

/// Adds `N` numbers as a tree, which is compiled to vector instructions.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
fn sum<const N: usize>(values: [f32; N]) -> f32 {
    let mut lanes = [0.0; 16];
    for part in values.as_chunks::<16>().0 {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane += value;
        }
    }
    for width in [8, 4, 2, 1] {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
    }
    lanes[0]
}

/// The codes from 0 to `most` nearest to the values, and the sum of squared errors.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
pub(super) fn affine_codes<const N: usize>(x: &[f32; N], by: Affine, most: f32) -> ([f32; N], f32) {
    let inverse = if by.scale > 0.0 {
        by.scale.recip()
    } else {
        0.0
    };
    let codes: [f32; N] = from_fn(|i| rounded((x[i] + by.minimum) * inverse, 0.0, most));
    let squares = from_fn(|i| {
        let error = by.scale * codes[i] - by.minimum - x[i];
        error * error
    });
    (codes, sum::<N>(squares))
}

/// The best scale and minimum for given codes.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
fn affine_for<const N: usize>(x: &[f32; N], codes: &[f32; N]) -> Option<Affine> {
    let n = N as f32;
    let (of_x, of_codes) = (sum::<N>(*x), sum::<N>(*codes));
    let products = sum::<N>(from_fn(|i| x[i] * codes[i]));
    let squares = sum::<N>(from_fn(|i| codes[i] * codes[i]));
    let determinant = n * squares - of_codes * of_codes;
    if determinant > 0.0 {
        let scale = (n * products - of_x * of_codes) / determinant;
        let minimum = (of_codes * products - squares * of_x) / determinant;
        if minimum >= 0.0 && scale > 0.0 {
            return Some(Affine { scale, minimum });
        }
    }
    let scale = products / squares;
    (squares > 0.0 && scale > 0.0).then_some(Affine {
        scale,
        minimum: 0.0,
    })
}

/// Fits codes from 0 to `most` to some values.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
pub(super) fn affine<const N: usize>(x: &[f32; N], most: f32) -> Affine {
    let least = x.iter().copied().fold(0.0, f32::min);
    let width = x.iter().copied().fold(0.0, f32::max) - least;
    if width <= 0.0 {
        return Affine {
            scale: 0.0,
            minimum: -least,
        };
    }
    let mut best = (Affine::default(), f32::INFINITY);
    for step in [-6, -4, -2, 0, 2_i16] {
        let mut candidate = Affine {
            scale: width / (most + f32::from(step) * most / 60.0),
            minimum: -least,
        };
        for _ in 0..ROUNDS {
            let (codes, _) = affine_codes(x, candidate, most);
            let Some(better) = affine_for(x, &codes) else {
                break;
            };
            candidate = better;
        }
        let (_, error) = affine_codes(x, candidate, most);
        if error < best.1 {
            best = (candidate, error);
        }
    }
    best.0
}

/// The codes from `-half` to `half - 1` nearest to the values, and the sum of squared errors.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
pub(super) fn signed_codes<const N: usize>(x: &[f32; N], scale: f32, half: f32) -> ([f32; N], f32) {
    let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
    let codes: [f32; N] = from_fn(|i| rounded(x[i] * inverse, -half, half - 1.0));
    let squares = from_fn(|i| {
        let error = scale * codes[i] - x[i];
        error * error
    });
    (codes, sum::<N>(squares))
}

/// Fits a scale of either sign to some values: the value with the largest size may use the code `-half`.
#[expect(
    clippy::inline_always,
    reason = "only inlined functions are compiled for the caller's instruction set"
)]
#[inline(always)]
pub(super) fn signed<const N: usize>(x: &[f32; N], half: f32) -> f32 {
    let largest = x.iter().fold(
        0.0_f32,
        |largest, &x| if x.abs() > largest.abs() { x } else { largest },
    );
    if largest == 0.0 {
        return 0.0;
    }
    let mut best = (0.0, f32::INFINITY);
    for step in [-8, -4, 0, 4_i16] {
        let mut scale = -largest / (half + f32::from(step) * half / 320.0);
        for _ in 0..ROUNDS {
            let (codes, _) = signed_codes(x, scale, half);
            let products = sum::<N>(from_fn(|i| x[i] * codes[i]));
            let squares = sum::<N>(from_fn(|i| codes[i] * codes[i]));
            if squares > 0.0 {
                scale = products / squares;
            }
        }
        let (_, error) = signed_codes(x, scale, half);
        if error < best.1 {
            best = (scale, error);
        }
    }
    best.0
}
