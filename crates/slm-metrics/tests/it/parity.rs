//! Agreement with radon 6.0.1: stored programs, and optionally whole source trees.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use slm_metrics::{FileReport, Fstrings, Options, analyze_with};

/// Allowed relative error of floats; the stored ones were computed with another C library's `log` and `sin`.
const TOLERANCE: f64 = 1e-9;

/// Programs with known differences, by the Python that made the golden file.
const DEVIATIONS: [(&str, Fstrings); 2] = [
    // Python 3.11 rejects a replacement field in a format specification inside a format specification.
    ("f-strings 6", Fstrings::Legacy),
    // Its `tokenize` rejects combining marks in names, so radon fails on names that Python itself compiles.
    ("combining marks", Fstrings::Legacy),
];

#[test]
fn goldens_of_python_3_13_are_met() {
    check_goldens(include_str!("golden/radon/pep701.jsonl"), Fstrings::Pep701);
}

#[test]
fn goldens_of_python_3_11_are_met() {
    check_goldens(include_str!("golden/radon/legacy.jsonl"), Fstrings::Legacy);
}

/// `METRICS_ORACLE=FILE` names lines of `{"path": ..., "metrics": DOCUMENT}` as `golden/radon/tree.py` writes.
#[test]
fn source_trees_agree_with_radon_where_an_oracle_is_given() {
    let Some(oracle) = std::env::var_os("METRICS_ORACLE") else {
        return;
    };
    let fstrings = match std::env::var_os("METRICS_LEGACY") {
        Some(_) => Fstrings::Legacy,
        None => Fstrings::Pep701,
    };
    let oracle = std::fs::read_to_string(oracle).expect("METRICS_ORACLE is a readable file");
    let mut compared = 0;
    let mut failures = String::new();
    for line in oracle.lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let path = case["path"].as_str().expect("a path");
        let Ok(source) = std::fs::read_to_string(Path::new(path)) else {
            continue;
        };
        compared += 1;
        report_differences(path, &case["metrics"], &source, fstrings, &mut failures);
    }
    assert!(compared > 0, "no file of the oracle was found");
    assert!(failures.is_empty(), "of {compared} files:\n{failures}");
}

fn check_goldens(goldens: &str, fstrings: Fstrings) {
    let mut compared = 0;
    let mut failures = String::new();
    for line in goldens.lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let name = case["name"].as_str().expect("a name");
        let source = case["source"].as_str().expect("a source");
        if !DEVIATIONS.contains(&(name, fstrings)) {
            compared += 1;
            report_differences(name, &case["metrics"], source, fstrings, &mut failures);
        }
    }
    assert!(compared >= 300, "only {compared} programs are pinned");
    assert!(failures.is_empty(), "\n{failures}");
}

fn report_differences(
    name: &str,
    expected: &Value,
    source: &str,
    fstrings: Fstrings,
    failures: &mut String,
) {
    let report = FileReport::from(analyze_with(source, Options { fstrings }));
    let mut found = serde_json::to_value(report).expect("metrics serialise");
    if let Some(metrics) = found.as_object_mut() {
        // radon has no cognitive complexity; `cognitive.rs` compares it with other tools.
        metrics.remove("cognitive");
    }
    let are_errors = [expected, &found].map(|document| document.get("error").is_some());
    match are_errors {
        [true, true] => {}
        [false, false] => compare("", expected, &found, &mut |place, expected, found| {
            writeln!(
                failures,
                "{name}{place}: expected {expected}, found {found}"
            )
            .expect("a string");
        }),
        _ => writeln!(failures, "{name}: expected {expected}, found {found}").expect("a string"),
    }
}

fn compare(
    place: &str,
    expected: &Value,
    found: &Value,
    report: &mut impl FnMut(&str, &Value, &Value),
) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for key in keys {
                let [expected, found] =
                    [expected, found].map(|object| object.get(key).unwrap_or(&Value::Null));
                compare(&format!("{place}.{key}"), expected, found, report);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (at, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{place}[{at}]"), expected, found, report);
            }
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            let (left, right) = (
                left.as_f64().unwrap_or(f64::NAN),
                right.as_f64().unwrap_or(f64::NAN),
            );
            let is_close = (left - right).abs() <= TOLERANCE * left.abs().max(1.0);
            if !is_close {
                report(place, expected, found);
            }
        }
        _ if expected == found => {}
        _ => report(place, expected, found),
    }
}
