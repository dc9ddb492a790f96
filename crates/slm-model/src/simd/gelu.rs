//! The approximation of GELU by a hyperbolic tangent.
//!
//! # Source
//! Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2. `(1 + tanh(y)) / 2` is the logistic function of `2 y`.

use super::{exp, for_each_instruction_set};

/// `2 sqrt(2 / pi)`.
const SCALE: f32 = 1.595_769_2;
/// The factor of the cube.
const CUBE: f32 = 0.044_715;

for_each_instruction_set! {
    /// Writes `gelu(x)` to `x`.
    pub(crate) fn gelu(x: &mut [f32]) {
        for x in x {
            let y = SCALE * (*x + CUBE * *x * *x * *x);
            *x /= 1.0 + exp(-y);
        }
    }
}

for_each_instruction_set! {
    /// Writes `gelu(gate) * up` to `gate`.
    pub(crate) fn geglu(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            let y = SCALE * (*gate + CUBE * *gate * *gate * *gate);
            *gate = *gate / (1.0 + exp(-y)) * up;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_equal_the_formula_in_double_precision() {
        let x: Vec<f32> = (-200..=200).map(|i| i as f32 / 20.0).collect();
        let up: Vec<f32> = (0..=400).map(|i| (i as f32).sin()).collect();
        let (mut alone, mut gated) = (x.clone(), x.clone());
        gelu(&mut alone);
        geglu(&mut gated, &up);
        for (i, &x) in x.iter().enumerate() {
            let wide = f64::from(x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            let expected = 0.5 * wide * (1.0 + inner.tanh());
            assert!(
                (f64::from(alone[i]) - expected).abs() < 1e-6,
                "{x}: {}",
                alone[i]
            );
            let expected = expected * f64::from(up[i]);
            assert!(
                (f64::from(gated[i]) - expected).abs() < 1e-6,
                "{x}: {}",
                gated[i]
            );
        }
    }
}
