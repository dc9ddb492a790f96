//! The report's charts: SVG on a light card, so that they are readable on any background.
//!
//! Only this folder imports plotters.

mod canvas;
mod differences;
mod forest;
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

/// Returns the chart of pass rate against all tokens, of the arm with this number in the section on lookups.
fn lookups_picture(arm: usize) -> String {
    format!("pictures/lookups-{}.svg", arm + 1)
}

/// Returns the paths of the charts of the arm with this number in the section on all workflows: pass rate against cost, and
/// all contrasts.
fn workflow_pictures(arm: usize) -> [String; 2] {
    let number = if arm == 0 {
        String::new()
    } else {
        format!("-{}", arm + 1)
    };
    ["workflows", "contrasts"].map(|name| format!("pictures/{name}{number}.svg"))
}

/// Draws the charts of the tested hypotheses, of lookups and of all workflows, with their paths.
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
    let drawn = drawn.into_iter().map(|(name, svg)| (name.to_owned(), svg));
    let arms = findings.lookups.iter().flat_map(|found| &found.arms);
    let lookups = arms
        .enumerate()
        .map(|(at, arm)| (lookups_picture(at), tradeoff::draw_lookups(arm)));
    let arms = findings.workflows.iter().flat_map(|found| &found.arms);
    let workflows = arms.enumerate().flat_map(|(at, arm)| {
        let [costs, contrasts] = workflow_pictures(at);
        [
            (costs, tradeoff::draw(arm)),
            (contrasts, forest::draw(&arm.groups)),
        ]
    });
    drawn
        .chain(lookups)
        .chain(workflows)
        .map(|(name, svg)| (name, svg.expect("drawing to a string cannot fail")))
        .collect()
}
