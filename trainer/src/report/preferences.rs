//! The figures of a preference objective, from a run's log.

use serde::Serialize;
use slm_artifacts::{HeldOutPreferences, PreferenceFigures};
use slm_config::{Objective, Recipe, Train};

use crate::log::LogLine;

/// Most rows of a table; of more lines, evenly spaced ones and the last are shown.
const MOST_ROWS: usize = 12;

/// The tables of a report.
#[derive(Debug, Serialize)]
pub(super) struct Preferences {
    /// The word for several units.
    units: &'static str,
    /// The word for the better answers.
    chosen: &'static str,
    /// The word for the others.
    rejected: &'static str,
    parts: [Part; 2],
    /// How often the kept adapter is right on the held-out units; `None` without any.
    right: Option<String>,
    /// The comparison with guessing; `None` without any or if all are ties.
    verdict: Option<String>,
    /// Whether the kept step is that with the lowest loss on the same units.
    chosen_on_them: bool,
}

/// The figures by step of one kind of examples.
#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Row {
    step: usize,
    loss: f64,
    figures: PreferenceFigures,
}

/// Collects the figures; `None` for `sft`.
pub(super) fn of(
    recipe: &Recipe,
    held_out: Option<&HeldOutPreferences>,
    lines: &[LogLine],
) -> Option<Preferences> {
    let (units, chosen, rejected) = match recipe.train.objective {
        Objective::Sft => return None,
        Objective::Dpo | Objective::Orpo | Objective::Simpo => ("pairs", "chosen", "rejected"),
        Objective::Kto => ("answers", "wanted", "unwanted"),
    };
    let (mut training, mut validation) = (Vec::new(), Vec::new());
    for line in lines {
        match *line {
            LogLine::Step {
                step,
                loss,
                preference: Some(figures),
                ..
            } => training.push(Row {
                step,
                loss,
                figures,
            }),
            LogLine::Validation {
                step,
                validation_loss: loss,
                preference: Some(figures),
                ..
            } => validation.push(Row {
                step,
                loss,
                figures,
            }),
            LogLine::Step { .. } | LogLine::Validation { .. } | LogLine::Start { .. } => {}
        }
    }
    let part = |name, rows: Vec<Row>| Part {
        name,
        rows: spaced(&rows),
    };
    Some(Preferences {
        units,
        chosen,
        rejected,
        parts: [part("Held out", validation), part("Training", training)],
        right: held_out.map(|found| found.text(&format!("held-out {units}"))),
        verdict: held_out.and_then(HeldOutPreferences::verdict),
        chosen_on_them: recipe.train.load_best_model_at_end,
    })
}

/// Names the objective with its settings; `None` for `sft`.
pub(super) fn objective_text(train: &Train) -> Option<String> {
    let (name, beta) = (train.objective.name(), train.beta);
    let settings = match train.objective {
        Objective::Sft => return None,
        Objective::Dpo => format!("sft_weight {}", train.sft_weight),
        Objective::Orpo => return Some(format!("{name}, beta {beta}")),
        Objective::Kto => format!(
            "weights {} wanted and {} unwanted",
            train.desirable_weight, train.undesirable_weight
        ),
        Objective::Simpo => format!("gamma {}", train.simpo_gamma),
    };
    Some(format!("{name}, beta {beta}, {settings}"))
}

/// Returns at most [`MOST_ROWS`] rows, evenly spaced, with the first and the last.
fn spaced(rows: &[Row]) -> Vec<Row> {
    let n = rows.len();
    if n <= MOST_ROWS {
        return rows.to_vec();
    }
    let at = |k: usize| rows[k * (n - 1) / (MOST_ROWS - 1)];
    (0..MOST_ROWS).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_rows_the_first_and_the_last_are_shown() {
        let row = |step| Row {
            step,
            loss: 0.5,
            figures: PreferenceFigures {
                accuracy: 1.0,
                reward_margin: None,
                chosen: None,
                rejected: None,
            },
        };
        let rows: Vec<Row> = (0..100).map(row).collect();
        let steps: Vec<usize> = spaced(&rows).iter().map(|row| row.step).collect();
        assert_eq!((steps.len(), steps[0], steps[11]), (MOST_ROWS, 0, 99));
        assert_eq!(spaced(&rows[..3]).len(), 3);
    }
}
