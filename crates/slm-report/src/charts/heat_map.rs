//! H2's grid: complexity of solved programs, and pass rate, by temperature and top-p.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, MARGINS, card, nothing, text};
use super::palette::{CARD, EMPTY, INK, MUTED, shade};
use crate::findings::h2::{Point, SweepFindings};
use crate::number::{number, percent};

const ROW_HEIGHT: i32 = 44;
const LEFT: i32 = 92;
const TOP: i32 = 52;

/// A value of a point, and its format.
struct Shown {
    title: &'static str,
    value: fn(&Point) -> Option<f64>,
    text: fn(Option<f64>) -> String,
}

const PANELS: [Shown; 2] = [
    Shown {
        title: "cyclomatic complexity of solved programs",
        value: |point| point.cyclomatic_complexity_of_solved,
        text: |value| number(value, 2),
    },
    Shown {
        title: "pass@1",
        value: |point| point.pass_rate.share,
        text: |value| percent(value),
    },
];

/// Draws two heat maps side by side, and the reference below them.
pub(crate) fn draw(found: &SweepFindings) -> Drawn<String> {
    let rows = distinct(found, |point| point.decoding.temperature)
        .len()
        .max(1);
    let height = 60 + TOP + ROW_HEIGHT * rows as i32 + 32;
    card(
        height as u32,
        MARGINS,
        "Complexity and pass rate by temperature and top-p",
        |area| {
            if found.points.iter().all(|point| point.samples == 0) {
                return nothing(area, "no samples");
            }
            let panels = area.split_evenly((1, 2));
            for (panel, shown) in panels.iter().zip(&PANELS) {
                draw_panel(panel, found, shown)?;
            }
            Ok(())
        },
    )
}

/// Returns the values of the grid in ascending order, the reference's included.
fn distinct(found: &SweepFindings, value: impl Fn(&Point) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = found.points.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn draw_panel(panel: &Area, found: &SweepFindings, shown: &Shown) -> Drawn<()> {
    text(panel, shown.title, (8, 0), 15.0, INK, HPos::Left)?;
    let temperatures = distinct(found, |point| point.decoding.temperature);
    let drawn: Vec<&Point> = found
        .points
        .iter()
        .filter(|point| !point.decoding.is_greedy())
        .collect();
    let mut columns: Vec<f64> = drawn.iter().map(|point| point.decoding.top_p).collect();
    columns.sort_by(f64::total_cmp);
    columns.dedup();
    let width = (panel.dim_in_pixel().0 as i32 - LEFT - 16) / columns.len().max(1) as i32;
    let values = || found.points.iter().filter_map(shown.value);
    let (low, high) = (
        values().fold(f64::INFINITY, f64::min),
        values().fold(f64::NEG_INFINITY, f64::max),
    );
    let chosen = found.test.as_ref().map(|test| test.point);
    for (row, &temperature) in temperatures.iter().enumerate() {
        let top = TOP + ROW_HEIGHT * row as i32;
        let label = if temperature <= 0.0 {
            "greedy".to_owned()
        } else {
            format!("{temperature}")
        };
        let at = (LEFT - 10, top + ROW_HEIGHT / 2 - 8);
        text(panel, &label, at, 14.0, INK, HPos::Right)?;
        for (at, point) in found.points.iter().enumerate() {
            if point.decoding.temperature.total_cmp(&temperature).is_ne() {
                continue;
            }
            // Greedy answers do not depend on top-p: one box over all columns.
            let (left, right) = if point.decoding.is_greedy() {
                (LEFT, LEFT + width * columns.len().max(1) as i32)
            } else {
                let same = |top_p: &f64| top_p.total_cmp(&point.decoding.top_p).is_eq();
                let column = columns.iter().position(same).unwrap_or_default() as i32;
                (LEFT + width * column, LEFT + width * (column + 1))
            };
            let corners = [(left, top), (right, top + ROW_HEIGHT)];
            let value = (shown.value)(point);
            let color = value.map_or(EMPTY, |value| shade(share(value, low, high)));
            panel.draw(&Rectangle::new(corners, color.filled()))?;
            panel.draw(&Rectangle::new(corners, CARD.stroke_width(2)))?;
            if Some(at) == chosen {
                let inside = [(left + 3, top + 3), (right - 3, top + ROW_HEIGHT - 3)];
                panel.draw(&Rectangle::new(inside, INK.stroke_width(2)))?;
            }
            let mark = if at == 0 { " *" } else { "" };
            let label = format!("{}{mark}", (shown.text)(value));
            let middle = (i32::midpoint(left, right), top + ROW_HEIGHT / 2 - 8);
            text(panel, &label, middle, 15.0, INK, HPos::Center)?;
        }
    }
    for (column, top_p) in columns.iter().enumerate() {
        let middle = LEFT + width * column as i32 + width / 2;
        text(
            panel,
            &top_p.to_string(),
            (middle, TOP - 20),
            14.0,
            INK,
            HPos::Center,
        )?;
    }
    text(
        panel,
        "temperature",
        (LEFT - 10, TOP - 20),
        13.0,
        MUTED,
        HPos::Right,
    )?;
    let right = LEFT + width * columns.len().max(1) as i32;
    text(panel, "top-p", (right, TOP - 36), 13.0, MUTED, HPos::Right)?;
    let below = TOP + ROW_HEIGHT * temperatures.len() as i32 + 10;
    let legend = "* recipe's own sampling; framed: chosen for the test";
    text(panel, legend, (LEFT, below), 13.0, MUTED, HPos::Left)
}

/// Returns the share of the scale from the least to the largest value at which a value is.
fn share(value: f64, low: f64, high: f64) -> f64 {
    if high > low {
        (value - low) / (high - low)
    } else {
        0.5
    }
}
