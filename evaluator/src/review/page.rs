//! A review as text.

use std::fmt::Write as _;

use slm_cli::text_table;
use slm_report::diff::{DiffLine, diff_lines};

use super::shown::{Review, ShownFile, ShownFinding, ShownRewrite, Source};
use super::subject::MOST_COMPLEXITY;
use crate::quality::word;
use slm_artifacts::counted;

/// Unchanged lines around each change.
const CONTEXT: usize = 2;

/// Renders the findings, one per line as compilers print errors, the rewritten functions as differences, and the counts.
pub(super) fn page(review: &Review) -> String {
    let mut text = String::new();
    for file in &review.files {
        text.push_str(&of_file(file));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let count = |source| -> usize {
        let files = review.files.iter();
        files
            .map(|file| {
                file.findings
                    .iter()
                    .filter(|of| of.source == source)
                    .count()
            })
            .sum()
    };
    let unparsed = count(Source::Parser);
    let _ = writeln!(
        text,
        "{} of static rules in {}{}",
        counted(count(Source::Static), "finding"),
        slm_artifacts::counted(review.files.len(), "file"),
        if unparsed == 0 {
            String::new()
        } else {
            format!(", of which {unparsed} cannot be reviewed")
        }
    );
    let flagged = counted(review.functions_flagged, "function");
    if review.model.is_some() {
        let rewrites = review.files.iter().map(|file| file.rewrites.len()).sum();
        let _ = write!(
            text,
            "{} and {} by the model, from {} of {flagged} with a finding or a cognitive complexity above {MOST_COMPLEXITY}",
            counted(count(Source::Model), "finding"),
            counted(rewrites, "rewritten function"),
            review.functions_reviewed,
        );
        if !review.not_shown.is_empty() {
            let rows = review.not_shown.iter();
            let rows: Vec<Vec<String>> = rows
                .map(|(reason, n)| vec![n.to_string(), (*reason).to_owned()])
                .collect();
            let _ = write!(text, "\n\n{}", text_table(&["not shown", "reason"], &rows));
        }
    } else {
        let _ = write!(
            text,
            "static findings alone: {flagged} with a finding or a cognitive complexity above {MOST_COMPLEXITY} would be shown \
             to a model\nhint: name one with --recipe RECIPE or --adapter FOLDER"
        );
    }
    text
}

fn of_file(file: &ShownFile) -> String {
    // A line per finding, even if a file's name has a line break.
    let name = file.path.replace('\n', "\\n");
    let mut text = String::new();
    for finding in &file.findings {
        let _ = writeln!(text, "{name}:{}", of_finding(finding));
    }
    for rewrite in &file.rewrites {
        let _ = writeln!(
            text,
            "{name}:{}: rewritten {}: {}",
            rewrite.first_line,
            rewrite.function,
            effect(rewrite)
        );
        text.push_str(&difference(rewrite));
    }
    text
}

fn of_finding(finding: &ShownFinding) -> String {
    let message = finding.message.as_str();
    let line = finding.line;
    let column = finding.column.unwrap_or(1);
    match (finding.source, finding.rule, finding.severity) {
        (Source::Static, Some(rule), Some(severity)) => {
            format!("{line}:{column}: {} {rule}: {message}", word(severity))
        }
        (Source::Model, ..) => format!("{line}: model: {message}"),
        _ => format!("{line}:{column}: not reviewed: {message}"),
    }
}

/// Returns what a rewritten function improves, in words.
pub(super) fn effect(rewrite: &ShownRewrite) -> String {
    let mut parts: Vec<String> = rewrite
        .lowers
        .iter()
        .map(|(rule, (before, after))| format!("{rule} {before} to {after}"))
        .collect();
    let (before, after) = rewrite.cognitive_complexity;
    if after < before {
        parts.push(format!("cognitive complexity {before} to {after}"));
    }
    parts.push(match rewrite.tests_passed {
        0 => "no tests known".to_owned(),
        n => format!("passes {}", counted(n, "test")),
    });
    parts.join(", ")
}

fn difference(rewrite: &ShownRewrite) -> String {
    let mut text = String::new();
    for (at, line) in diff_lines(&rewrite.before, &rewrite.text, CONTEXT)
        .into_iter()
        .enumerate()
    {
        let (sign, line) = match line {
            DiffLine::Hunk(_) if at == 0 => continue,
            DiffLine::Hunk(_) => {
                text += "    ...\n";
                continue;
            }
            DiffLine::Both(line) => (' ', line),
            DiffLine::Removed(line) => ('-', line),
            DiffLine::Added(line) => ('+', line),
        };
        let _ = writeln!(text, "  {sign} {line}");
    }
    text
}
