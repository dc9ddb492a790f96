//! The points of the loss curve, from a run's log.

use slm_report::LossCurve;

use crate::checkpoint::Best;
use crate::log::LogLine;

/// Collects training loss, validation loss and learning rate by step.
pub(super) fn of(
    (name, unit): (&str, &'static str),
    lines: &[LogLine],
    best: Option<Best>,
) -> LossCurve {
    let mut curve = LossCurve {
        name: name.to_owned(),
        unit,
        best: best.map(|best| (best.step as f64, best.loss)),
        ..LossCurve::default()
    };
    for line in lines {
        match *line {
            LogLine::Step {
                step,
                loss,
                learning_rate,
                ..
            } => {
                curve.training.push((step as f64, loss));
                curve.rate.push((step as f64, learning_rate));
            }
            LogLine::Validation {
                step,
                validation_loss,
                ..
            } => curve.validation.push((step as f64, validation_loss)),
            LogLine::Start { step, loss, .. } => curve.training.push((step as f64, loss)),
        }
    }
    curve
}

#[cfg(test)]
pub(super) mod tests {
    use slm_report::draw_loss_curve;

    use super::*;

    /// The log of a training of this many steps, with a validation every 50 steps.
    pub(in crate::report) fn made_up(steps: usize) -> Vec<LogLine> {
        let mut lines = Vec::new();
        if steps > 0 {
            lines.push(LogLine::Validation {
                step: 0,
                epoch: 0.0,
                validation_loss: 2.15,
                preference: None,
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
                preference: None,
            });
            if step % 50 == 0 {
                lines.push(LogLine::Validation {
                    step,
                    epoch: 2.0 * at,
                    validation_loss: 1.05 + 1.1 * (-4.0 * at).exp() + 0.25 * at * at,
                    preference: None,
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
            let svg = draw_loss_curve(&of(("a <b> & \"c\"", "nats"), &made_up(steps), best));
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
        // Few points are not smoothed, and the only validation is that of the base model.
        assert_eq!(colors(20, None), (owned(&[training, validation]), 0));
    }

    #[test]
    fn odd_logs_are_drawn_all_the_same() {
        for steps in [0, 1, 2, 5000] {
            let svg = draw_loss_curve(&of(("x", "nats"), &made_up(steps), None));
            roxmltree::Document::parse(&svg).expect("XML");
            assert!(svg.len() < 200_000, "{steps} steps: {} bytes", svg.len());
        }
        let flat = |step| LogLine::Validation {
            step,
            epoch: 1.0,
            validation_loss: 0.0,
            preference: None,
        };
        roxmltree::Document::parse(&draw_loss_curve(&of(
            ("x", "nats"),
            &[flat(1), flat(2)],
            None,
        )))
        .expect("XML");
    }
}
