//! The page on formats says what is written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::endpoint::{ask, json_of, lines, project, run_of, server};
use crate::fake_server::{right, text_only};

/// Every name of a field in a document, but for the keys of maps whose keys are data.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                found.insert(key.clone());
                if !["told", "canonical_cpu_s", "plan"].contains(&key.as_str()) {
                    fields(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, found)),
        _ => {}
    }
}

#[test]
fn the_page_on_formats_names_every_field_that_is_written() {
    let project = project(3);
    let server = server(|asked| text_only(asked).unwrap_or_else(|| right(asked)));
    let settings = [
        "--set",
        "evaluate.workflows=[single, reflection]",
        "--shard",
        "1/2",
    ];
    let run = run_of(&project, &ask(&project, &server, &settings).result());
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
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
        "retries",
        "tokens_estimated",
        "merged_from",
        "shard",
        "endpoint",
    ] {
        found.insert(key.to_owned());
    }
    let missing: Vec<&String> = found
        .iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "not in docs/formats.md: {missing:?}");
}
