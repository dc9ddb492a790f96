//! The report's pictures: SVG with a light card of its own, so that it reads on any page.
//!
//! plotters is imported in this folder alone.

mod canvas;
mod differences;
mod heat_map;
mod loss;
mod rates;
mod shape;
mod tradeoff;

pub use loss::{LossCurve, draw_loss_curve};

use crate::findings::Findings;
use crate::findings::arms::Arms;

/// Difference of MI by task.
pub(crate) const MI_PICTURE: &str = "pictures/mi.svg";

/// Pass rate and other shares by arm.
pub(crate) const RATES_PICTURE: &str = "pictures/rates.svg";

/// Distributions of complexity and length.
pub(crate) const SHAPE_PICTURE: &str = "pictures/shape.svg";

/// Complexity and pass rate over the grid.
pub(crate) const SWEEP_PICTURE: &str = "pictures/sweep.svg";

/// Pass rate against tokens.
pub(crate) const WORKFLOWS_PICTURE: &str = "pictures/workflows.svg";

/// The pictures of the questions that were asked, with their paths.
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
    drawn
        .into_iter()
        .map(|(name, svg)| {
            (
                name.to_owned(),
                svg.expect("a string takes whatever is drawn"),
            )
        })
        .collect()
}
