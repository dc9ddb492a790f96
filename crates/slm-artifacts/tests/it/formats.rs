//! `docs/reference/formats.md` has a row for every field of every type, and a field for every row.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, iter};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use slm_artifacts::{AdapterConfig, AdapterFolder, LogLine, TrainingSummary};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Returns the document's section with this heading.
fn section(heading: &str) -> String {
    let page = fs::read_to_string(root().join("docs/reference/formats.md")).expect("the document");
    let section = page.split(&format!("\n### {heading}\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("no section {heading}"));
    let end = section
        .find("\n## ")
        .into_iter()
        .chain(section.find("\n### "))
        .min();
    section[..end.unwrap_or(section.len())].to_owned()
}

/// Returns the words in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns the rows of a table of fields: the names in the first column, and the description.
fn rows(section: &str) -> Vec<(Vec<&str>, &str)> {
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let cells = lines.filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    cells.map(|(names, text)| (quoted(names), text)).collect()
}

fn names(value: &Value) -> BTreeSet<&str> {
    let fields = value.as_object().expect("an object");
    fields.keys().map(String::as_str).collect()
}

/// Reads a document as a type and writes it again: all fields of the type, and no others.
fn through<T: Serialize + DeserializeOwned>(value: Value) -> Value {
    let read: T = serde_json::from_value(value).expect("the type's document");
    serde_json::to_value(read).expect("JSON")
}

fn training() -> Value {
    json!({
        "steps": 2, "examples": 5, "validation_examples": 1, "tokens": 90, "supervised_tokens": 40,
        "trainable_parameters": 64, "final_loss": 1.5, "base_validation_loss": 2.5,
        "best": {"step": 2, "loss": 1.25}, "stopped_early": false,
        "preferences": {
            "units": 4, "tasks": 3, "right": 2, "ties": 1, "guessing": 0.5, "low": 0.2, "high": 0.8, "accuracy": 0.625,
            "reward_margin": 0.5, "chosen": {"log_p": -9.5, "tokens": 7.0}, "rejected": {"log_p": -9.0, "tokens": 8.5},
        },
        "datasets": [{
            "path": "own", "sha256": "e".repeat(64),
            "tasks": [{
                "task_id": "Mbpp/601", "publisher_id": "mbpp/601", "sentences": ["0".repeat(16)],
                "functions": ["1".repeat(16)],
            }],
        }],
        "data": [{
            "path": "rows.jsonl", "files": 1, "found": 6, "unit": "rows", "kept": 5,
            "left_out": {"duplicate": 1}, "first": {"broken_row": "rows.jsonl:3: no JSON"}, "licences": {"MIT": 2},
            "rendered_conversations": 2, "literal_conversations": 1,
        }],
        "decontamination": {"benchmarks": ["mbpp"], "left_out": 0},
        "energy": {"processors": {"joules": 25.0, "seconds": 0.4, "unread": {"no counter": 0.1}}},
        "seconds": 0.5, "peak_memory_bytes": 1000, "device": "cpu", "project_version": "0.1.0",
        "chat_template": {"sha256": "9".repeat(64), "kwargs": {"enable_thinking": false}},
        "sources": [{
            "kind": "dataset", "repository": "a/b", "revision": "main", "commit": "c".repeat(40),
            "files": [{"path": "rows.jsonl", "bytes": 3, "sha256": "d".repeat(64)}],
        }],
        "base_sha256": "f".repeat(64),
        "init_from": {
            "path": "checkpoints/a/adapter", "sha256": "a".repeat(64), "config_sha256": "b".repeat(64),
            "base_model": "a/b", "validation_loss": 2.5, "training": null,
        },
    })
}

/// A summary of a training that started from the adapter of another one.
fn further(from: Value, path: &str, benchmarks: &[&str]) -> Value {
    let mut summary = training();
    summary["init_from"]["training"] = from;
    summary["datasets"][0]["path"] = path.into();
    summary["decontamination"]["benchmarks"] = json!(benchmarks);
    summary["decontamination"]["left_out"] = 2.into();
    summary
}

#[test]
fn an_adapter_has_learned_what_all_its_trainings_have() {
    let read = |value: Value| serde_json::from_value::<TrainingSummary>(value).expect("a summary");
    let mut first = further(Value::Null, "first", &["mbpp", "humaneval"]);
    first.as_object_mut().expect("fields").remove("init_from");
    let second = further(first, "second", &["humaneval", "mbpp", "apps"]);
    let third = further(second, "third", &["apps", "humaneval"]);
    let whole = read(third.clone());
    let paths: Vec<&str> = whole.learned().map(|set| &*set.path).collect();
    assert_eq!(paths, ["third", "second", "first"]);
    let search = whole.search().expect("searched in each");
    assert_eq!(
        (search.benchmarks, search.left_out),
        (vec!["humaneval".to_owned()], 6)
    );
    assert!(!whole.starts_from_unknown());

    // Of one training it is not known, or it did not search.
    let unknown = read(further(training(), "last", &["mbpp"]));
    assert!(unknown.starts_from_unknown() && unknown.search().is_none());
    let mut without = third;
    without["init_from"]["training"]["decontamination"] = Value::Null;
    assert_eq!(read(without).search(), None);
}

#[test]
fn every_field_of_training_json_has_its_row_and_every_row_its_field() {
    let section = section("`training.json`");
    let rows = rows(&section);
    let summary = through::<TrainingSummary>(training());
    assert_eq!(summary, training());
    let told: BTreeSet<&str> = rows.iter().flat_map(|(names, _)| names.clone()).collect();
    assert_eq!(told, names(&summary));
    // The row of a field names exactly its nested fields.
    let (source, dataset) = (&summary["sources"][0], &summary["datasets"][0]);
    let figures = ["reward_margin", "chosen", "rejected"];
    let preferences = names(&summary["preferences"]);
    let preferences = preferences
        .into_iter()
        .filter(|name| !figures.contains(name));
    let of_preferences = preferences.chain(["preference", "log.jsonl"]).collect();
    let of_parts = ["processors", "gpu", "server", "seconds", "run.json"].into();
    for (field, fields) in [
        ("preferences", of_preferences),
        ("datasets", &names(dataset) | &names(&dataset["tasks"][0])),
        ("best", names(&summary["best"])),
        ("data", names(&summary["data"][0])),
        (
            "energy",
            &names(&summary["energy"]["processors"]) | &of_parts,
        ),
        ("decontamination", names(&summary["decontamination"])),
        ("sources", &names(source) | &names(&source["files"][0])),
    ] {
        let row = rows.iter().find(|(names, _)| names[..] == [field]);
        let (_, text) = row.unwrap_or_else(|| panic!("no row for `{field}`"));
        let values = ["null", "kto", "dataset.json", "evaluator dataset"];
        let told = quoted(text)
            .into_iter()
            .filter(|word| !values.contains(word));
        assert_eq!(told.collect::<BTreeSet<_>>(), fields, "{field}");
    }
}

#[test]
fn a_summary_of_an_earlier_version_is_read() {
    let early = json!({"steps": 2, "examples": 5, "final_loss": 1.5, "seconds": 0.5});
    let summary = through::<TrainingSummary>(early);
    assert_eq!(summary["examples"], 5);
    assert_eq!(summary["sources"], json!([]));
    assert_eq!(summary["decontamination"], Value::Null);
}

#[test]
fn every_field_of_the_log_is_told() {
    let answer = json!({"log_p": -9.5, "tokens": 7.0});
    let preference =
        json!({"accuracy": 0.5, "reward_margin": 0.5, "chosen": answer, "rejected": answer});
    let lines = [
        json!({
            "step": 1, "epoch": 0.5, "loss": 2.5, "learning_rate": 1e-4, "grad_norm": 0.5, "tokens": 9,
            "preference": preference,
        }),
        json!({"step": 1, "epoch": 0.5, "validation_loss": 2.25, "preference": preference}),
        json!({"step": 0, "epoch": 0.0, "loss": 2.5}),
    ];
    let page = fs::read_to_string(root().join("docs/reference/formats.md")).expect("the document");
    let row = page
        .lines()
        .find(|line| line.starts_with("| `log.jsonl` |"));
    let told = quoted(row.expect("a row")).into_iter().skip(1);
    let is_value = |word: &&str| word.contains('.') || ["kto", "null"].contains(word);
    let told: BTreeSet<&str> = told.filter(|word| !is_value(word)).collect();
    let lines = lines.map(through::<LogLine>);
    let nested = [&preference, &answer];
    let found: BTreeSet<&str> = lines.iter().chain(nested).flat_map(names).collect();
    assert_eq!(told, found);
}

/// Returns the settings written by PEFT, including those of other versions.
fn peft_files() -> impl Iterator<Item = Value> {
    let golden = root().join("crates/slm-model/tests/it/golden");
    let mut folders = vec![golden];
    let files = iter::from_fn(move || {
        while let Some(path) = folders.pop() {
            if path.ends_with(AdapterFolder::CONFIG) {
                return Some(path);
            }
            let entries = fs::read_dir(&path).into_iter().flatten();
            folders.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
        None
    });
    files.map(|path| {
        let text = fs::read(&path).expect("readable");
        serde_json::from_slice(&text).expect("JSON")
    })
}

#[test]
fn what_peft_wrote_is_the_same_after_reading_and_writing() {
    let mut n_read = 0;
    for file in peft_files() {
        assert_eq!(through::<AdapterConfig>(file.clone()), file);
        n_read += 1;
    }
    assert!(n_read >= 3, "{n_read}");
}

#[test]
fn every_field_of_adapter_config_json_has_its_row_and_every_row_its_field() {
    let file = peft_files().next().expect("a file of PEFT");
    let read: AdapterConfig = serde_json::from_value(file).expect("PEFT's settings");
    let config = AdapterConfig {
        other: serde_json::Map::new(),
        ..read
    };
    let config = serde_json::to_value(config).expect("JSON");
    let section = section("`adapter_config.json`");
    let rows = rows(&section);
    let told: BTreeSet<&str> = rows.iter().flat_map(|(names, _)| names.clone()).collect();
    assert_eq!(told, names(&config));
}
