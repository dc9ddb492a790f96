//! The loss curve: an SVG with a light card of its own, so that it reads on light and dark pages alike.
//!
//! The trainer's only importer of plotters.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::checkpoint::Best;
use crate::log::LogLine;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T> = Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// What GitHub shows without scaling down, in pixels.
const WIDTH: u32 = 860;
const HEIGHT: u32 = 470;
/// Of the panel with the learning rate, below that with the losses.
const RATE_HEIGHT: i32 = 120;
/// Room for the numbers on the left, the same in both panels so that steps stand below each other.
const LEFT: u32 = 62;

const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe6);
const CARD: RGBColor = RGBColor(0xff, 0xff, 0xff);
const BORDER: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);
/// Two of Okabe and Ito's colours, told apart by colour-blind readers, and a shade of the first.
const TRAINING: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const SINGLE_STEPS: RGBColor = RGBColor(0xa9, 0xcf, 0xe6);
const VALIDATION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);

/// Fewer points than this are not smoothed: each can be seen.
const SMOOTHED_FROM: usize = 30;
/// What the smoothed curve keeps of its last value.
const SMOOTHING: f64 = 0.9;
/// More points than pixels only make the file larger.
const MOST_POINTS: usize = 1500;

/// The points of a run's log, each with its step.
struct Curves {
    training: Vec<(f64, f64)>,
    smoothed: Vec<(f64, f64)>,
    validation: Vec<(f64, f64)>,
    rate: Vec<(f64, f64)>,
    /// The step of the adapter that is kept, and its validation loss.
    best: Option<(f64, f64)>,
}

/// Training loss, validation loss and learning rate over the steps.
pub(super) fn draw(name: &str, lines: &[LogLine], best: Option<Best>) -> String {
    let curves = Curves::of(lines, best);
    painted(name, &curves).expect("a string takes whatever is drawn")
}

impl Curves {
    fn of(lines: &[LogLine], best: Option<Best>) -> Self {
        let (mut training, mut validation, mut rate) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            match *line {
                LogLine::Step {
                    step,
                    loss,
                    learning_rate,
                    ..
                } => {
                    training.push((step as f64, loss));
                    rate.push((step as f64, learning_rate));
                }
                LogLine::Validation {
                    step,
                    validation_loss,
                    ..
                } => validation.push((step as f64, validation_loss)),
                LogLine::Start { step, loss, .. } => training.push((step as f64, loss)),
            }
        }
        let smoothed = if training.len() < SMOOTHED_FROM {
            training.clone()
        } else {
            smooth(&training)
        };
        Self {
            training: thinned(training),
            smoothed: thinned(smoothed),
            validation: thinned(validation),
            rate: thinned(rate),
            best: best.map(|best| (best.step as f64, best.loss)),
        }
    }

    /// Ranges of steps and losses; `None` if nothing was logged.
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

/// An exponential mean that begins with the first values and not with zero.
///
/// # Source
/// Kingma and Ba 2014, arXiv:1412.6980, section 3: the correction of the bias.
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

/// At most [`MOST_POINTS`] of the points, the last one among them.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = |(index, point): (usize, (f64, f64))| {
        (index % every == 0 || index == last).then_some(point)
    };
    points.into_iter().enumerate().filter_map(kept).collect()
}

fn painted(name: &str, curves: &Curves) -> Drawn<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        root.fill(&CARD)?;
        let corner = (WIDTH as i32 - 1, HEIGHT as i32 - 1);
        root.draw(&Rectangle::new([(0, 0), corner], BORDER.stroke_width(1)))?;
        let title = format!("Loss of {}", clean(name));
        text(&root, &title, (20, 14), 18.0, INK)?;
        let area = root.margin(44, 10, 12, 20);
        if let Some([steps, losses]) = curves.ranges() {
            legend(&area, curves)?;
            let height = HEIGHT as i32 - 54 - RATE_HEIGHT;
            let (upper, lower) = area.margin(22, 0, 0, 0).split_vertically(height - 22);
            draw_losses(&upper, curves, steps, losses)?;
            draw_rate(&lower, curves, steps)?;
        } else {
            text(&area, "nothing was logged", (8, 20), 15.0, MUTED)?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_losses(area: &Area, curves: &Curves, x: (f64, f64), y: (f64, f64)) -> Drawn<()> {
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
        .y_desc("nats a learned token")
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

/// The curves by name, in a row.
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
    let mut x = 8;
    for (color, name) in entries {
        area.draw(&Rectangle::new([(x, 3), (x + 12, 15)], color.filled()))?;
        text(area, name, (x + 18, 2), 15.0, INK)?;
        // No font is measured here; this is wide enough for common sans-serif fonts.
        x += 18 + 8 * name.len() as i32 + 22;
    }
    if curves.best.is_some() {
        let ring = Circle::new((x + 6, 9), 6, VALIDATION.stroke_width(2));
        area.draw(&ring)?;
        text(area, "lowest", (x + 18, 2), 15.0, INK)?;
    }
    Ok(())
}

/// A loss with as many digits as tell neighbours on the axis apart.
fn short(loss: f64) -> String {
    let text = format!("{loss:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One line of text whose upper left corner is at `at`.
fn text(area: &Area, text: &str, at: (i32, i32), size: f64, color: RGBColor) -> Drawn<()> {
    let style = font(size, color).pos(Pos::new(HPos::Left, VPos::Top));
    area.draw(&Text::new(text.to_owned(), at, style))
}

/// The style of text in this size, in CSS pixels.
fn font(size: f64, color: RGBColor) -> TextStyle<'static> {
    // plotters writes a font size smaller by this factor into the SVG.
    ("sans-serif", size * 1.24).into_font().color(&color)
}

/// A name as a picture can show it: XML has no control characters, and space is short.
fn clean(name: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().take(60).map(visible).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A log as a training of this many steps leaves it, with a validation every fifty.
    pub(in crate::report) fn made_up(steps: usize) -> Vec<LogLine> {
        let mut lines = Vec::new();
        if steps > 0 {
            lines.push(LogLine::Validation {
                step: 0,
                epoch: 0.0,
                validation_loss: 2.15,
            });
            lines.push(LogLine::Start {
                step: 0,
                epoch: 0.0,
                loss: 2.2,
            });
        }
        for step in 1..=steps {
            let at = step as f64 / steps as f64;
            let wobble = 0.2 * (step as f64 * 1.7).sin() * (step as f64 * 0.6).cos();
            lines.push(LogLine::Step {
                step,
                epoch: 2.0 * at,
                loss: 0.9 + 1.3 * (-4.0 * at).exp() + wobble * (1.2 - at),
                learning_rate: 2e-4 * (at * 30.0).min(1.0) * (1.0 - at),
                grad_norm: 0.5 + wobble.abs(),
                tokens: 4096 * step,
            });
            if step % 50 == 0 {
                lines.push(LogLine::Validation {
                    step,
                    epoch: 2.0 * at,
                    validation_loss: 1.05 + 1.1 * (-4.0 * at).exp() + 0.25 * at * at,
                });
            }
        }
        lines
    }

    #[test]
    fn a_picture_is_xml_with_a_curve_for_each_kind_of_line() {
        let best = Some(Best {
            step: 300,
            loss: 1.2,
        });
        let colors = |steps, best| {
            let svg = draw("a <b> & \"c\"", &made_up(steps), best);
            let document = roxmltree::Document::parse(&svg).expect("XML");
            let curves = document
                .descendants()
                .filter(|node| node.has_tag_name("polyline"))
                .filter_map(|node| Some(node.attribute("stroke")?.to_lowercase()))
                .filter(|stroke| stroke != "#59636e" && stroke != "#dde1e6");
            let mut colors: Vec<String> = curves.collect();
            colors.dedup();
            let rings = document
                .descendants()
                .filter(|node| node.attribute("r") == Some("7"))
                .count();
            (colors, rings)
        };
        let (single, training, validation) = ("#a9cfe6", "#0072b2", "#d55e00");
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            colors(400, best),
            (owned(&[single, training, validation]), 1)
        );
        // A few points are not smoothed, and the only validation is the base model's.
        assert_eq!(colors(20, None), (owned(&[training, validation]), 0));
    }

    #[test]
    fn odd_logs_are_drawn_all_the_same() {
        for steps in [0, 1, 2, 5000] {
            let svg = draw("x", &made_up(steps), None);
            roxmltree::Document::parse(&svg).expect("XML");
            assert!(svg.len() < 200_000, "{steps} steps: {} bytes", svg.len());
        }
        let flat = |step| LogLine::Validation {
            step,
            epoch: 1.0,
            validation_loss: 0.0,
        };
        roxmltree::Document::parse(&draw("x", &[flat(1), flat(2)], None)).expect("XML");
    }

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
        let kept = thinned(points);
        assert!(kept.len() <= MOST_POINTS + 1);
        let last = kept.last().map(|point| point.0);
        assert_eq!((kept[0].0, last), (0.0, Some(9999.0)));
    }
}
