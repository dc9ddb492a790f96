//! The page of one or several evaluations.

use serde_json::{Map, Value, json};

use super::answers::{Answers, collect};
use super::document::Document;
use super::payload::HtmlError;
use super::run_page::EvaluationPage;
use super::summary;
use crate::number;

/// Renders a page of runs, and returns it with the number of answers whose steps were left out to keep it below about
/// `limit` bytes.
///
/// # Errors
/// The data cannot be compressed.
pub fn evaluation(runs: &[EvaluationPage], limit: usize) -> Result<(String, usize), HtmlError> {
    let Answers {
        index: mut data,
        blocks,
        without_steps,
    } = collect(runs, limit)?;
    let charts: Map<String, Value> = runs
        .iter()
        .enumerate()
        .map(|(at, run)| (format!("charts-{at}"), json!(run.overview.charts)))
        .collect();
    data.insert("charts".to_owned(), Value::Object(charts));
    if without_steps > 0 {
        let note = format!(
            "The trajectories of {} were left out to keep this file below {} MB.",
            number::count(without_steps, "answer"),
            limit / 1_000_000
        );
        data.insert("without_steps".to_owned(), note.into());
    }
    let title = match runs {
        [run] => format!("Evaluation {}", run.info.name),
        runs => format!("{} evaluations", runs.len()),
    };
    let page = Document {
        title: &title,
        body: &summary::of_evaluation(&title, runs, without_steps),
        index: &Value::Object(data),
        blocks: &blocks,
    }
    .render()?;
    Ok((page, without_steps))
}
