//! Findings in SARIF 2.1.0, the format that code hosts and editors read.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use slm_metrics::rules::{Finding, Rule, Severity};

use super::measured::{Measured, failed, good, rules_found};

/// Returns the document; a file that cannot be read or parsed is a notification in it.
///
/// # Source
/// OASIS, Static Analysis Results Interchange Format 2.1.0.
pub(super) fn document(measured: &[Measured]) -> Result<String> {
    let rules: Vec<Value> = rules_found(measured).map(rule).collect();
    let results: Vec<Value> = good(measured)
        .flat_map(|(name, quality)| {
            quality
                .findings
                .iter()
                .map(move |found| result(name, found))
        })
        .collect();
    let errors = failed(measured).map(|(name, error)| (name, error.to_string()));
    assembled(rules, results, errors)
}

/// Returns the document of rules and results; the errors of files are notifications in it.
pub(crate) fn assembled<'a>(
    rules: Vec<Value>,
    results: Vec<Value>,
    errors: impl Iterator<Item = (&'a str, String)>,
) -> Result<String> {
    let notifications: Vec<Value> = errors
        .map(|(name, error)| {
            json!({
                "level": "error",
                "message": {"text": error},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(name)}}}],
            })
        })
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "slm-lora evaluator",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&document).context("cannot write the findings as SARIF")
}

/// Describes a rule.
pub(crate) fn rule(rule: &'static Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "properties": {"category": rule.category, "known_as": rule.known_as},
    })
}

fn result(name: &str, finding: &Finding) -> Value {
    json!({
        "ruleId": finding.rule.id,
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(name)},
            "region": {
                "startLine": finding.line,
                "startColumn": finding.column,
                "endLine": finding.end_line,
            },
        }}],
        "properties": {"minutes": finding.minutes},
    })
}

/// Returns the format's word for a severity.
pub(crate) fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// Writes a path as a URI, a relative one as a relative reference: characters that a URI may not contain are encoded.
pub(crate) fn uri(path: &str) -> String {
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~+@=,".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri("src/a b#ü.py"), "src/a%20b%23%C3%BC.py");
        assert_eq!(uri("/src/a.py"), "file:///src/a.py");
    }
}
