//! Reproduces published verdicts: generations of Qwen2.5-Coder-1.5B and canonical solutions of every benchmark.
//!
//! They take minutes, and run only if `SCORE_PUBLISHED` is set and the publishers' files exist.

#![allow(clippy::print_stderr, reason = "a skipped test must print the reason")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use slm_benchmarks::{ScoringPhase, Task, load};

use crate::score::score_command;
use crate::support::{Project, finish};

/// Returns a file of the shared data folder, or prints why these tests are skipped.
fn data(file: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(file);
    if std::env::var_os("SCORE_PUBLISHED").is_none() {
        eprintln!("skipped: SCORE_PUBLISHED is not set");
        return None;
    }
    if !path.exists() {
        eprintln!("skipped: {file} is missing");
        return None;
    }
    Some(path)
}

/// Scores samples, and returns the document, regardless of the exit code.
fn score(project: &Project, benchmark: &str, data: &str, samples: &str) -> Value {
    let finished = finish(&mut score_command(project, benchmark, data, samples));
    assert!(matches!(finished.code, Some(0 | 3)), "{}", finished.stderr);
    eprintln!("{}", finished.stderr);
    serde_json::from_str(&finished.stdout).expect("one JSON document")
}

/// Tasks by id, with base and plus verdicts, true for passed.
type Verdicts = BTreeMap<String, (bool, bool)>;

fn ours(document: &Value) -> Verdicts {
    let samples = document["samples"].as_array().expect("samples");
    let passed = |value: &Value| value == "passed";
    samples
        .iter()
        .map(|s| {
            (
                s["task_id"].as_str().expect("an id").to_owned(),
                (passed(&s["base"]), passed(&s["plus"])),
            )
        })
        .collect()
}

/// The publisher's verdicts, with plus only where base passes.
fn published(file: &str) -> Option<Verdicts> {
    let lines = slm_table::lines(&data(file)?).expect("a readable file");
    let text: String = lines.map(|line| line.expect("text").1).collect();
    let results: Value = serde_json::from_str(&text).expect("JSON");
    let passed = |value: &Value| value == "pass";
    let verdict = |found: &Value| {
        let base = passed(&found[0]["base_status"]);
        (base, base && passed(&found[0]["plus_status"]))
    };
    let tasks = results["eval"].as_object().expect("tasks");
    Some(
        tasks
            .iter()
            .map(|(id, found)| (id.clone(), verdict(found)))
            .collect(),
    )
}

fn counts(verdicts: &Verdicts) -> (usize, usize) {
    let count = |of: fn(&(bool, bool)) -> bool| verdicts.values().filter(|found| of(found)).count();
    (count(|found| found.0), count(|found| found.1))
}

#[test]
fn the_verdicts_on_humaneval_are_those_published() {
    let Some(published) = published("qwen-generations/1.5b-humaneval-res.json.gz") else {
        return;
    };
    assert_eq!(counts(&published), (72, 60));
    let project = Project::new();
    let path = |file: &str| data(file).expect("one of the files").display().to_string();
    let samples = path("qwen-generations/1.5b-humaneval.jsonl.gz");
    let humaneval = ours(&score(
        &project,
        "humaneval",
        &path("humaneval/HumanEval.jsonl.gz"),
        &samples,
    ));
    for (id, found) in &humaneval {
        assert_eq!(found.0, published[id].0, "{id}");
    }
    let plus = ours(&score(
        &project,
        "humaneval+",
        &path("humanevalplus/HumanEvalPlus.jsonl.gz"),
        &samples,
    ));
    let differing: Vec<&String> = plus
        .iter()
        .filter(|(id, found)| **found != published[*id])
        .map(|(id, _)| id)
        .collect();
    // The verdicts come from version 0.1.9 of the data.
    assert_eq!(differing, Vec::<&String>::new());
}

#[test]
fn the_verdicts_on_mbpp_are_those_published() {
    let Some(published) = published("qwen-generations/1.5b-mbpp-res.json.gz") else {
        return;
    };
    assert_eq!(counts(&published), (276, 234));
    let project = Project::new();
    let path = |file: &str| data(file).expect("one of the files").display().to_string();
    let samples = path("qwen-generations/1.5b-mbpp.jsonl.gz");
    let found = ours(&score(
        &project,
        "mbpp+",
        &path("mbppplus/MbppPlus-v0.1.0.jsonl.gz"),
        &samples,
    ));
    // The answer to Mbpp/579 makes a tuple of a set with the same expression as the canonical solution. For texts its
    // order depends on the hash seed, which Python randomises in each process. The published verdict compares with
    // results that an earlier process had stored: it failed on the first input of texts, where the orders differ.
    // Here, both run with one seed. Release 0.2.0 compares the results of this task as sets. (The canonical solutions
    // of Mbpp/2, 249, 579 and 769 give other results with another seed; no answer to any of these passed.)
    let differing: Vec<&str> = found
        .iter()
        .filter(|(id, found)| **found != published[*id])
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(differing, ["Mbpp/579"]);
    assert_eq!(
        (found["Mbpp/579"], counts(&found)),
        ((true, true), (276, 235))
    );
    assert_eq!(found.len(), published.len());
}

/// Tasks whose canonical solutions do not pass, each with the reason.
type Failing<'a> = &'a [(&'a str, &'a str)];

/// Scores the canonical solutions of `tasks` by a file of tests: all pass except those listed. One that needs a
/// package which is not installed is reported and skipped.
fn check_solutions<'a>(
    project: &Project,
    benchmark: &str,
    data: &str,
    tasks: impl Iterator<Item = &'a Task>,
    failing: Failing,
) {
    let phase = ScoringPhase::begin();
    let sample = |task: &Task| {
        json!({"task_id": task.view().task_id, "completion": task.canonical_solution(&phase)})
            .to_string()
    };
    let samples: Vec<String> = tasks.map(sample).collect();
    project.write("canonical.jsonl", samples.join("\n"));
    let found = score(project, benchmark, data, "canonical.jsonl");
    let has_plus = found["pass_at_k"]["plus"] != Value::Null;
    let mut failed = Vec::new();
    for sample in found["samples"].as_array().expect("samples") {
        if sample["base"] == "passed" && (!has_plus || sample["plus"] == "passed") {
            continue;
        }
        eprintln!("{sample}");
        let unscored = sample["unscored"].as_str().unwrap_or_default();
        if !unscored.contains("needs the Python package") {
            failed.push(sample["task_id"].as_str().expect("an id"));
        }
    }
    let n = samples.len();
    failed.retain(|id| {
        BY_MACHINE
            .iter()
            .all(|(passing_or_not, _)| id != passing_or_not)
    });
    let expected: Vec<&str> = failing.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        failed,
        expected,
        "{benchmark}: {} of {n} fail",
        failed.len()
    );
}

/// Scores all canonical solutions of a benchmark, as continuations of the prompt, by its hidden tests.
fn check_canonical(benchmark: &str, file: &str, failing: Failing) {
    let Some(path) = data(file) else {
        return;
    };
    let set = load(benchmark, Some(&path)).expect("the publisher's file");
    let path = path.display().to_string();
    check_solutions(&Project::new(), benchmark, &path, set.tasks.iter(), failing);
}

/// Scores canonical solutions by the examples that a workflow may see, as custom tasks.
fn check_examples(benchmark: &str, file: &str, failing: Failing) {
    let Some(path) = data(file) else {
        return;
    };
    let set = load(benchmark, Some(&path)).expect("the publisher's file");
    let has_examples = |task: &&Task| !task.view().public_examples.is_empty();
    let tasks = || set.tasks.iter().filter(has_examples);
    let own = |task: &Task| {
        let view = task.view();
        json!({
            "task_id": view.task_id, "prompt": view.prompt, "entry_point": view.entry_point,
            "tests": view.public_examples,
        })
        .to_string()
    };
    let project = Project::new();
    project.write(
        "tasks.jsonl",
        tasks().map(own).collect::<Vec<_>>().join("\n"),
    );
    check_solutions(&project, "custom", "tasks.jsonl", tasks(), failing);
}

const CLASSEVAL: Failing = &[
    (
        "ClassEval_17",
        "its test expects a day of January 2024 to be in the future",
    ),
    (
        "ClassEval_22",
        "the skeleton is no Python: a docstring has no end",
    ),
    (
        "ClassEval_43",
        "the skeleton is no Python: typographic quotation marks",
    ),
    (
        "ClassEval_46",
        "the skeleton is no Python: typographic quotation marks",
    ),
];

/// Tasks that pass only on some machines.
const BY_MACHINE: Failing = &[
    (
        "ClassEval_35",
        "its tests take 14 s of processor time on a slow machine, and the limit is 10",
    ),
    (
        "ClassEval_48",
        "its test knows the name of its author's computer; without the package netifaces it is not scored",
    ),
];

/// Tasks whose own examples are wrong.
const EXAMPLES: Failing = &[
    (
        "HumanEval/47",
        "the median of -10, 4, 6, 10, 20, 1000 is 8.0, not 15.0",
    ),
    ("HumanEval/116", "one of its examples has no `==`"),
];

#[test]
fn canonical_solutions_pass_where_their_publishers_do() {
    check_canonical("humaneval", "humaneval/HumanEval.jsonl.gz", &[]);
    check_canonical("humaneval+", "humanevalplus/HumanEvalPlus.jsonl.gz", &[]);
    check_canonical("mbpp", "mbpp/mbpp.jsonl", &[]);
    check_canonical("mbpp-sanitized", "mbpp/sanitized-mbpp.json", &[]);
    check_canonical("mbpp+", "mbppplus/MbppPlus-NoExtreme.jsonl.gz", &[]);
    check_canonical("mbpp+", "mbppplus/MbppPlus-v0.1.0.jsonl.gz", &[]);
    check_canonical(
        "leetcode",
        "leetcode/LeetCodeDataset-v0.2.0-test.jsonl.gz",
        &[],
    );
}

#[test]
fn canonical_solutions_of_classes_pass_where_their_skeletons_are_python() {
    check_canonical("classeval", "classeval/ClassEval_data.json", CLASSEVAL);
}

#[test]
fn examples_that_workflows_may_see_are_right() {
    check_examples("humaneval", "humaneval/HumanEval.jsonl.gz", EXAMPLES);
    check_examples("mbpp-sanitized", "mbpp/sanitized-mbpp.json", &[]);
}
