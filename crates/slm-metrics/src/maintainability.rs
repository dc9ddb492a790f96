//! The maintainability index of a program, and of its code without comments.
//!
//! Source: Oman and Hagemeister 1992, in the form of Microsoft's 0 to 100 scale with a comment term, as in radon.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::raw::Raw;

/// Factor of the comment share, in radians, under the square root of the comment term.
const COMMENT_FACTOR: f64 = 2.46;

/// Comment lines per 100 source lines at which the comment term is largest: 57.5, worth 29.2 points.
pub const COMMENT_PEAK: f64 = FRAC_PI_2 * FRAC_PI_2 / COMMENT_FACTOR * (180.0 / PI);

/// Comment lines per 100 source lines above which the comment term is negative: 229.9.
pub const COMMENT_ZERO: f64 = PI * PI / COMMENT_FACTOR * (180.0 / PI);

/// Returns the comment term's contribution to the index before clamping to 0..=100:
/// `50 sin(sqrt(2.46 c)) * 100 / 171` points, with `c` the comment lines per 100 source lines, taken as degrees
/// and converted to radians, as in radon.
///
/// It rises from 0 to 29.2 at [`COMMENT_PEAK`], falls to 0 at [`COMMENT_ZERO`], and is negative beyond.
pub fn comment_points(percent_comments: f64) -> f64 {
    comment_term(percent_comments) * 100.0 / 171.0
}

/// Returns how much a factor on the logical lines reduces the index before clamping to 0..=100:
/// `16.2 ln(factor) * 100 / 171` points.
pub fn length_points(factor: f64) -> f64 {
    16.2 * factor.ln() * 100.0 / 171.0
}

fn comment_term(percent_comments: f64) -> f64 {
    let angle = (COMMENT_FACTOR * percent_comments.to_radians()).sqrt();
    50.0 * angle.sin()
}

/// Returns comment lines, including multi-line docstrings, per 100 source lines, as used in the index.
pub fn percent_comments(comments: usize, multi: usize, sloc: usize) -> f64 {
    if sloc == 0 {
        0.0
    } else {
        (comments + multi) as f64 / sloc as f64 * 100.0
    }
}

/// Returns the index, 0 (worst) to 100, from the Halstead volume, the complexity of the file and its line counts.
pub(crate) fn index(volume: f64, complexity: usize, raw: &Raw) -> f64 {
    let percent_comments = percent_comments(raw.comments, raw.multi, raw.sloc);
    maintainability_index(volume, complexity, raw.lloc, percent_comments)
}

/// Returns the index of the same code without docstrings and comments, with `lloc` logical lines.
pub(crate) fn index_of_code(volume: f64, complexity: usize, lloc: usize) -> f64 {
    maintainability_index(volume, complexity, lloc, 0.0)
}

/// Returns the index, 0 (worst) to 100; 100 for a program without operators or logical lines.
pub fn maintainability_index(
    volume: f64,
    complexity: usize,
    lloc: usize,
    percent_comments: f64,
) -> f64 {
    if volume <= 0.0 || lloc == 0 {
        return 100.0;
    }
    // Same order of operations as radon, so that the last bit agrees.
    let index = 171.0 - 5.2 * volume.ln() - 0.23 * complexity as f64 - 16.2 * (lloc as f64).ln()
        + comment_term(percent_comments);
    (index * 100.0 / 171.0).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts the comment term at a share: radon 6.0.1's
    /// `mi_compute(1000, 9, 40, p) - mi_compute(1000, 9, 40, 0)`, whose values are away from both bounds.
    fn check(percent: f64, points: f64) {
        let found = comment_points(percent);
        assert!(
            (found - points).abs() < 1e-9,
            "{percent}: {found}, expected {points}"
        );
        let (volume, lloc) = (1000.0, 40);
        let bonus = maintainability_index(volume, 9, lloc, percent)
            - maintainability_index(volume, 9, lloc, 0.0);
        assert!(
            (bonus - points).abs() < 1e-9,
            "{percent}: {bonus}, expected {points}"
        );
    }

    #[test]
    fn the_comment_term_is_radons() {
        check(0.0, 0.0);
        check(1.0, 6.015_447_284_568_673);
        check(10.0, 17.817_442_645_676_287);
        check(25.0, 25.157_675_323_433_82);
        check(57.5, 29.239_763_314_028_89);
        check(100.0, 25.642_311_660_153);
        check(150.0, 16.602_198_803_782_358);
        check(229.9, -0.005_467_864_672_503_708);
        check(300.0, -12.648_549_733_587_604);
        check(500.0, -29.148_385_563_948_33);
    }

    #[test]
    fn the_comment_term_peaks_at_57_and_turns_negative_at_230_comment_lines_per_100() {
        assert!((COMMENT_PEAK - 57.468).abs() < 1e-3, "{COMMENT_PEAK}");
        assert!((COMMENT_ZERO - 229.873).abs() < 1e-3, "{COMMENT_ZERO}");
        let most = comment_points(COMMENT_PEAK);
        assert!((most - 5000.0 / 171.0).abs() < 1e-12, "{most}");
        for percent in [1.0, 40.0, 57.0, 58.0, 100.0, 229.0] {
            let points = comment_points(percent);
            assert!(points > 0.0 && points < most, "{percent}: {points}");
        }
        assert!(comment_points(COMMENT_ZERO).abs() < 1e-12);
        assert!(comment_points(231.0) < 0.0 && comment_points(400.0) < 0.0);
    }

    #[test]
    fn twice_the_logical_lines_take_the_same_from_every_index() {
        let taken =
            maintainability_index(1000.0, 9, 20, 0.0) - maintainability_index(1000.0, 9, 40, 0.0);
        assert!((taken - length_points(2.0)).abs() < 1e-9, "{taken}");
    }
}
