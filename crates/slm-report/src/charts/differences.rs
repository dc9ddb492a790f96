//! The paired differences of a metric, task by task: sorted, with the mean, its interval and the required effect.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, MARGINS, NAME_CHARS, card, clean, font, nothing, text};
use super::palette::{BLUE, GRID, INK, MUTED, VERMILION, arm_color};
use crate::findings::contrast::Contrast;
use crate::number::{signed, signed_interval};
use crate::sample_metric::SampleMetric;

const PANEL_HEIGHT: u32 = 320;
const LABEL_WIDTH: u32 = 140;
const LABEL_HEIGHT: i32 = 18;
const LOWER: RGBColor = VERMILION;
const HIGHER: RGBColor = BLUE;

/// One side less another, in the metric of the chart.
pub(crate) struct Panel<'a> {
    /// The sides, for example `adapter less base`.
    pub(crate) contrast: String,
    pub(crate) found: &'a Contrast,
    /// The required effect, in points of the metric, if one was declared.
    pub(crate) required: Option<f64>,
}

/// Draws one panel per contrast.
pub(crate) fn draw(metric: &SampleMetric, panels: &[Panel]) -> Drawn<String> {
    let n_panels = panels.len().max(1);
    let height = 60 + PANEL_HEIGHT * n_panels as u32;
    let title = format!("Difference on each task: {}", metric.label);
    card(height, MARGINS, &title, |area| {
        if panels.is_empty() {
            return nothing(area, "nothing to compare");
        }
        let areas = area.split_evenly((n_panels, 1));
        for (area, panel) in areas.iter().zip(panels) {
            draw_panel(&area.margin(0, 14, 0, 0), metric, panel)?;
        }
        Ok(())
    })
}

fn draw_panel(area: &Area, metric: &SampleMetric, panel: &Panel) -> Drawn<()> {
    let scaled = panel.found.differences.iter().map(|of| of * metric.scale);
    let mut differences: Vec<f64> = scaled.collect();
    differences.sort_by(f64::total_cmp);
    let description = describe(metric, panel, &differences);
    text(area, &description, (8, 0), 15.0, MUTED, HPos::Left)?;
    let area = area.margin(24, 0, 0, 0);
    let Some(mean) = panel.found.difference.map(|mean| mean * metric.scale) else {
        return nothing(&area, "no task has a value from both");
    };
    let required = panel.required;
    let (low, high) = vertical_range(&differences, required);
    let right = differences.len() as f64 + 0.5;
    // Seven labels over a narrow range would repeat whole numbers.
    let decimals = usize::from(high - low < 7.0) + usize::from(high - low < 0.7);
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
        .y_desc("difference")
        .draw()?;

    let across = |y: f64| vec![(0.5, y), (right, y)];
    if let Some(interval) = panel.found.interval {
        let [low, high] = [interval.low, interval.high].map(|end| end * metric.scale);
        let band = Rectangle::new([(0.5, low), (right, high)], INK.mix(0.12).filled());
        chart.draw_series([band])?;
    }
    chart.draw_series([PathElement::new(across(0.0), MUTED.stroke_width(1))])?;
    if let Some(required) = required {
        let style = MUTED.stroke_width(1);
        chart.draw_series(DashedLineSeries::new(across(required), 6, 4, style))?;
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

    let row = |y: f64| chart.backend_coord(&(right, y)).1 - area.get_base_pixel().1;
    let mean_label = format!("mean {}", signed(mean, metric.digits));
    let mut labels = vec![(mean_label, row(mean), INK)];
    if let Some(required) = required {
        let sign = if required < 0.0 { "≤" } else { "≥" };
        let label = format!("required {sign} {}", signed(required, 1));
        labels.push((label, row(required), MUTED));
    }
    draw_labels(&area, labels)
}

/// Writes the labels of lines to the right of these; if two lines are close, their labels are moved apart.
fn draw_labels(area: &Area, mut labels: Vec<(String, i32, RGBColor)>) -> Drawn<()> {
    if let [(_, first, _), (_, second, _)] = &mut labels[..] {
        let overlap = (LABEL_HEIGHT - (*first - *second).abs()).max(0) / 2 + 1;
        let shift = if first < second { -overlap } else { overlap };
        (*first, *second) = (*first + shift, *second - shift);
    }
    let left = area.dim_in_pixel().0 as i32 - LABEL_WIDTH as i32 + 8;
    for (label, row, color) in labels {
        let at = (left, row - LABEL_HEIGHT / 2);
        text(area, &label, at, 14.0, color, HPos::Left)?;
    }
    Ok(())
}

/// Describes the panel in numbers.
fn describe(metric: &SampleMetric, panel: &Panel, differences: &[f64]) -> String {
    let count = |sign: fn(f64) -> bool| differences.iter().filter(|&&d| sign(d)).count();
    let interval = match panel.found.interval {
        Some(_) => format!(
            "grey band: 95 % interval of the mean, {}",
            signed_interval(panel.found.interval, metric.digits, metric.scale)
        ),
        None => panel.found.no_interval.unwrap_or("no interval").to_owned(),
    };
    format!(
        "{}: {} higher, {} equal, {} lower; {interval}",
        clean(&panel.contrast, NAME_CHARS),
        count(|d| d > 0.0),
        count(|d| d == 0.0),
        count(|d| d < 0.0),
    )
}

/// Room for all differences, 0 and the required effect.
fn vertical_range(differences: &[f64], required: Option<f64>) -> (f64, f64) {
    let values = differences.iter().copied().chain(required);
    let (low, high) = values.fold((0.0, 0.0), |(low, high): (f64, f64), value| {
        (low.min(value), high.max(value))
    });
    // Without any difference, the axis has one step on each side of 0.
    let (low, high) = if high > low { (low, high) } else { (-1.0, 1.0) };
    let room = (high - low) * 0.08;
    (low - room, high + room)
}
