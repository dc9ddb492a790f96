//! Shares by arm as bars with their intervals.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, MARGINS, card, font, legend, nothing, text};
use super::palette::{CARD, GRID, INK, MUTED, arm_color};
use crate::findings::arm_summary::{ArmSummary, Rate};
use crate::findings::h1::Comparison;
use crate::number::number;

/// A group of bars: its name and its share.
type Group = (&'static str, fn(&ArmSummary) -> &Rate);

const GROUPS: [Group; 5] = [
    ("passes all tests", |arm| &arm.pass_rate),
    ("Executability", |arm| &arm.executable),
    ("parses", |arm| &arm.parsable),
    ("MI exactly 100", |arm| &arm.mi_at_100),
    ("cut off by limit", |arm| &arm.cut_off),
];

/// Share of a group's width that its bars take.
const BARS: f64 = 0.72;

/// Draws a group of bars for each share, one bar per arm.
pub(crate) fn draw(comparison: &Comparison) -> Drawn<String> {
    card(
        380,
        MARGINS,
        "Share of samples by arm, with 95 % intervals",
        |area| {
            let names: Vec<&str> = comparison
                .arms
                .iter()
                .map(|arm| arm.name.as_str())
                .collect();
            legend(area, &names)?;
            let area = area.margin(26, 0, 0, 0);
            if comparison.arms.iter().all(|arm| arm.samples == 0) {
                return nothing(&area, "no samples");
            }
            draw_bars(&area, &comparison.arms)
        },
    )
}

fn draw_bars(area: &Area, arms: &[ArmSummary]) -> Drawn<()> {
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(26)
        .y_label_area_size(58)
        .margin_top(14)
        .build_cartesian_2d(0.0..GROUPS.len() as f64, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(0)
        .y_labels(6)
        .y_label_formatter(&|share| format!("{:.0}", share * 100.0))
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .y_desc("share (%)")
        .draw()?;

    let base = area.get_base_pixel();
    let width = BARS / arms.len() as f64;
    for (at, (label, rate)) in GROUPS.iter().enumerate() {
        let (x, y) = chart.backend_coord(&(at as f64 + 0.5, 0.0));
        text(
            area,
            label,
            (x - base.0, y - base.1 + 8),
            14.0,
            INK,
            HPos::Center,
        )?;
        for (arm, summary) in arms.iter().enumerate() {
            let rate = rate(summary);
            let Some(share) = rate.share else { continue };
            let left = at as f64 + (1.0 - BARS) / 2.0 + width * arm as f64;
            let middle = left + width / 2.0;
            let bar = [(left + 0.05 * width, 0.0), (left + 0.95 * width, share)];
            chart.draw_series([Rectangle::new(bar, arm_color(arm).filled())])?;
            let interval = rate.interval.map(|interval| (interval.low, interval.high));
            if let Some((low, high)) = interval {
                // The white line under it keeps the whisker visible on a dark bar.
                for style in [CARD.stroke_width(4), INK.stroke_width(2)] {
                    let whisker = vec![(middle, low), (middle, high)];
                    chart.draw_series([PathElement::new(whisker, style)])?;
                }
            }
            let top = interval.map_or(share, |(_, high)| high.max(share));
            let (x, y) = chart.backend_coord(&(middle, top));
            let at = (x - base.0, y - base.1 - 16);
            text(area, &number(share * 100.0, 0), at, 12.0, INK, HPos::Center)?;
        }
    }
    Ok(())
}
