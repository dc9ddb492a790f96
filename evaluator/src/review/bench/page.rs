//! The figures of reviewers as text.

use std::fmt::Write as _;

use slm_cli::text_table;
use slm_metrics::syntax::MutationKind;

use super::figures::{Document, Figures, Rate};
use slm_artifacts::counted;

/// Renders the figures.
pub(super) fn page(document: &Document) -> String {
    let mut text = format!(
        "{} in {} of {} (seed {}); {} of {} candidates are noticed by no test\n",
        counted(document.faults, "fault"),
        counted(document.functions, "function"),
        document.tasks,
        document.seed,
        document.candidates_unnoticed,
        document.candidates_tested,
    );
    for (reason, n) in &document.left_out {
        let _ = writeln!(text, "left out: {}, {reason}", counted(*n, "task"));
    }
    let model = document.model.as_ref();
    let mut header = vec!["", "faults", "static rules"];
    if model.is_some() {
        header.push("model");
    }
    let reviewers: Vec<&Figures> = std::iter::once(&document.static_rules)
        .chain(model.map(|of| &of.figures))
        .collect();
    let row = |title: &str, of: fn(&Figures, &str) -> Rate| {
        let rates: Vec<Rate> = reviewers.iter().map(|figures| of(figures, title)).collect();
        let mut row = vec![title.to_owned(), rates[0].of.to_string()];
        row.extend(rates.iter().map(shown));
        row
    };
    let mut rows: Vec<Vec<String>> = MutationKind::REVIEW
        .iter()
        .map(|kind| row(kind.name(), |figures, kind| figures.recall_by_kind[kind]))
        .collect();
    rows.push(row("all faults", |figures, _| figures.recall));
    rows.push(row("no fault", |figures, _| figures.false_alarms));
    let _ = write!(text, "\n{}", text_table(&header, &rows));
    text.push_str(
        "\nOf faults: those whose line is named, in %, with Wilson's 95 % interval, which takes faults of one task as \
         independent. No fault: functions in which any line is named.\n",
    );
    let _ = writeln!(
        text,
        "A review of files would show {} of the functions with a fault to the model: those with a static finding or a high \
         cognitive complexity. Here it sees all.",
        document.faults_flagged
    );
    match model {
        None => text.push_str(
            "static rules alone\nhint: name a model with --recipe RECIPE or --adapter FOLDER",
        ),
        Some(of) => {
            let percent = |value: Option<f64>| {
                value.map_or_else(|| "none".to_owned(), |of| format!("{:.1}", 100.0 * of))
            };
            let interval = of.less_random_lines_interval.map_or_else(
                || "no interval: too few tasks, or the same difference on every one".to_owned(),
                |of| {
                    format!(
                        "95 % interval {:+.1} to {:+.1}",
                        100.0 * of.low,
                        100.0 * of.high
                    )
                },
            );
            let _ = write!(
                text,
                "As many random lines of the same bodies would name {} % of the faults' lines; the model's recall less that, mean \
                 over tasks: {} points, {interval}.",
                percent(of.random_lines_recall),
                percent(of.less_random_lines),
            );
            for (reason, n) in &of.not_shown {
                let _ = write!(text, "\nnot counted: {n} {reason}");
            }
        }
    }
    text
}

fn shown(rate: &Rate) -> String {
    match rate.interval {
        None => "-".to_owned(),
        Some(interval) => format!(
            "{:.1} ({:.1} to {:.1})",
            100.0 * rate.count as f64 / rate.of as f64,
            100.0 * interval.low,
            100.0 * interval.high
        ),
    }
}
