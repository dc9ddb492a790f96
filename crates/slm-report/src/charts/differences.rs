//! The difference of MI on each task, sorted, with the mean, its interval and the required effect.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{
    Area, Drawn, GRID, INK, MARGINS, MUTED, NAME_CHARS, arm_color, card, clean, font, nothing, text,
};
use crate::findings::arms::Arms;
use crate::findings::h1::{AdapterComparison, Comparison};
use crate::number::{signed, signed_interval};
use crate::sample_metric::MI;

const PANEL_HEIGHT: u32 = 340;
const LABEL_WIDTH: u32 = 140;
const LABEL_HEIGHT: i32 = 18;
const LOWER: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const HIGHER: RGBColor = RGBColor(0x00, 0x72, 0xb2);

/// Draws one panel per adapter.
pub(crate) fn draw(arms: &Arms, comparison: &Comparison) -> Drawn<String> {
    let n_panels = comparison.adapters.len().max(1);
    let height = 60 + PANEL_HEIGHT * n_panels as u32;
    card(
        height,
        MARGINS,
        "Change of the maintainability index (MI) on each task",
        |area| {
            if comparison.adapters.is_empty() {
                return nothing(area, "no adapter");
            }
            let panels = area.split_evenly((n_panels, 1));
            for ((panel, adapter), found) in
                panels.iter().zip(&arms.adapters).zip(&comparison.adapters)
            {
                let mut differences: Vec<f64> = arms
                    .pairs(adapter, &MI)
                    .iter()
                    .map(|(_, pair)| pair.difference())
                    .collect();
                differences.sort_by(f64::total_cmp);
                draw_panel(&panel.margin(0, 14, 0, 0), found, &differences)?;
            }
            Ok(())
        },
    )
}

fn draw_panel(panel: &Area, found: &AdapterComparison, differences: &[f64]) -> Drawn<()> {
    text(
        panel,
        &describe(found, differences),
        (8, 0),
        15.0,
        MUTED,
        HPos::Left,
    )?;
    let area = panel.margin(24, 0, 0, 0);
    let Some(mean) = found.mi().difference else {
        return nothing(&area, "no task has programs that parse from both arms");
    };
    let asked = found.effect_on_mi();
    let (low, high) = vertical_range(differences, asked.unwrap_or(0.0));
    let right = differences.len() as f64 + 0.5;
    // Seven labels over a narrow range would repeat whole numbers.
    let decimals = usize::from(high - low < 7.0);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(30)
        .y_label_area_size(58)
        .margin_right(LABEL_WIDTH)
        .build_cartesian_2d(0.5..right, low..high)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .y_labels(7)
        .x_labels(0)
        .y_label_formatter(&|value| signed(*value, decimals))
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .x_desc("tasks, sorted by difference")
        .y_desc("MI, adapter less base (points)")
        .draw()?;

    let across = |y: f64| vec![(0.5, y), (right, y)];
    if let Some(interval) = found.mi().interval {
        let band = Rectangle::new(
            [(0.5, interval.low), (right, interval.high)],
            INK.mix(0.12).filled(),
        );
        chart.draw_series([band])?;
    }
    chart.draw_series([PathElement::new(across(0.0), MUTED.stroke_width(1))])?;
    if let Some(asked) = asked {
        let style = MUTED.stroke_width(1);
        chart.draw_series(DashedLineSeries::new(across(asked), 6, 4, style))?;
    }
    chart.draw_series([PathElement::new(across(mean), INK.stroke_width(2))])?;
    let radius = if differences.len() > 150 { 3 } else { 4 };
    chart.draw_series(differences.iter().enumerate().map(|(at, &difference)| {
        let color = match difference {
            d if d > 0.0 => HIGHER,
            d if d < 0.0 => LOWER,
            _ => arm_color(0),
        };
        Circle::new(((at + 1) as f64, difference), radius, color.filled())
    }))?;

    // Labels are to the right of their lines; if the lines are close, the labels are moved apart.
    let row = |y: f64| chart.backend_coord(&(right, y)).1 - area.get_base_pixel().1;
    let mut labels = vec![(format!("mean {}", signed(mean, 1)), row(mean), INK)];
    if let Some(asked) = asked {
        let asked_row = row(asked);
        let overlap = (LABEL_HEIGHT - (labels[0].1 - asked_row).abs()).max(0) / 2 + 1;
        let shift = if labels[0].1 < asked_row {
            -overlap
        } else {
            overlap
        };
        labels[0].1 += shift;
        labels.push((
            format!(
                "required {} {}",
                if asked < 0.0 { "≤" } else { "≥" },
                signed(asked, 1)
            ),
            asked_row - shift,
            MUTED,
        ));
    }
    let left = area.dim_in_pixel().0 as i32 - LABEL_WIDTH as i32 + 8;
    for (label, row, color) in labels {
        text(
            &area,
            &label,
            (left, row - LABEL_HEIGHT / 2),
            14.0,
            color,
            HPos::Left,
        )?;
    }
    Ok(())
}

/// Describes the panel in numbers.
fn describe(found: &AdapterComparison, differences: &[f64]) -> String {
    let count = |sign: fn(f64) -> bool| differences.iter().filter(|&&d| sign(d)).count();
    let interval = match found.mi().interval {
        Some(_) => format!(
            "grey band: 95 % interval of the mean, {}",
            signed_interval(found.mi().interval, 1, 1.0)
        ),
        None => found.mi().no_interval.unwrap_or("no interval").to_owned(),
    };
    format!(
        "{}: {} higher, {} equal, {} lower; {interval}",
        clean(&found.name, NAME_CHARS),
        count(|d| d > 0.0),
        count(|d| d == 0.0),
        count(|d| d < 0.0),
    )
}

/// Room for all differences, 0 and the required effect.
fn vertical_range(differences: &[f64], asked: f64) -> (f64, f64) {
    let low = differences.iter().copied().fold(0.0, f64::min);
    let high = differences.iter().copied().fold(asked.max(1.0), f64::max);
    let room = (high - low) * 0.08;
    (low - room, high + room)
}
