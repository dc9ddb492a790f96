//! Numerical difference between two computations: a device and the CPU, or this program and another.

/// Returns the largest absolute difference divided by the largest expected absolute value; NaN if any found value is
/// NaN, infinite if the lengths differ.
pub fn relative(found: &[f32], expected: &[f32]) -> f64 {
    let pairs = found.iter().zip(expected);
    let (difference, largest) = pairs.fold((0.0, 0.0), |(difference, largest), (&a, &b)| {
        let (a, b) = (f64::from(a), f64::from(b));
        (max(difference, (a - b).abs()), max(largest, b.abs()))
    });
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    if difference == 0.0 {
        0.0
    } else {
        difference / largest
    }
}

/// Returns the larger value, or NaN if either is NaN.
pub(crate) fn max(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_relative_and_what_is_no_number_is_not_lost() {
        assert_eq!(relative(&[1.0, -2.0], &[1.0, -2.0]).to_bits(), 0);
        assert!((relative(&[1.0, -3.0], &[1.0, -2.0]) - 0.5).abs() < 1e-12);
        assert!(relative(&[f32::NAN, 1.0], &[1.0, 1.0]).is_nan());
        assert!(relative(&[1.0, f32::NAN, 1.0], &[1.0, 1.0, 1.0]).is_nan());
        assert!(relative(&[f32::INFINITY], &[1.0]).is_infinite());
        assert!(relative(&[1.0], &[1.0, 1.0]).is_infinite());
        assert!(relative(&[1e-3], &[0.0]).is_infinite());
    }
}
