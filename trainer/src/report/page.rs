//! The report on a training as one HTML file: `training-report.html`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use slm_artifacts::TrainingSummary;
use slm_cli::{bytes_text, duration_text};
use slm_config::{Costs, Recipe};
use slm_report::WorkCost;
use slm_report::html::{Chart, Line, TrainingPage, training};

use super::examples;
use crate::log::{LogLine, speed};

/// Renders the page of a training from its folder; `summary` is `None` before its end.
///
/// # Errors
/// The page cannot be encoded.
pub(crate) fn render(
    run: &Path,
    name: &str,
    summary: Option<&TrainingSummary>,
    lines: &[LogLine],
    recipe_yaml: &str,
) -> Result<String> {
    let prices = Recipe::parse(
        recipe_yaml,
        Path::new("recipe.yaml"),
        &[],
        slm_benchmarks::NAMES,
    );
    let prices = prices.ok().map(|recipe| recipe.costs);
    let page = TrainingPage {
        title: format!("Training {name}"),
        subtitle: summary.map_or_else(|| "not finished".to_owned(), subtitle),
        cards: cards(summary, lines),
        charts: charts(run, lines),
        tables: summary.map(data_table).into_iter().collect(),
        examples: examples::read(run),
        facts: summary.map_or_else(Vec::new, |of| facts(of, prices.as_ref())),
        recipe: recipe_yaml.to_owned(),
    };
    Ok(training(&page)?)
}

fn subtitle(summary: &TrainingSummary) -> String {
    format!(
        "{} steps on a set of {} examples, in {} on {}",
        summary.steps,
        summary.examples,
        duration_text(Duration::try_from_secs_f64(summary.seconds).unwrap_or_default()),
        summary.device
    )
}

fn cards(summary: Option<&TrainingSummary>, lines: &[LogLine]) -> Vec<(String, String, String)> {
    let card = |name: &str, value: String, remark: String| (name.to_owned(), value, remark);
    let mut cards = Vec::new();
    let validations: Vec<(usize, f64)> = lines.iter().filter_map(validation).collect();
    let lowest = validations.iter().filter(|(step, _)| *step > 0);
    let lowest = lowest.min_by(|a, b| a.1.total_cmp(&b.1));
    match (validations.first().filter(|(step, _)| *step == 0), lowest) {
        (Some((_, before)), Some((step, best))) => cards.push(card(
            "Validation loss",
            format!("{before:.4} to {best:.4}"),
            format!("before the first step, and the lowest, after step {step}"),
        )),
        _ => cards.push(card(
            "Validation loss",
            "none".to_owned(),
            "no validation was logged after a step".to_owned(),
        )),
    }
    let training: Vec<(usize, f64)> = lines.iter().filter_map(loss).collect();
    if let (Some((_, first)), Some((step, last))) = (training.first(), training.last()) {
        cards.push(card(
            "Training loss",
            format!("{first:.4} to {last:.4}"),
            format!("first and last of the log, at step {step}"),
        ));
    }
    if let Some(summary) = summary {
        cards.push(card(
            "Speed",
            format!(
                "{:.0} tokens/s",
                summary.tokens as f64 / summary.seconds.max(1e-9)
            ),
            format!(
                "{} tokens, with validations and checkpoints",
                summary.tokens
            ),
        ));
        cards.push(card(
            "Peak memory",
            summary
                .peak_memory_bytes
                .map_or_else(|| "unknown".to_owned(), bytes_text),
            format!("{} trainable parameters", summary.trainable_parameters),
        ));
    }
    cards
}

fn validation(line: &LogLine) -> Option<(usize, f64)> {
    match *line {
        LogLine::Validation {
            step,
            validation_loss,
            ..
        } => Some((step, validation_loss)),
        LogLine::Step { .. } | LogLine::Start { .. } => None,
    }
}

fn loss(line: &LogLine) -> Option<(usize, f64)> {
    match *line {
        LogLine::Step { step, loss, .. } | LogLine::Start { step, loss, .. } => Some((step, loss)),
        LogLine::Validation { .. } => None,
    }
}

fn charts(run: &Path, lines: &[LogLine]) -> Vec<Chart> {
    let of = |value: fn(&LogLine) -> Option<(usize, f64)>| -> Vec<(f64, f64)> {
        let points = lines.iter().filter_map(value);
        points.map(|(step, value)| (step as f64, value)).collect()
    };
    let curve = |name: &str, points: Vec<(f64, f64)>, faint: bool| Line {
        name: name.to_owned(),
        points,
        faint,
    };
    let step = |line: &LogLine| match *line {
        LogLine::Step {
            step,
            learning_rate,
            grad_norm,
            ..
        } => Some((step, learning_rate, grad_norm)),
        LogLine::Start { .. } | LogLine::Validation { .. } => None,
    };
    let steps: Vec<(usize, f64, f64)> = lines.iter().filter_map(step).collect();
    let rate = steps.iter().map(|of| (of.0 as f64, of.1)).collect();
    let norms = steps.iter().map(|of| (of.0 as f64, of.2)).collect();
    let plot = |title: &str, y: &str, digits: usize, series: Vec<Line>| Chart::Lines {
        title: title.to_owned(),
        x: "optimizer steps".to_owned(),
        y: y.to_owned(),
        digits,
        series,
    };
    let losses = vec![
        curve("training", of(loss), true),
        curve("validation", of(validation), false),
    ];
    let all = [
        plot("Loss", "loss", 4, losses),
        plot(
            "Learning rate",
            "learning rate",
            7,
            vec![curve("learning rate", rate, false)],
        ),
        plot(
            "Speed",
            "tokens/s",
            0,
            vec![curve("tokens/s", speed::rates(&speed::read(run)), true)],
        ),
        plot(
            "Norm of the gradients, before clipping",
            "norm",
            3,
            vec![curve("norm", norms, true)],
        ),
    ];
    let without_points = |mut chart: Chart| {
        if let Chart::Lines { series, .. } = &mut chart {
            series.retain(|line| !line.points.is_empty());
            series.first()?;
        }
        Some(chart)
    };
    all.into_iter().filter_map(without_points).collect()
}

fn data_table(summary: &TrainingSummary) -> (String, Vec<String>, Vec<Vec<String>>) {
    let head = ["data set", "found", "kept", "left out or cut"].map(str::to_owned);
    let rows = summary.data.iter().map(|counts| {
        let left_out = counts.left_out_text();
        vec![
            counts.path.clone(),
            counts.found_text(),
            counts.kept.to_string(),
            left_out.unwrap_or_else(|| "nothing".to_owned()),
        ]
    });
    ("Data".to_owned(), head.to_vec(), rows.collect())
}

fn facts(summary: &TrainingSummary, prices: Option<&Costs>) -> Vec<(String, String)> {
    let cost = WorkCost::of(summary.seconds, summary.energy.as_ref(), prices);
    let mut facts = vec![
        ("energy".to_owned(), cost.text(prices)),
        ("device".to_owned(), summary.device.clone()),
        (
            "base model".to_owned(),
            format!("SHA-256 {}", summary.base_sha256),
        ),
        (
            "tokens".to_owned(),
            format!(
                "{}, {} of them supervised",
                summary.tokens, summary.supervised_tokens
            ),
        ),
        ("slm-lora".to_owned(), summary.project_version.clone()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    if let Some(start) = &summary.init_from {
        facts.push(("started from".to_owned(), start.path.clone()));
    }
    for source in &summary.sources {
        facts.push((
            "from the hub".to_owned(),
            format!("{} at {}", source.repository, source.commit),
        ));
    }
    facts
}
