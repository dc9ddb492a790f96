//! `docs/reference/formats.md` has a row for every field of a run's files, and no other. A training's files: slm-artifacts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::endpoint::{ask, json_of, lines, project, run_of, server};
use crate::fake_server::{right, text_only};

/// Every field name in a document, except the keys of maps whose keys are data.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                if !["told", "canonical_cpu_s", "plan", "unread"].contains(&key.as_str()) {
                    fields(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

/// The names in the first column of the table in a section of the page; of `a.b` the last part.
fn rows<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let section = page.split(&format!("\n### `{heading}`\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n### ").next().unwrap_or_default();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let names = lines.filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let names = names.flat_map(|names| names.split('`').skip(1).step_by(2));
    names
        .map(|name| name.rsplit('.').next().unwrap_or(name))
        .collect()
}

#[test]
fn the_page_on_formats_has_a_row_for_every_field_that_is_written_and_no_other() {
    let project = project(3);
    let server = server(|asked| text_only(asked).unwrap_or_else(|| right(asked)));
    let settings = [
        "--set",
        "evaluate.workflows=[single, reflection]",
        "--shard",
        "1/2",
    ];
    let run = run_of(&project, &ask(&project, &server, &settings).result());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/formats.md");
    let page = fs::read_to_string(page).expect("the page");
    let mut found = BTreeSet::new();
    for file in ["records.jsonl", "trajectory.jsonl"] {
        for line in lines(&run.join(file)) {
            fields(&line, &mut found);
        }
    }
    let info = json_of(&run.join("run.json"));
    fields(&info, &mut found);
    let summary = json_of(&run.join("summary.json"));
    found.extend(summary.as_object().expect("an object").keys().cloned());
    for key in [
        "attempts",
        "tokens_to_program",
        "seconds_to_program",
        "phases",
        "executable",
        "assisted",
        "speakers",
        "log_probability",
        "log_probability_tokens",
        "p_yes",
        "p_no",
        "lookups",
        "masked",
        "recall",
        "copied",
        "sketch_kept",
        "phase",
        "phases",
        "complete",
        "routed_to",
        "routes",
        "knowledge",
        "offline",
        "short_budgets",
        "retries",
        "reused",
        "reused_s",
        "tokens_estimated",
        "search",
        "merged_from",
        "human",
        "same_signature",
        "similarity",
        "reference_loss",
        "line_use",
        "left_out",
        "sources",
        "shard",
        "endpoint",
        "prices",
        "interim",
    ] {
        found.insert(key.to_owned());
    }
    let missing: Vec<&String> = found
        .iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/reference/formats.md: {missing:?}"
    );
    for file in ["records.jsonl", "trajectory.jsonl", "run.json"] {
        let rows = rows(&page, file);
        assert!(rows.len() > 5, "{file}: {rows:?}");
        let unknown = rows.iter().find(|name| !found.contains(**name));
        assert_eq!(unknown, None, "{file} has no such field");
    }
}
