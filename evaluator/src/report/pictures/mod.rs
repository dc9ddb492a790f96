//! The report's pictures: SVG with a light card of its own, so that it reads on any page.
//!
//! plotters is imported in this folder alone.

mod canvas;
mod differences;
mod rates;
mod shape;

use super::arms::Arms;
use super::comparison::Comparison;

/// Difference of MI by task.
pub(super) const MI_PICTURE: &str = "pictures/mi.svg";

/// Pass rate and other shares by arm.
pub(super) const RATES_PICTURE: &str = "pictures/rates.svg";

/// Distributions of complexity and length.
pub(super) const SHAPE_PICTURE: &str = "pictures/shape.svg";

/// All pictures with their paths.
pub(super) fn draw(arms: &Arms, comparison: &Comparison) -> Vec<(String, String)> {
    let drawn = [
        (RATES_PICTURE, rates::draw(comparison)),
        (MI_PICTURE, differences::draw(arms, comparison)),
        (SHAPE_PICTURE, shape::draw(arms)),
    ];
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
