//! The report's pictures: SVG with a light card of its own, so that it reads on any page.
//!
//! plotters is imported in this folder alone.

mod canvas;
mod differences;
mod heat_map;
mod rates;
mod shape;
mod tradeoff;

use super::arms::Arms;
use super::hypotheses::Findings;

/// Difference of MI by task.
pub(super) const MI_PICTURE: &str = "pictures/mi.svg";

/// Pass rate and other shares by arm.
pub(super) const RATES_PICTURE: &str = "pictures/rates.svg";

/// Distributions of complexity and length.
pub(super) const SHAPE_PICTURE: &str = "pictures/shape.svg";

/// Complexity and pass rate over the grid.
pub(super) const SWEEP_PICTURE: &str = "pictures/sweep.svg";

/// Pass rate against tokens.
pub(super) const WORKFLOWS_PICTURE: &str = "pictures/workflows.svg";

/// The pictures of the questions that were asked, with their paths.
pub(super) fn draw(arms: &Arms, findings: &Findings) -> Vec<(String, String)> {
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
