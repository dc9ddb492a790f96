//! The report's charts: SVG on a light card, so that they are readable on any background.
//!
//! Only this folder imports plotters.

mod canvas;
mod differences;
mod heat_map;
mod loss;
mod rates;
mod rounds;
mod shape;
mod tradeoff;

pub use loss::{LossCurve, draw_loss_curve};
pub use rounds::{RoundCurves, draw_round_curves};

use crate::findings::Findings;
use crate::findings::arms::Arms;

/// The chart of MI differences by task.
pub(crate) const MI_PICTURE: &str = "pictures/mi.svg";

/// The chart of pass rate and other shares by arm.
pub(crate) const RATES_PICTURE: &str = "pictures/rates.svg";

/// The chart of the distributions of complexity and length.
pub(crate) const SHAPE_PICTURE: &str = "pictures/shape.svg";

/// The chart of complexity and pass rate over the grid.
pub(crate) const SWEEP_PICTURE: &str = "pictures/sweep.svg";

/// The chart of pass rate against tokens.
pub(crate) const WORKFLOWS_PICTURE: &str = "pictures/workflows.svg";

/// Returns the chart of pass rate against all tokens, of the arm with this number in the section on lookups.
fn lookups_picture(arm: usize) -> String {
    format!("pictures/lookups-{}.svg", arm + 1)
}

/// Draws the charts of the tested hypotheses and of lookups, with their paths.
pub(crate) fn draw(arms: &Arms, findings: &Findings) -> Vec<(String, String)> {
    let mut drawn = Vec::new();
    if let Some(comparison) = &findings.comparison {
        drawn.extend([
            (RATES_PICTURE, rates::draw(comparison)),
            (MI_PICTURE, differences::draw(arms, comparison)),
            (SHAPE_PICTURE, shape::draw(arms)),
        ]);
    }
    if let Some(found) = &findings.sweep {
        drawn.push((SWEEP_PICTURE, heat_map::draw(found)));
    }
    if let Some(found) = &findings.collaboration {
        drawn.push((WORKFLOWS_PICTURE, tradeoff::draw(found)));
    }
    let drawn = drawn.into_iter().map(|(name, svg)| (name.to_owned(), svg));
    let arms = findings.lookups.iter().flat_map(|found| &found.arms);
    let lookups = arms
        .enumerate()
        .map(|(at, arm)| (lookups_picture(at), tradeoff::draw_lookups(arm)));
    drawn
        .chain(lookups)
        .map(|(name, svg)| (name, svg.expect("drawing to a string cannot fail")))
        .collect()
}
