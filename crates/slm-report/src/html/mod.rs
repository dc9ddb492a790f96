//! The same results as one HTML file that can be mailed: verdicts, charts, and every answer with its steps.
//!
//! The file needs no network and no other file. A policy in its head forbids every request, and every script but the
//! viewer's own, by its hash; texts of models are data, never markup. The summary is readable without a script. What the
//! viewer shows is embedded as JSON, compressed in blocks that a browser reads when they are needed.
//!
//! `viewer/` has the script and the style, which no build step touches; `document` joins the parts.

mod answers;
mod chart;
mod document;
mod escape;
mod evaluation;
mod evaluation_charts;
mod overview;
mod payload;
mod run_page;
mod steps;
mod summary;

pub use chart::{Bar, Chart, ForestGroup, ForestRow, GridCell, Line, Point, TaskValue};
pub use evaluation::evaluation;
pub use overview::Overview;
pub use payload::HtmlError;
pub use run_page::EvaluationPage;
pub use steps::{Part, Step, StepKind, Tone};

pub(crate) use overview::overview;

use document::Document;
use serde_json::json;

/// The page of a training or of its rounds.
#[derive(Debug, Clone, Default)]
pub struct TrainingPage {
    /// The title.
    pub title: String,
    /// One sentence on what was done.
    pub subtitle: String,
    /// The most important results: what it is, the value, and a remark.
    pub cards: Vec<(String, String, String)>,
    /// Curves.
    pub charts: Vec<Chart>,
    /// Tables, each with a title, a header and rows.
    pub tables: Vec<(String, Vec<String>, Vec<Vec<String>>)>,
    /// Examples of the data: a title, and its parts with whether each is supervised.
    pub examples: Vec<(String, Vec<(String, bool)>)>,
    /// Settings and provenance.
    pub facts: Vec<(String, String)>,
    /// The recipe with all its defaults, YAML.
    pub recipe: String,
}

/// Renders the page of a training.
///
/// # Errors
/// The data cannot be compressed.
pub fn training(page: &TrainingPage) -> Result<String, HtmlError> {
    let index = json!({"kind": "training", "charts": {"charts": page.charts}, "runs": []});
    Document {
        title: &page.title,
        body: &summary::of_training(page),
        index: &index,
        blocks: &[],
    }
    .render()
}
