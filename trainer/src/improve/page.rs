//! The report on all rounds as one HTML file, made of the document of `--json`, which `improve.json` keeps.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use slm_report::html::{Chart, Line, TrainingPage, training};

use crate::folder::replace_file;

/// File name of the page.
pub(crate) const PAGE_FILE: &str = "improve-report.html";

/// File name of the document that it is made of.
const DOCUMENT_FILE: &str = "improve.json";

/// Whether the folder holds a finished improvement.
pub(crate) fn is_folder(folder: &Path) -> bool {
    folder.join(DOCUMENT_FILE).is_file()
}

/// Returns the page of the improvement in a folder; `None` if the folder holds none.
///
/// # Errors
/// The document cannot be read.
pub(crate) fn page(folder: &Path) -> Result<Option<String>> {
    if !is_folder(folder) {
        return Ok(None);
    }
    let path = folder.join(DOCUMENT_FILE);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = serde_json::from_slice(&text)
        .with_context(|| format!("{}: not the document of an improvement", path.display()))?;
    let recipe = std::fs::read_to_string(folder.join("recipe.yaml")).unwrap_or_default();
    render(&document, &recipe).map(Some)
}

/// Writes the document and its page.
///
/// # Errors
/// The disk is full or not writable.
pub(super) fn write(folder: &Path, document: &str, recipe: &str) -> Result<()> {
    replace_file(folder, DOCUMENT_FILE, document)?;
    let page = render(&serde_json::from_str(document)?, recipe)?;
    replace_file(folder, PAGE_FILE, &page)
}

/// Renders the page of a document.
fn render(document: &Value, recipe: &str) -> Result<String> {
    let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    let rounds = document["rounds"].as_array().map_or(&[][..], Vec::as_slice);
    let verdict = if document["beats_base"] == true {
        "its pass@1 on the dev tasks is higher than the base model's"
    } else {
        "no round beat the base model on the dev tasks"
    };
    let best = document["best_round"].as_u64().unwrap_or_default();
    let kept = rounds.iter().find(|round| round["round"] == best);
    let cards = vec![
        (
            "Kept".to_owned(),
            format!("round {best} of {}", rounds.len()),
            verdict.to_owned(),
        ),
        (
            "pass@1, greedy".to_owned(),
            format!(
                "{} to {}",
                percent(&document["base"]["pass_1"]),
                percent(&kept.map_or(Value::Null, |round| round["dev"]["pass_1"].clone()))
            ),
            format!(
                "base model and kept round, on {} dev tasks",
                document["dev_tasks"]
            ),
        ),
        (
            "Time".to_owned(),
            text("total_time"),
            format!("{} tasks to learn from", document["train_tasks"]),
        ),
    ];
    let page = TrainingPage {
        title: format!("Improvement {}", text("name")),
        subtitle: format!("ended: {}", text("stop")),
        cards,
        charts: charts(document, rounds),
        tables: vec![rounds_table(rounds), times_table(document)],
        examples: Vec::new(),
        facts: vec![
            ("adapter".to_owned(), text("adapter")),
            ("tasks left out".to_owned(), text("left_out")),
            ("evaluate it with".to_owned(), text("evaluate_command")),
        ],
        recipe: recipe.to_owned(),
    };
    Ok(training(&page)?)
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "–".to_owned(), |value| format!("{value:.1} %"))
}

fn charts(document: &Value, rounds: &[Value]) -> Vec<Chart> {
    let curve = |name: String, key: &str| {
        let base = std::iter::once((0.0, &document["base"][key]));
        let numbered = rounds.iter().zip(1_u32..);
        let of_rounds = numbered.map(|(round, number)| (f64::from(number), &round["dev"][key]));
        let points = base.chain(of_rounds);
        let points = points.filter_map(|(round, value)| Some((round, value.as_f64()?)));
        Line {
            name,
            points: points.collect(),
            faint: false,
        }
    };
    let k = |key: &str| document["ks"][key].as_u64().unwrap_or_default();
    let mut rates = vec![
        curve("pass@1, greedy".to_owned(), "pass_1"),
        curve("pass@1".to_owned(), "sampled_pass_1"),
        curve(format!("pass@{}", k("small")), "pass_k_small"),
        curve(format!("pass@{}", k("large")), "pass_k_large"),
    ];
    rates.dedup_by(|a, b| a.name == b.name);
    let chart = |title: &str, y: &str, digits: usize, series: Vec<Line>| Chart::Lines {
        title: title.to_owned(),
        x: "round; 0 is the base model".to_owned(),
        y: y.to_owned(),
        digits,
        series,
    };
    vec![
        chart("Pass rates on the dev tasks", "%", 1, rates),
        chart(
            "Maintainability index of programs that pass, code alone",
            "mi_code",
            1,
            vec![curve("mi_code".to_owned(), "mi_code")],
        ),
        chart(
            "Cognitive complexity of programs that pass",
            "cognitive complexity",
            2,
            vec![curve(
                "cognitive complexity".to_owned(),
                "cognitive_complexity",
            )],
        ),
    ]
}

fn rounds_table(rounds: &[Value]) -> (String, Vec<String>, Vec<Vec<String>>) {
    let head = [
        "round",
        "answers",
        "passed",
        "tasks solved",
        "of them new",
        "rows",
        "pass@1 on dev",
        "kept",
    ];
    let number = |value: &Value| {
        value
            .as_u64()
            .map_or_else(|| "–".to_owned(), |n| n.to_string())
    };
    let rows = rounds.iter().map(|round| {
        let of = |key: &str| number(&round[key]);
        vec![
            of("round"),
            of("answers"),
            of("passed"),
            of("solved"),
            of("new"),
            number(&round["data"]["rows"]),
            percent(&round["dev"]["pass_1"]),
            if round["kept"] == true { "yes" } else { "" }.to_owned(),
        ]
    });
    (
        "Rounds".to_owned(),
        head.map(str::to_owned).to_vec(),
        rows.collect(),
    )
}

fn times_table(document: &Value) -> (String, Vec<String>, Vec<Vec<String>>) {
    let head = ["round", "stage", "time"].map(str::to_owned).to_vec();
    let stages = document["stages"].as_array().into_iter().flatten();
    let rows = stages.map(|stage| {
        let word = |key: &str| stage[key].as_str().unwrap_or_default().to_owned();
        vec![stage["round"].to_string(), word("stage"), word("time")]
    });
    ("Time of each stage".to_owned(), head, rows.collect())
}
