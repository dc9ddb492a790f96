//! Pass rates of a model by round of its improvement.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, NAME_CHARS, card, clean, font, key, nothing, text};
use super::palette::{GRID, INK, MUTED, arm_color};

const HEIGHT: u32 = 400;

/// The pass rates of a model by round, in percent.
#[derive(Debug, Clone, Default)]
pub struct RoundCurves {
    /// The run's name.
    pub name: String,
    /// Each rate's name, and its values by round; round 0 is the base model. A value may be missing.
    pub rates: Vec<(String, Vec<Option<f64>>)>,
    /// The round that was kept.
    pub kept: Option<usize>,
}

/// Draws the rates by round, as SVG.
pub fn draw_round_curves(curves: &RoundCurves) -> String {
    painted(curves).expect("drawing to a string cannot fail")
}

fn painted(curves: &RoundCurves) -> Drawn<String> {
    let title = format!("Dev tasks by round of {}", clean(&curves.name, NAME_CHARS));
    card(HEIGHT, [10, 12], &title, |area| {
        let values = || curves.rates.iter().flat_map(|(_, values)| values).flatten();
        let highest = values()
            .copied()
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        let rounds = curves.rates.iter().map(|(_, values)| values.len()).max();
        let Some(last) = rounds.unwrap_or(0).checked_sub(1) else {
            return nothing(area, "no round was judged");
        };
        legend(area, curves)?;
        let area = area.margin(22, 0, 0, 0);
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(46)
            .y_label_area_size(62)
            .margin_right(14)
            .build_cartesian_2d(
                -0.1..last as f64 + 0.1,
                0.0..(highest * 1.08).clamp(5.0, 100.0),
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(MUTED)
            .x_labels(last + 1)
            .x_label_formatter(&|round| round_name(*round))
            .y_labels(6)
            .y_label_formatter(&|rate| format!("{rate:.0}"))
            .label_style(font(13.0, MUTED))
            .axis_desc_style(font(14.0, INK))
            .x_desc("round")
            .y_desc("tasks passed (%)")
            .draw()?;
        for (index, (_, values)) in curves.rates.iter().enumerate() {
            let color = arm_color(index + 1);
            let points: Vec<(f64, f64)> = values
                .iter()
                .enumerate()
                .filter_map(|(round, value)| Some((round as f64, (*value)?)))
                .collect();
            chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
            let dots = points
                .iter()
                .map(|&point| Circle::new(point, 4, color.filled()));
            chart.draw_series(dots)?;
            let kept = curves.kept.and_then(|kept| points.get(kept));
            chart.draw_series(
                kept.filter(|_| index == 0)
                    .map(|&point| Circle::new(point, 8, color.stroke_width(2))),
            )?;
        }
        Ok(())
    })
}

/// Names a round on the axis; between two rounds there is no name.
fn round_name(at: f64) -> String {
    if (at - at.round()).abs() > 1e-6 {
        return String::new();
    }
    if at.round().abs() < 0.5 {
        return "base model".to_owned();
    }
    format!("{at:.0}")
}

fn legend(area: &Area, curves: &RoundCurves) -> Drawn<()> {
    let names = curves.rates.iter().map(|(name, _)| name.as_str());
    let colors = (1..).map(arm_color);
    let x = key(area, colors.zip(names))?;
    if curves.kept.is_some() && !curves.rates.is_empty() {
        let ring = Circle::new((x + 6, 9), 6, arm_color(1).stroke_width(2));
        area.draw(&ring)?;
        text(area, "kept", (x + 18, 2), 15.0, INK, HPos::Left)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves(values: &[Option<f64>], kept: Option<usize>) -> RoundCurves {
        RoundCurves {
            name: "a <b>".to_owned(),
            rates: vec![
                ("pass@1".to_owned(), values.to_vec()),
                ("pass@16".to_owned(), values.to_vec()),
            ],
            kept,
        }
    }

    #[test]
    fn each_rate_is_a_line_and_the_kept_round_has_a_ring() {
        let svg = draw_round_curves(&curves(&[Some(10.0), Some(12.5), Some(11.0)], Some(1)));
        let document = roxmltree::Document::parse(&svg).expect("XML");
        let count = |tag: &str, name: &str, value: &str| {
            document
                .descendants()
                .filter(|node| node.has_tag_name(tag))
                .filter(|node| {
                    node.attribute(name)
                        .is_some_and(|found| found.eq_ignore_ascii_case(value))
                })
                .count()
        };
        assert_eq!(count("polyline", "stroke", "#0072b2"), 1);
        assert_eq!(count("polyline", "stroke", "#d55e00"), 1);
        assert_eq!(count("circle", "r", "8"), 1);
        assert!(svg.contains("base model"), "{svg}");
    }

    #[test]
    fn odd_rounds_are_drawn_all_the_same() {
        for values in [
            &[][..],
            &[None],
            &[Some(0.0)],
            &[Some(100.0), None, Some(3.0)],
        ] {
            let svg = draw_round_curves(&curves(values, Some(2)));
            roxmltree::Document::parse(&svg).expect("XML");
        }
        let svg = draw_round_curves(&RoundCurves::default());
        roxmltree::Document::parse(&svg).expect("XML");
    }
}
