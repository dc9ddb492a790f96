//! The maintainability index, of a program as it stands and of its code alone.
//!
//! Source: Oman and Hagemeister 1992, in the form of Microsoft's 0 to 100 scale with a comment term, as radon has it.

use crate::raw::Raw;

/// The index, 0 (worst) to 100, from the Halstead volume, the complexity of the file and its line counts.
pub(crate) fn index(volume: f64, complexity: usize, raw: &Raw) -> f64 {
    let percent_comments = if raw.sloc == 0 {
        0.0
    } else {
        (raw.comments + raw.multi) as f64 / raw.sloc as f64 * 100.0
    };
    compute(volume, complexity, raw.lloc, percent_comments)
}

/// The index of the same code without docstrings and comments, whose logical lines are `lloc`.
pub(crate) fn index_of_code(volume: f64, complexity: usize, lloc: usize) -> f64 {
    compute(volume, complexity, lloc, 0.0)
}

fn compute(volume: f64, complexity: usize, lloc: usize, percent_comments: f64) -> f64 {
    if volume <= 0.0 || lloc == 0 {
        return 100.0;
    }
    // The order of the operations is radon's, so that the last bit agrees.
    let comment_angle = (2.46 * percent_comments.to_radians()).sqrt();
    let index = 171.0 - 5.2 * volume.ln() - 0.23 * complexity as f64 - 16.2 * (lloc as f64).ln()
        + 50.0 * comment_angle.sin();
    (index * 100.0 / 171.0).clamp(0.0, 100.0)
}
