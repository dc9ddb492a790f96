//! A review in SARIF 2.1.0.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use slm_metrics::rules::{Rule, Severity};

use super::page::effect;
use super::shown::{Review, ShownFile, ShownFinding, ShownRewrite, Source};
use crate::quality::sarif::{assembled, level, rule, uri};

const PARSER: &str = "not-reviewed";
const MODEL: &str = "model-finding";
const REWRITE: &str = "model-rewrite";

/// Returns the document; a file that cannot be read is a notification in it.
pub(super) fn document(review: &Review) -> Result<String> {
    let found = || review.files.iter().flat_map(|file| &file.findings);
    let rules: BTreeMap<&str, &'static Rule> = found()
        .filter_map(|of| of.of_rule)
        .map(|rule| (rule.id, rule))
        .collect();
    let mut rules: Vec<Value> = rules.into_values().map(rule).collect();
    let has = |source| found().any(|of| of.source == source);
    for (is_used, id, title) in [
        (has(Source::Parser), PARSER, "The file cannot be reviewed"),
        (
            has(Source::Model),
            MODEL,
            "A language model reports a problem; only its line is checked",
        ),
        (
            review.files.iter().any(|file| !file.rewrites.is_empty()),
            REWRITE,
            "A language model proposes a function with fewer findings or a lower complexity",
        ),
    ] {
        if is_used {
            rules.push(json!({"id": id, "shortDescription": {"text": title}}));
        }
    }
    let results = review.files.iter().flat_map(|file| {
        let findings = file.findings.iter().map(|of| finding(file, of));
        let rewrites = file.rewrites.iter().map(|of| rewrite(file, of));
        findings.chain(rewrites)
    });
    let errors = review
        .files
        .iter()
        .filter_map(|file| Some((file.path.as_str(), file.error.clone()?)));
    assembled(rules, results.collect(), errors)
}

fn finding(file: &ShownFile, of: &ShownFinding) -> Value {
    let (id, message) = match of.source {
        Source::Static => (of.rule.unwrap_or_default(), of.message.clone()),
        Source::Parser => (PARSER, of.message.clone()),
        Source::Model => (MODEL, plain(&of.message)),
    };
    let mut region = json!({"startLine": of.line, "endLine": of.end_line});
    if let Some(column) = of.column {
        region["startColumn"] = json!(column);
    }
    json!({
        "ruleId": id,
        "level": of.severity.map_or("note", level),
        "message": {"text": message},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&file.path)},
            "region": region,
        }}],
    })
}

fn rewrite(file: &ShownFile, of: &ShownRewrite) -> Value {
    let place = json!({"uri": uri(&file.path)});
    let lines = json!({"startLine": of.first_line, "endLine": of.last_line});
    let text = format!("rewritten {}: {}", of.function, effect(of));
    // The end of the last line stays.
    let inserted = of.text.trim_end_matches('\n');
    json!({
        "ruleId": REWRITE,
        "level": level(Severity::Low),
        "message": {"text": plain(&text)},
        "locations": [{"physicalLocation": {"artifactLocation": place, "region": lines}}],
        "fixes": [{
            "description": {"text": plain(&text)},
            "artifactChanges": [{
                "artifactLocation": place,
                "replacements": [{"deletedRegion": lines, "insertedContent": {"text": inserted}}],
            }],
        }],
    })
}

/// Escapes brackets, which would be links in a message.
///
/// # Source
/// SARIF 2.1.0, section 3.11.6.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn links_of_a_model_are_text() {
        assert_eq!(plain("see [here](http://x)"), "see \\[here\\](http://x)");
        assert_eq!(plain("a\\[b"), "a\\\\\\[b");
    }
}
