//! Contrasts of workflows: difference in pass rate with its interval, one row for each contrast.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, MARGINS, NAME_CHARS, card, clean, font, nothing, text};
use super::palette::{BLUE, GRID, INK, MUTED};
use crate::findings::all_contrasts::{ContrastGroup, ContrastRow};
use crate::number::{signed, signed_interval};

/// Width of the names at the left and of the numbers at the right.
const NAME_WIDTH: i32 = 310;
const NUMBER_WIDTH: i32 = 190;
const ROW_HEIGHT: u32 = 22;
/// Height of title, axis and their margins.
const FRAME_HEIGHT: u32 = 44 + 56;

const DECLARED: RGBColor = BLUE;

/// A line of the chart.
enum Line<'a> {
    Title(&'a str),
    Row(&'a ContrastRow),
}

/// Draws groups of contrasts of one arm.
pub(crate) fn draw(groups: &[ContrastGroup]) -> Drawn<String> {
    let lines: Vec<Line> = groups
        .iter()
        .flat_map(|group| {
            let rows = group.rows.iter().map(Line::Row);
            std::iter::once(Line::Title(group.title)).chain(rows)
        })
        .collect();
    let height = FRAME_HEIGHT + ROW_HEIGHT * lines.len().max(4) as u32;
    let title = "Contrasts of workflows in pass rate, with 95 % intervals";
    card(height, MARGINS, title, |area| {
        if lines.is_empty() {
            return nothing(area, "no two workflows with a common task");
        }
        draw_lines(area, &lines)
    })
}

fn draw_lines(area: &Area, lines: &[Line]) -> Drawn<()> {
    let n = lines.len() as f64;
    let (low, high) = range(lines);
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(44)
        .margin_left(NAME_WIDTH)
        .margin_right(NUMBER_WIDTH)
        .build_cartesian_2d(low..high, 0.0..n)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(6)
        .y_labels(0)
        .x_label_formatter(&|points| signed(*points, 0))
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .x_desc("difference in pass rate (points)")
        .draw()?;
    let across = vec![(0.0, 0.0), (0.0, n)];
    chart.draw_series([PathElement::new(across, MUTED.stroke_width(1))])?;
    let base = area.get_base_pixel();
    let right = area.dim_in_pixel().0 as i32 - NUMBER_WIDTH + 12;
    for (at, line) in lines.iter().enumerate() {
        let y = n - at as f64 - 0.5;
        let top = chart.backend_coord(&(0.0, y)).1 - base.1 - 8;
        let row = match line {
            Line::Title(title) => {
                text(area, title, (0, top), 14.0, MUTED, HPos::Left)?;
                continue;
            }
            Line::Row(row) => row,
        };
        let color = if row.is_declared { DECLARED } else { INK };
        text(area, &name(row), (14, top), 13.0, color, HPos::Left)?;
        text(area, &numbers(row), (right, top), 13.0, color, HPos::Left)?;
        if let Some(interval) = row.interval {
            let ends = vec![(interval.low * 100.0, y), (interval.high * 100.0, y)];
            let style = color.stroke_width(if row.is_declared { 4 } else { 2 });
            chart.draw_series([PathElement::new(ends, style)])?;
        }
        if let Some(required) = row.required {
            let mark = vec![(required, y - 0.5), (required, y + 0.5)];
            let style = DECLARED.stroke_width(1);
            chart.draw_series(DashedLineSeries::new(mark, 3, 2, style))?;
        }
        if let Some(difference) = row.difference {
            let size = if row.is_declared { 6 } else { 4 };
            let point = Circle::new((difference * 100.0, y), size, color.filled());
            chart.draw_series([point])?;
        }
    }
    Ok(())
}

fn name(row: &ContrastRow) -> String {
    let mut name = format!(
        "{} less {}",
        clean(&row.workflow, NAME_CHARS),
        clean(&row.less, NAME_CHARS)
    );
    if row.is_declared {
        name.push_str(" (decides)");
    }
    if row.is_mixed {
        name.push_str(" (one assisted)");
    }
    name
}

fn numbers(row: &ContrastRow) -> String {
    let Some(difference) = row.difference else {
        return "no common task".to_owned();
    };
    let difference = signed(difference * 100.0, 1);
    match row.interval {
        Some(_) => {
            let interval = signed_interval(row.interval, 1, 100.0);
            format!("{difference} ({interval}), n {}", row.tasks)
        }
        None => format!("{difference}, no interval, n {}", row.tasks),
    }
}

/// Room for 0, all differences, intervals and the required effect.
fn range(lines: &[Line]) -> (f64, f64) {
    let rows = lines.iter().filter_map(|line| match line {
        Line::Row(row) => Some(row),
        Line::Title(_) => None,
    });
    let ends = rows.flat_map(|row| {
        let interval = row.interval.map(|of| [of.low * 100.0, of.high * 100.0]);
        let others = [row.difference.map(|of| of * 100.0), row.required];
        interval
            .into_iter()
            .flatten()
            .chain(others.into_iter().flatten())
    });
    let (low, high) = ends.fold((-5.0, 5.0), |(low, high): (f64, f64), end| {
        (low.min(end), high.max(end))
    });
    let room = (high - low) * 0.05;
    (low - room, high + room)
}
