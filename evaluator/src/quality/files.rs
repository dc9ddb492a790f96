//! The quality of Python files: their findings, and a line of numbers for each.

use std::fmt::Write as _;

use anyhow::Context;
use serde::Serialize;
use slm_cli::{Failure, text_table};
use slm_metrics::rules::{Category, Severity};

use super::measured::{Measured, Quality, failed, good, rules_found};
use super::{ShownRule, sarif, word};
use crate::arguments::QualityArguments;
use crate::python_files::{each, find, report_errors};

/// Measures the files and prints a page or a document.
pub(super) fn run(arguments: &QualityArguments) -> Result<(), Failure> {
    let measured = each(find(&arguments.subjects)?, |name, text| Measured {
        name,
        outcome: text.and_then(|text| Quality::of(&text)),
    });
    if arguments.sarif {
        slm_cli::document(&sarif::document(&measured)?);
    } else if arguments.json {
        let document = serde_json::to_string_pretty(&Document::of(&measured));
        slm_cli::document(&document.context("cannot write the findings as JSON")?);
    } else {
        slm_cli::result(&page(&measured));
    }
    report_errors(failed(&measured), measured.len(), "measured")
}

/// Renders all findings, one per line as compilers print errors, and the table of the files.
fn page(measured: &[Measured]) -> String {
    let mut text = String::new();
    for (name, quality) in good(measured) {
        // A line per finding, even if a file's name has a line break.
        let name = name.replace('\n', "\\n");
        for finding in &quality.findings {
            let _ = writeln!(
                text,
                "{name}:{}:{}: {} {}: {}",
                finding.line,
                finding.column,
                word(finding.severity),
                finding.rule.id,
                finding.message
            );
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let mut rows: Vec<Vec<String>> = good(measured)
        .map(|(name, quality)| row(name, std::slice::from_ref(&quality)))
        .collect();
    let all: Vec<&Quality> = good(measured).map(|(_, quality)| quality).collect();
    let files = slm_artifacts::counted(measured.len(), "file");
    let of = if all.len() == measured.len() {
        files
    } else {
        format!("{} of {files}", all.len())
    };
    if all.len() != 1 {
        rows.push(row(&format!("{of}: sums, means of MI and mi_code"), &all));
    }
    text + &text_table(&HEADER, &rows)
}

const HEADER: [&str; 11] = [
    "high",
    "medium",
    "low",
    "reliability",
    "smells",
    "debt min",
    "LLOC",
    "cognitive",
    "MI",
    "mi_code",
    "file",
];

/// Returns the row of one file, or of several together.
fn row(name: &str, of: &[&Quality]) -> Vec<String> {
    let sum = |count: &dyn Fn(&Quality) -> usize| {
        let sum: usize = of.iter().map(|quality| count(quality)).sum();
        sum.to_string()
    };
    let mean = |value: &dyn Fn(&Quality) -> f64| {
        if of.is_empty() {
            return String::new();
        }
        let sum: f64 = of.iter().map(|quality| value(quality)).sum();
        format!("{:.1}", sum / of.len() as f64)
    };
    let security = |severity| sum(&|quality| quality.count(Category::Security, Some(severity)));
    let debt: f64 = of
        .iter()
        .fold(0.0, |sum, quality| sum + quality.debt_minutes());
    vec![
        security(Severity::High),
        security(Severity::Medium),
        security(Severity::Low),
        sum(&|quality| quality.count(Category::Reliability, None)),
        sum(&|quality| quality.count(Category::Smell, None)),
        format!("{debt:.0}"),
        sum(&|quality| quality.metrics.raw.lloc),
        sum(&|quality| quality.metrics.cognitive_complexity),
        mean(&|quality| quality.metrics.maintainability_index),
        mean(&|quality| quality.metrics.mi_code),
        name.to_owned(),
    ]
}

/// The document for `--json`.
#[derive(Serialize)]
struct Document<'a> {
    files: Vec<FileDocument<'a>>,
    /// The rules that have findings.
    rules: Vec<ShownRule>,
}

#[derive(Serialize)]
struct FileDocument<'a> {
    path: &'a str,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    numbers: Option<Numbers>,
    findings: Vec<FindingDocument<'a>>,
}

#[derive(Serialize)]
struct Numbers {
    lloc: usize,
    maintainability_index: f64,
    mi_code: f64,
    cyclomatic_complexity: usize,
    cognitive_complexity: usize,
    debt_minutes: f64,
}

#[derive(Serialize)]
struct FindingDocument<'a> {
    rule: &'static str,
    category: Category,
    severity: Severity,
    line: usize,
    column: usize,
    end_line: usize,
    message: &'a str,
    minutes: f64,
}

impl<'a> Document<'a> {
    fn of(measured: &'a [Measured]) -> Self {
        Self {
            files: measured.iter().map(FileDocument::of).collect(),
            rules: rules_found(measured).map(ShownRule::of).collect(),
        }
    }
}

impl<'a> FileDocument<'a> {
    fn of(file: &'a Measured) -> Self {
        let quality = file.outcome.as_ref();
        let findings = quality.iter().flat_map(|quality| &quality.findings);
        Self {
            path: &file.name,
            valid: quality.is_ok(),
            error: quality.err().map(ToString::to_string),
            numbers: quality.ok().map(|quality| Numbers {
                lloc: quality.metrics.raw.lloc,
                maintainability_index: quality.metrics.maintainability_index,
                mi_code: quality.metrics.mi_code,
                cyclomatic_complexity: quality.metrics.cyclomatic_complexity,
                cognitive_complexity: quality.metrics.cognitive_complexity,
                debt_minutes: quality.debt_minutes(),
            }),
            findings: findings
                .map(|finding| FindingDocument {
                    rule: finding.rule.id,
                    category: finding.rule.category,
                    severity: finding.severity,
                    line: finding.line,
                    column: finding.column,
                    end_line: finding.end_line,
                    message: &finding.message,
                    minutes: finding.minutes,
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, text: &str) -> Measured {
        Measured {
            name: name.to_owned(),
            outcome: Quality::of(text),
        }
    }

    #[test]
    fn findings_precede_the_table_and_broken_files_are_counted() {
        let files = [
            measured("a.py", "def f(x=[]):\n    eval(x)\n"),
            measured("b.py", "def f(:\n"),
            measured("c.py", "x = 1\n"),
        ];
        let page = page(&files);
        let lines: Vec<&str> = page.lines().collect();
        assert!(
            page.starts_with("a.py:1:") && page.contains("a.py:2:5: medium "),
            "{page}"
        );
        assert!(
            lines
                .last()
                .is_some_and(|last| last.contains("2 of 3 files")),
            "{page}"
        );
        assert!(!page.contains("b.py"), "{page}");
    }

    #[test]
    fn the_document_has_every_file() {
        let files = [measured("a.py", "eval(x)\n"), measured("b.py", "def f(:\n")];
        let document = serde_json::to_value(Document::of(&files)).expect("JSON");
        assert_eq!(document["files"][0]["findings"][0]["line"], 1);
        assert_eq!(document["files"][0]["valid"], true);
        assert_eq!(document["files"][1]["valid"], false);
        assert!(document["files"][1]["error"].is_string());
        assert_eq!(
            document["rules"][0]["rule"],
            document["files"][0]["findings"][0]["rule"]
        );
    }
}
