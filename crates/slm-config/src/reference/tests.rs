//! The table of keys against the structs, the checks, the schema and the page.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value as Json;

use super::Reference;
use super::defaults::Defaults;
use crate::RecipeError;
use crate::benchmark::Benchmark;
use crate::node::{KeyPath, Node, Value};
use crate::recipe::Recipe;
use crate::schema::{Kind, Row, rows};

const BENCHMARKS: &[&str] = &["x", "embedded"];

/// A recipe in which every section and every list has an entry, as one `--set` argument for each.
const FULL: [&str; 9] = [
    "model={name_or_path: x}",
    "data.datasets=[{path: x, format: fim, fim_tokens: {prefix: a, suffix: b, middle: c}}]",
    "evaluate.endpoint={url: 'http://x'}",
    "evaluate.speakers={reviewer: teacher}",
    "evaluate.teacher={url: 'http://x', model: x}",
    "evaluate.benchmarks=[{name: x}]",
    "evaluate.hypotheses=[{id: h1, metric: mi_code, workflow: single, effect: -1}]",
    "evaluate.sampling.temperature=0.5",
    "improve.tasks=[{name: x}]",
];

/// The error of a full recipe with one more setting, if there is one.
fn with(path: &str, value: &str) -> Result<Recipe, RecipeError> {
    let path = path.replace("[]", "[0]");
    let sets: Vec<String> = FULL
        .iter()
        .map(|set| (*set).to_owned())
        .chain([format!("{path}={value}")])
        .collect();
    Recipe::parse("lora: {}", Path::new("r.yaml"), &sets, BENCHMARKS)
}

fn key_paths(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", entry.key);
                found.insert(path.clone());
                key_paths(&entry.value, &path, found);
            }
        }
        Value::List(items) => {
            for item in items {
                key_paths(item, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_table_has_the_keys_of_the_structs() {
    let recipe = with("name", "x").expect("a recipe");
    let mut structs = BTreeSet::new();
    key_paths(&crate::yaml::to_node(&recipe), "", &mut structs);
    // The names of columns and of adapters are values.
    structs.retain(|path| !path.starts_with("data.datasets[].columns."));
    // Roles are keys of a mapping.
    structs.retain(|path| !path.starts_with("evaluate.speakers."));
    let mut table: BTreeSet<String> = rows(Recipe::KEYS).into_iter().map(|row| row.path).collect();
    // A benchmark without a file is written as its name alone.
    let keys = Benchmark::KEYS.iter().map(|key| key.name);
    for name in keys {
        table.remove(&format!("evaluate.benchmarks[].{name}"));
        table.remove(&format!("improve.tasks[].{name}"));
    }
    assert_eq!(structs, table);
}

#[test]
fn the_words_of_the_table_are_those_that_a_recipe_may_hold() {
    for row in rows(Recipe::KEYS) {
        let Kind::Word(words) = row.key.kind else {
            continue;
        };
        let error = with(&row.path, "no-such-word")
            .expect_err("no such word")
            .to_string();
        for word in words() {
            for name in [word.name].into_iter().chain(word.aliases.iter().copied()) {
                assert!(
                    error.contains(&format!("`{name}`")),
                    "{}: {error}",
                    row.path
                );
            }
        }
        let accepted = error.matches('`').count() / 2 - 1;
        let listed: usize = words().iter().map(|word| 1 + word.aliases.len()).sum();
        assert_eq!(accepted, listed, "{}: {error}", row.path);
    }
}

/// A key with a range: a value just below it and one just above it, each with the text of a refusal.
fn outside(kind: &Kind) -> Vec<String> {
    use std::ops::Bound;
    match kind {
        Kind::Int(least, most) => {
            let below = least.checked_sub(1).map(|n| n.to_string());
            let below = below.unwrap_or_else(|| "-1".to_owned());
            vec![below, (most + 1).to_string()]
        }
        Kind::Float(low, high) => {
            let end = |bound: &Bound<f64>, sign: f64| match bound {
                Bound::Excluded(at) => Some(format!("{at:?}")),
                Bound::Included(at) => Some(format!("{:?}", at + sign * (at.abs() * 1e-9 + 1e-9))),
                Bound::Unbounded => None,
            };
            let ends = [end(low, -1.0), end(high, 1.0)];
            ends.into_iter()
                .flatten()
                .chain([".nan".to_owned()])
                .collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn a_range_of_the_table_is_that_of_check_hint_schema_and_page() {
    let reference = Reference::new(BENCHMARKS);
    let schema: Json = serde_json::from_str(&reference.json_schema()).expect("JSON");
    let page = reference.page();
    let mut ranges = 0;
    for row in rows(Recipe::KEYS) {
        let values = outside(&row.key.kind);
        if values.is_empty() {
            continue;
        }
        ranges += 1;
        let allowed = row.key.kind.allowed();
        for value in values {
            let text = with(&row.path, &value)
                .expect_err("out of range")
                .to_string();
            assert!(text.contains(&allowed), "{}={value}: {text}", row.path);
        }
        let property = property(&schema, &row.path);
        match row.key.kind {
            Kind::Int(least, most) => {
                assert_eq!(property["minimum"], least, "{}", row.path);
                assert_eq!(property["maximum"], most, "{}", row.path);
            }
            _ => assert!(
                ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"]
                    .iter()
                    .any(|key| property[key].is_number()),
                "{}: {property}",
                row.path
            ),
        }
        assert!(page.contains(&allowed), "{}: {allowed}", row.path);
        let entry = reference.explain(&row.path).expect("a known key");
        assert!(entry.contains(&allowed), "{entry}");
    }
    assert!(ranges > 40, "{ranges}");
}

/// The schema of a key.
fn property<'j>(schema: &'j Json, path: &str) -> &'j Json {
    path.split('.').fold(schema, |schema, step| {
        let name = step.trim_end_matches("[]");
        let property = &schema["properties"][name];
        if step.ends_with("[]") {
            let items = &property["items"];
            // Of several forms of an item, the one with keys.
            let forms = items["anyOf"].as_array().into_iter().flatten();
            let mut with_keys = forms.filter(|form| form["properties"].is_object());
            with_keys.next().unwrap_or(items)
        } else {
            property
        }
    })
}

#[test]
fn a_default_is_what_a_recipe_without_the_key_has() {
    let defaults = Defaults::new();
    for row in rows(Recipe::KEYS) {
        if defaults.is_required(&row) {
            assert!(row.key.absent.is_none(), "{}", row.path);
        } else if let Kind::Section(_) | Kind::Sections(_) = row.key.kind {
        } else {
            assert!(defaults.of(&row).is_some(), "{} has no default", row.path);
        }
    }
    let required: Vec<_> = rows(Recipe::KEYS)
        .into_iter()
        .filter(|row| defaults.is_required(row) && !matches!(row.key.kind, Kind::Section(_)))
        .map(|row| row.path)
        .collect();
    let expected = [
        "model.name_or_path",
        "data.datasets[].path",
        "data.datasets[].format",
        "data.datasets[].fim_tokens.prefix",
        "data.datasets[].fim_tokens.suffix",
        "data.datasets[].fim_tokens.middle",
        "evaluate.benchmarks[].name",
        "evaluate.teacher.url",
        "evaluate.teacher.model",
        "evaluate.endpoint.url",
        "evaluate.hypotheses[].id",
        "evaluate.hypotheses[].metric",
        "evaluate.hypotheses[].effect",
        "improve.tasks[].name",
    ];
    assert_eq!(required, expected);
}

/// The words of a sentence, without those that carry no meaning.
fn meaning(text: &str) -> BTreeSet<String> {
    const EMPTY: [&str; 12] = [
        "a", "an", "the", "of", "in", "to", "and", "or", "for", "is", "are", "number",
    ];
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !EMPTY.contains(word))
        .map(|word| word.trim_end_matches('s').to_owned())
        .collect()
}

#[test]
fn every_sentence_says_more_than_its_key() {
    let mut empty = Vec::new();
    let mut check = |row: &Row, name: &str, sentence: &str| {
        assert!(sentence.ends_with('.'), "{}: {sentence}", row.path);
        let own = meaning(&format!("{} {name}", row.path));
        let said = meaning(sentence);
        if said.difference(&own).count() == 0 {
            empty.push(format!("{} {name}: `{sentence}`", row.path));
        }
    };
    for row in rows(Recipe::KEYS) {
        // A section's name needs no more; its keys explain it.
        if matches!(row.key.kind, Kind::Section(_) | Kind::Sections(_)) {
            continue;
        }
        check(&row, "", &row.sentences());
        for word in super::page::words_of(&row.key.kind) {
            check(&row, word.name, &crate::schema::one_line(word.doc));
        }
    }
    assert!(empty.is_empty(), "these only repeat their keys: {empty:#?}");
}

#[test]
fn a_sentence_that_only_repeats_its_key_would_be_found() {
    let own = meaning("train.weight_decay");
    assert_eq!(meaning("The weight decay.").difference(&own).count(), 0);
}

#[test]
fn a_key_is_explained_by_path_section_alias_or_name() {
    let reference = Reference::new(BENCHMARKS);
    let explain = |name: &str| reference.explain(name).map_err(|error| error.to_string());
    for name in ["lora.r", "lora_rank", "lora.lora_r"] {
        let text = explain(name).expect("a key");
        assert!(text.starts_with("lora.r\n"), "{text}");
        assert!(text.contains("type: whole number, 1 to 1024"), "{text}");
        assert!(text.contains("default: 8"), "{text}");
    }
    let section = explain("lora").expect("a section");
    assert!(section.contains("lora.lora_alpha\n"), "{section}");
    let path = explain("data.datasets[0].path").expect("a key of an item");
    assert!(path.contains("    required"), "{path}");
    let twice = explain("seed").expect("two keys");
    assert!(
        twice.contains("train.seed\n") && twice.contains("evaluate.sampling.seed\n"),
        "{twice}"
    );
    for (name, hint) in [
        ("train.learning_rat", "did you mean `train.learning_rate`?"),
        ("learning_rat", "did you mean `train.learning_rate`?"),
        (
            "load_in_4bit",
            "the key for this is `model.quantization: q4`",
        ),
        ("zzz", "`trainer recipe` lists all keys"),
    ] {
        let text = explain(name).expect_err("no key");
        assert!(text.contains(hint), "{name}: {text}");
    }
    let overview = reference.overview();
    assert!(overview.contains("evaluate.sweep.top_p"), "{overview}");
}

#[test]
fn every_alias_means_its_key() {
    let mut aliases = 0;
    for row in rows(Recipe::KEYS) {
        for alias in row.key.aliases {
            aliases += 1;
            let section = row.section();
            let text = with(&format!("{section}.{alias}"), "no-such-value")
                .map_or_else(|error| error.to_string(), |recipe| recipe.to_yaml());
            assert!(
                !text.contains("unknown key"),
                "{}: {alias}: {text}",
                row.path
            );
            let named = text.contains(&row.path.replace("[]", "[0]"));
            assert!(
                named || text.contains("no-such-value"),
                "{}: {alias}: {text}",
                row.path
            );
        }
    }
    assert!(aliases > 25, "{aliases}");
}

#[test]
fn every_path_of_the_table_can_be_parsed() {
    for row in rows(Recipe::KEYS) {
        let path = row.path.replace("[]", "[0]");
        assert!(KeyPath::parse(&path).is_some(), "{path}");
    }
}
