//! Findings of static rules, against ruff and pylint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use slm_metrics::rules::{Category, Minutes, all, debt_minutes, findings};

/// A rule, a line, and how often it is found there.
type Places = BTreeMap<(String, u64), u64>;

/// Rules without an equal one in ruff or pylint. The number behind the second is compared in `cognitive.rs`.
const WITHOUT_ORACLE: [&str; 2] = ["commented-code", "cognitive-complexity"];

fn ours(source: &str) -> Places {
    let mut places = Places::new();
    for finding in findings(source).expect("Python") {
        *places
            .entry((finding.rule.id.to_owned(), finding.line as u64))
            .or_default() += 1;
    }
    places
}

#[test]
fn findings_are_those_of_the_tools_except_for_listed_differences() {
    let mut failures = String::new();
    let mut n_places: BTreeMap<String, usize> = BTreeMap::new();
    let mut n_programs = 0;
    for line in include_str!("golden/rules/programs.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a line of JSON");
        let source = case["source"].as_str().expect("a source");
        let mut expected = read(&case["findings"]);
        // Explained in README.md beside the golden file.
        let differences = [("only_theirs", -1), ("only_ours", 1)];
        for (key, sign) in differences {
            for (place, count) in read(&case[key]) {
                let found = expected.entry(place.clone()).or_default();
                *found = found
                    .checked_add_signed(sign * count as i64)
                    .expect("a place that the tool reports");
            }
        }
        expected.retain(|_, count| *count > 0);
        let mut found = ours(source);
        found.retain(|(rule, _), _| !is_without_oracle(rule));
        for place in expected.keys() {
            *n_places.entry(place.0.clone()).or_default() += 1;
        }
        n_programs += 1;
        let places: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
        for place in places {
            let counts = [&expected, &found].map(|places| places.get(place).copied().unwrap_or(0));
            if counts[0] != counts[1] {
                writeln!(failures, "{} {place:?}: {counts:?}", case["name"]).expect("a string");
            }
        }
    }
    assert!(
        failures.is_empty(),
        "expected and found counts differ:\n{failures}"
    );
    assert!(n_programs >= 200, "only {n_programs} programs");
    for rule in all() {
        let is_pinned = n_places.get(rule.id).is_some_and(|&places| places >= 1);
        assert!(
            is_pinned || is_without_oracle(rule.id),
            "{} is never found",
            rule.id
        );
    }
}

/// Whether a rule has no equal in these tools. The security rules are compared with bandit, in `bandit.rs`.
fn is_without_oracle(id: &str) -> bool {
    let of_security = |rule: &slm_metrics::rules::Rule| {
        rule.id == id && rule.category == slm_metrics::rules::Category::Security
    };
    WITHOUT_ORACLE.contains(&id) || all().any(of_security)
}

fn read(places: &Value) -> Places {
    let mut read = Places::new();
    for place in places.as_array().into_iter().flatten() {
        let rule = place[0].as_str().expect("a rule").to_owned();
        *read
            .entry((rule, place[1].as_u64().expect("a line")))
            .or_default() += 1;
    }
    read
}

/// `RULES_SOURCES=FILE` names a list of paths, `RULES_FINDINGS=FILE` the findings that `golden/rules/trees.py` reads.
#[test]
fn findings_of_source_trees_are_written_where_a_list_is_given() {
    let (Some(sources), Some(output)) = (
        std::env::var_os("RULES_SOURCES"),
        std::env::var_os("RULES_FINDINGS"),
    ) else {
        return;
    };
    let paths = std::fs::read_to_string(sources).expect("RULES_SOURCES is a readable file");
    let mut lines = String::new();
    for path in paths.lines() {
        let source = std::fs::read_to_string(path).expect("a text file");
        let found = findings(&source).map(|findings| {
            let place = |finding: &slm_metrics::rules::Finding| {
                json!([finding.rule.id, finding.line, finding.message])
            };
            findings.iter().map(place).collect::<Vec<_>>()
        });
        let found = found.unwrap_or_else(|error| panic!("{path}: {error}"));
        writeln!(lines, "{}", json!({"path": path, "findings": found})).expect("a string");
    }
    std::fs::write(output, lines).expect("RULES_FINDINGS is writable");
}

#[test]
fn the_table_is_complete() {
    let rules: Vec<_> = all().collect();
    let ids: BTreeSet<_> = rules.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), rules.len(), "an id is used twice");
    for rule in rules {
        let is_kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(rule.id.chars().all(is_kebab), "{}", rule.id);
        assert!(
            !rule.known_as.is_empty() && !rule.title.ends_with('.'),
            "{}",
            rule.id
        );
        let minutes = match rule.minutes {
            Minutes::Constant(minutes) => minutes,
            Minutes::PerUnitAbove { each, .. } => each,
        };
        assert!(minutes > 0.0, "{}", rule.id);
    }
}

#[test]
fn minutes_are_constant_or_grow_above_the_limit() {
    let found = findings("import os\ndef f(a, b, c, d, e, g, h): return a\n").expect("Python");
    let minutes: Vec<_> = found
        .iter()
        .map(|finding| (finding.rule.id, finding.minutes))
        .collect();
    assert_eq!(
        minutes,
        [("unused-import", 2.0), ("too-many-parameters", 10.0)]
    );
    assert!((debt_minutes(&found) - 12.0).abs() < 1e-9);
    assert!(
        found
            .iter()
            .all(|finding| finding.rule.category == Category::Smell)
    );
}

#[test]
fn places_are_lines_and_columns_in_characters() {
    let found = findings("x = 'é'; y = x is 'é'\n").expect("Python");
    let places: Vec<_> = found
        .iter()
        .map(|finding| (finding.line, finding.column, finding.end_line))
        .collect();
    assert_eq!(places, [(1, 14, 1)]);
    let found = findings("def f():\n    for a in b:\n        for c in d:\n            while e:\n                if g:\n                    if h:\n                        i()\n").expect("Python");
    assert_eq!(
        (found[0].rule.id, found[0].line, found[0].end_line),
        ("deep-nesting", 2, 7)
    );
}

#[test]
fn comments_are_code_only_if_they_clearly_are() {
    let check = |comment: &str, expected: bool| {
        let found = findings(&format!("{comment}\nx = 1  {comment}\n")).expect("Python");
        assert_eq!(found.len(), usize::from(expected), "{comment}");
    };
    for comment in [
        "# x = 1",
        "# print(x)",
        "#x += f(1)",
        "# import os",
        "# from a import (b, c)",
        "# if x == 1:",
        "# for i in range(3):",
        "# else:",
        "# elif x.y:",
        "# except ValueError as error:",
        "# def f(x):",
        "# return f(x)",
        "# raise ValueError('x')",
        "# with open(f) as g:",
        "# x: int = 3",
    ] {
        check(comment, true);
    }
    for comment in [
        "# Text.",
        "# x",
        "# the x = 1 case",
        "# Note: something",
        "# note: x",
        "# TODO: f(x)",
        "# type: ignore",
        "# e.g. f(x)",
        "# see f (x)",
        "# return the value",
        "# return x",
        "# [1, 2]",
        "# x == 1",
        "# key: value",
        "# if so:",
        "# for example:",
        "# import the thing",
        "# >>> x = 1",
        "# http://a.b/c=d",
        "# -*- coding: utf-8 -*-",
        "# ----",
    ] {
        check(comment, false);
    }
}
