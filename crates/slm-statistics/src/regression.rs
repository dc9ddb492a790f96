//! The mean difference adjusted for length.

/// Returns the intercept of the least-squares line through (`x`, `y`) over `rows`; the mean of `y` if `x` does
/// not vary.
///
/// With x a difference of log length and y a difference of MI, it is the change of MI that length does not
/// explain. 0 without rows.
pub fn intercept(x: &[f64], y: &[f64], rows: &[usize]) -> f64 {
    if rows.is_empty() {
        return 0.0;
    }
    let n = rows.len() as f64;
    let mean_x = rows.iter().map(|&row| x[row]).sum::<f64>() / n;
    let mean_y = rows.iter().map(|&row| y[row]).sum::<f64>() / n;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for &row in rows {
        covariance += (x[row] - mean_x) * (y[row] - mean_y);
        variance += (x[row] - mean_x).powi(2);
    }
    if variance > f64::EPSILON * n * mean_x.powi(2).max(f64::MIN_POSITIVE) {
        mean_y - covariance / variance * mean_x
    } else {
        mean_y
    }
}

#[cfg(test)]
mod tests {
    use super::intercept;
    use crate::golden::{Golden, assert_close, golden};

    #[test]
    fn intercepts_agree_with_scipys_regression() {
        for case in golden()["intercept"].cases() {
            let (x, y) = (case["x"].numbers(), case["y"].numbers());
            let rows: Vec<usize> = (0..x.len()).collect();
            assert_close(intercept(&x, &y, &rows), case["intercept"].number());
        }
    }

    #[test]
    fn equal_lengths_leave_the_mean() {
        assert_close(intercept(&[0.3; 3], &[1.0, 2.0, 6.0], &[0, 1, 2]), 3.0);
        assert_close(
            intercept(&[0.0; 3], &[1.0, 2.0, 6.0], &[0, 2, 2]),
            13.0 / 3.0,
        );
    }

    #[test]
    fn no_row_gives_zero_and_one_row_its_value() {
        // Not -0, the sum of an empty iterator: reports print the sign.
        assert_eq!(intercept(&[], &[], &[]).to_bits(), 0.0_f64.to_bits());
        assert_close(intercept(&[0.3], &[4.0], &[0]), 4.0);
    }
}
