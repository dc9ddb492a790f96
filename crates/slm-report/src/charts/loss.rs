//! The loss curve of a training: losses, and below them the learning rate, by step.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, card, clean, font, key, text};
use super::palette::{BLUE, FAINT_BLUE, GRID, INK, MUTED, VERMILION};

const HEIGHT: u32 = 470;
/// Width of the numbers on the left, the same in both panels so that their steps are aligned.
const LEFT: u32 = 62;
/// Height of the panel with the learning rate, below that with the losses.
const RATE_HEIGHT: i32 = 120;

const TRAINING: RGBColor = BLUE;
const SINGLE_STEPS: RGBColor = FAINT_BLUE;
const VALIDATION: RGBColor = VERMILION;

/// Maximum characters of a training's name in the title.
const NAME_CHARS: usize = 60;

/// With fewer points than this, the curve is not smoothed: each point is visible.
const SMOOTHED_FROM: usize = 30;
/// Decay of the exponential mean.
const SMOOTHING: f64 = 0.9;
/// Maximum number of points; more than the pixels only enlarge the file.
const MOST_POINTS: usize = 1500;

/// The logged values of a training, as pairs of step and value.
#[derive(Debug, Clone, Default)]
pub struct LossCurve {
    /// The training's name.
    pub name: String,
    /// The unit of the losses, as the axis names it.
    pub unit: &'static str,
    /// Training loss.
    pub training: Vec<(f64, f64)>,
    /// Validation loss, in the same unit.
    pub validation: Vec<(f64, f64)>,
    /// Learning rate.
    pub rate: Vec<(f64, f64)>,
    /// The step of the adapter that was kept, and its validation loss.
    pub best: Option<(f64, f64)>,
}

/// Draws training loss, validation loss and learning rate over the steps, as SVG.
pub fn draw_loss_curve(curve: &LossCurve) -> String {
    let curves = Curves::of(curve);
    painted(&curve.name, curve.unit, &curves).expect("drawing to a string cannot fail")
}

/// The points to draw.
struct Curves {
    training: Vec<(f64, f64)>,
    smoothed: Vec<(f64, f64)>,
    validation: Vec<(f64, f64)>,
    rate: Vec<(f64, f64)>,
    best: Option<(f64, f64)>,
}

impl Curves {
    fn of(curve: &LossCurve) -> Self {
        let smoothed = if curve.training.len() < SMOOTHED_FROM {
            curve.training.clone()
        } else {
            smooth(&curve.training)
        };
        Self {
            training: thinned(&curve.training),
            smoothed: thinned(&smoothed),
            validation: thinned(&curve.validation),
            rate: thinned(&curve.rate),
            best: curve.best,
        }
    }

    /// Returns the ranges of steps and losses; `None` if nothing was logged.
    fn ranges(&self) -> Option<[(f64, f64); 2]> {
        let points = || self.training.iter().chain(&self.validation);
        let range = |of: fn(&(f64, f64)) -> f64| {
            points().map(of).filter(|value| value.is_finite()).fold(
                None,
                |range: Option<(f64, f64)>, value| {
                    let (low, high) = range.unwrap_or((value, value));
                    Some((low.min(value), high.max(value)))
                },
            )
        };
        let (first, last) = range(|point| point.0)?;
        let (low, high) = range(|point| point.1)?;
        let room = (0.06 * (high - low)).max(1e-3);
        Some([
            (first, last.max(first + 1.0)),
            ((low - room).max(0.0), high + room),
        ])
    }
}

/// Computes an exponential mean with bias correction, so that it starts at the first value instead of 0.
///
/// # Source
/// Kingma and Ba 2014, arXiv:1412.6980, section 3 (bias correction).
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (mut mean, mut weight) = (0.0, 0.0);
    points
        .iter()
        .map(|&(step, value)| {
            mean = SMOOTHING * mean + (1.0 - SMOOTHING) * value;
            weight = SMOOTHING * weight + (1.0 - SMOOTHING);
            (step, mean / weight)
        })
        .collect()
}

/// Returns at most [`MOST_POINTS`] evenly spaced points, and the last one.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = |(index, point): (usize, &(f64, f64))| {
        (index % every == 0 || index == last).then_some(*point)
    };
    points.iter().enumerate().filter_map(kept).collect()
}

fn painted(name: &str, unit: &str, curves: &Curves) -> Drawn<String> {
    let name: String = name.chars().take(NAME_CHARS).collect();
    let title = format!("Loss of {}", clean(&name, NAME_CHARS));
    card(HEIGHT, [10, 12], &title, |area| {
        let Some([steps, losses]) = curves.ranges() else {
            return text(area, "nothing was logged", (8, 20), 15.0, MUTED, HPos::Left);
        };
        legend(area, curves)?;
        let height = HEIGHT as i32 - 54 - RATE_HEIGHT;
        let (upper, lower) = area.margin(22, 0, 0, 0).split_vertically(height - 22);
        draw_losses(&upper, (curves, unit), steps, losses)?;
        draw_rate(&lower, curves, steps)
    })
}

fn draw_losses(
    area: &Area,
    (curves, unit): (&Curves, &str),
    x: (f64, f64),
    y: (f64, f64),
) -> Drawn<()> {
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(8)
        .y_label_area_size(LEFT)
        .margin_right(14)
        .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(0)
        .y_labels(7)
        .y_label_formatter(&|loss| short(*loss))
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .y_desc(unit)
        .draw()?;
    if curves.training.len() >= SMOOTHED_FROM {
        let points = curves.training.iter().copied();
        chart.draw_series(LineSeries::new(points, SINGLE_STEPS.stroke_width(1)))?;
    }
    let points = curves.smoothed.iter().copied();
    chart.draw_series(LineSeries::new(points, TRAINING.stroke_width(2)))?;
    if curves.training.len() == 1 {
        let points = curves.training.iter();
        chart.draw_series(points.map(|&point| Circle::new(point, 3, TRAINING.filled())))?;
    }
    let points = curves.validation.iter().copied();
    chart.draw_series(LineSeries::new(points, VALIDATION.stroke_width(2)))?;
    if curves.validation.len() <= 60 {
        let points = curves.validation.iter();
        chart.draw_series(points.map(|&point| Circle::new(point, 3, VALIDATION.filled())))?;
    }
    let best = curves.best.iter();
    chart.draw_series(best.map(|&point| Circle::new(point, 7, VALIDATION.stroke_width(2))))?;
    Ok(())
}

fn draw_rate(area: &Area, curves: &Curves, x: (f64, f64)) -> Drawn<()> {
    let highest = curves.rate.iter().map(|point| point.1).fold(0.0, f64::max);
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .x_label_area_size(46)
        .y_label_area_size(LEFT)
        .margin_right(14)
        .margin_top(6)
        .build_cartesian_2d(x.0..x.1, 0.0..highest * 1.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(9)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_labels(3)
        .y_label_formatter(&|rate| {
            if rate.abs() < f64::EPSILON {
                "0".to_owned()
            } else {
                format!("{rate:.0e}")
            }
        })
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .x_desc("step")
        .y_desc("rate")
        .draw()?;
    let points = curves.rate.iter().copied();
    chart.draw_series(LineSeries::new(points, MUTED.stroke_width(2)))?;
    Ok(())
}

/// Draws the curves' names in a row.
fn legend(area: &Area, curves: &Curves) -> Drawn<()> {
    let training = if curves.training.len() < SMOOTHED_FROM {
        "training"
    } else {
        "training, smoothed over single steps"
    };
    let mut entries = vec![(TRAINING, training)];
    if !curves.validation.is_empty() {
        entries.push((VALIDATION, "validation"));
    }
    let x = key(area, entries)?;
    if curves.best.is_some() {
        let ring = Circle::new((x + 6, 9), 6, VALIDATION.stroke_width(2));
        area.draw(&ring)?;
        text(area, "lowest", (x + 18, 2), 15.0, INK, HPos::Left)?;
    }
    Ok(())
}

/// Formats a loss with enough digits to distinguish neighbours on the axis.
fn short(loss: f64) -> String {
    let text = format!("{loss:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{MOST_POINTS, smooth, thinned};

    #[test]
    fn the_smoothed_curve_begins_at_the_first_loss_and_follows_a_level() {
        let points: Vec<(f64, f64)> = (0..50).map(|i| (f64::from(i), 3.0)).collect();
        for (_, value) in smooth(&points) {
            assert!((value - 3.0).abs() < 1e-12);
        }
        let step: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i), f64::from(u8::from(i >= 25))))
            .collect();
        let smoothed = smooth(&step);
        assert!(smoothed[24].1.abs() < 1e-12 && smoothed[49].1 > 0.9);
    }

    #[test]
    fn thinning_keeps_the_ends() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 0.0)).collect();
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_POINTS + 1);
        let last = kept.last().map(|point| point.0);
        assert_eq!((kept[0].0, last), (0.0, Some(9999.0)));
    }
}
