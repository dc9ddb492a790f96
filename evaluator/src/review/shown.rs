//! What a review shows, as its JSON document has it.

use std::collections::BTreeMap;

use serde::Serialize;
use slm_metrics::SyntaxError;
use slm_metrics::rules::{Finding, Rule, Severity};

use super::subject::{Parsed, Subject};
use crate::python_files::FileError;

/// A review of files.
#[derive(Serialize)]
pub(super) struct Review {
    /// Format of the document.
    pub(super) version: u32,
    /// `None` for static findings alone.
    pub(super) model: Option<ReviewModel>,
    pub(super) files: Vec<ShownFile>,
    /// Functions with a finding or a high cognitive complexity.
    pub(super) functions_flagged: usize,
    /// Those that the model answered.
    pub(super) functions_reviewed: usize,
    /// What of the answers is not shown, by reason.
    pub(super) not_shown: BTreeMap<&'static str, usize>,
}

/// The model that reviewed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReviewModel {
    pub(super) base_model: String,
    pub(super) adapter: Option<String>,
    pub(super) temperature: f64,
    pub(super) top_p: f64,
    pub(super) prompt_tokens: usize,
    pub(super) completion_tokens: usize,
}

/// A file of a review.
#[derive(Serialize)]
pub(super) struct ShownFile {
    pub(super) path: String,
    /// By line.
    pub(super) findings: Vec<ShownFinding>,
    pub(super) rewrites: Vec<ShownRewrite>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// One finding.
#[derive(Serialize)]
pub(super) struct ShownFinding {
    pub(super) source: Source,
    /// The rule of a static finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<Severity>,
    pub(super) line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<usize>,
    pub(super) end_line: usize,
    pub(super) message: String,
    #[serde(skip)]
    pub(super) of_rule: Option<&'static Rule>,
}

/// Who found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The parser: the file cannot be reviewed.
    Parser,
    /// A static rule.
    Static,
    /// The model.
    Model,
}

/// A rewritten function.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ShownRewrite {
    /// The qualified name.
    pub(super) function: String,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
    /// The lines to be replaced, as in the file.
    #[serde(skip)]
    pub(super) before: String,
    /// What replaces these lines, with their indentation.
    pub(super) text: String,
    /// Findings before and after, of the rules whose count falls.
    pub(super) lowers: BTreeMap<&'static str, (usize, usize)>,
    /// Cognitive complexity before and after.
    pub(super) cognitive_complexity: (usize, usize),
    /// Tests of the function that it passes; 0 if none are known.
    pub(super) tests_passed: usize,
}

impl ShownFile {
    /// Shows the static findings of a file.
    pub(super) fn of(subject: &Subject) -> Self {
        let mut file = Self {
            path: subject.name.clone(),
            findings: Vec::new(),
            rewrites: Vec::new(),
            error: None,
        };
        match &subject.outcome {
            Ok(Parsed { findings, .. }) => {
                file.findings = findings.iter().map(ShownFinding::of_rule).collect();
            }
            Err(error) => match unreviewable(error) {
                Some(finding) => file.findings.push(finding),
                None => file.error = Some(error.to_string()),
            },
        }
        file
    }

    /// Adds what the model found.
    pub(super) fn add(&mut self, findings: Vec<(usize, String)>, rewrite: Option<ShownRewrite>) {
        let model = findings.into_iter().map(|(line, message)| ShownFinding {
            source: Source::Model,
            rule: None,
            severity: None,
            line,
            column: None,
            end_line: line,
            message,
            of_rule: None,
        });
        self.findings.extend(model);
        self.findings.sort_by_key(|of| (of.line, of.source));
        self.rewrites.extend(rewrite);
    }
}

impl ShownFinding {
    fn of_rule(finding: &Finding) -> Self {
        Self {
            source: Source::Static,
            rule: Some(finding.rule.id),
            severity: Some(finding.severity),
            line: finding.line,
            column: Some(finding.column),
            end_line: finding.end_line,
            message: finding.message.clone(),
            of_rule: Some(finding.rule),
        }
    }

    fn of_parser(line: usize, column: usize, message: String) -> Self {
        Self {
            source: Source::Parser,
            rule: None,
            severity: Some(Severity::High),
            line,
            column: Some(column),
            end_line: line,
            message,
            of_rule: None,
        }
    }
}

/// Returns the finding of a file whose content cannot be reviewed; `None` if the file cannot be read.
fn unreviewable(error: &FileError) -> Option<ShownFinding> {
    match error {
        FileError::Syntax(SyntaxError {
            message,
            line,
            column,
        }) => Some(ShownFinding::of_parser(*line, *column, message.clone())),
        FileError::Unreadable(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            Some(ShownFinding::of_parser(1, 1, error.to_string()))
        }
        FileError::Unreadable(_) => None,
    }
}
