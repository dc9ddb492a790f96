//! Python files with their metrics and findings.

use std::collections::BTreeMap;

use slm_metrics::FileMetrics;
use slm_metrics::rules::{self, Category, Finding, Rule, Severity};

use crate::python_files::FileError;

/// A file with its metrics and findings, or its error.
pub(super) struct Measured {
    /// The path as displayed.
    pub(super) name: String,
    pub(super) outcome: Result<Quality, FileError>,
}

/// The metrics and findings of a file.
pub(super) struct Quality {
    pub(super) metrics: FileMetrics,
    pub(super) findings: Vec<Finding>,
}

impl Quality {
    pub(super) fn of(text: &str) -> Result<Self, FileError> {
        Ok(Self {
            metrics: slm_metrics::analyze(text)?,
            findings: rules::findings(text)?,
        })
    }

    pub(super) fn count(&self, category: Category, severity: Option<Severity>) -> usize {
        let is_counted = |finding: &&Finding| {
            finding.rule.category == category
                && severity.is_none_or(|severity| finding.severity == severity)
        };
        self.findings.iter().filter(is_counted).count()
    }

    pub(super) fn debt_minutes(&self) -> f64 {
        rules::debt_minutes(&self.findings)
    }
}

/// Returns the files that could be measured.
pub(super) fn good(measured: &[Measured]) -> impl Iterator<Item = (&str, &Quality)> {
    measured
        .iter()
        .filter_map(|file| Some((file.name.as_str(), file.outcome.as_ref().ok()?)))
}

/// Returns the files that could not be measured.
pub(super) fn failed(measured: &[Measured]) -> impl Iterator<Item = (&str, &FileError)> {
    measured
        .iter()
        .filter_map(|file| Some((file.name.as_str(), file.outcome.as_ref().err()?)))
}

/// Returns the rules that have findings, by name.
pub(super) fn rules_found(measured: &[Measured]) -> impl Iterator<Item = &'static Rule> {
    let findings = good(measured).flat_map(|(_, quality)| &quality.findings);
    let rules: BTreeMap<&str, &'static Rule> = findings
        .map(|finding| (finding.rule.id, finding.rule))
        .collect();
    rules.into_values()
}
