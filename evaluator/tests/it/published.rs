//! Reproduces published verdicts: generations of Qwen2.5-Coder-1.5B and canonical solutions of every benchmark.
//!
//! They take minutes, and run only if `SCORE_PUBLISHED` is set and the publishers' files exist.

#![allow(clippy::print_stderr, reason = "a skipped test must print the reason")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use slm_benchmarks::{ScoringPhase, Task, TaskSet, Tests, load};

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

/// Writes the tasks of a release as the rows of the hub's data set: each task's calls as one test program. Rows with
/// lists are JSON Lines, since lists in parquet are written as text here.
fn write_hub_form(project: &Project, release: &TaskSet) -> &'static str {
    let phase = ScoringPhase::begin();
    let row = |task: &Task| {
        let view = task.view();
        let Tests::Calls(calls) = task.hidden().open(&phase) else {
            panic!("{}: no calls", view.task_id);
        };
        let inputs: Vec<&str> = calls
            .base
            .iter()
            .chain(calls.plus.iter().flatten())
            .map(String::as_str)
            .collect();
        let is_mbpp = view.task_id.starts_with("Mbpp/");
        let (head, indent, called) = if is_mbpp {
            ("", "", view.entry_point.as_str())
        } else {
            ("def check(candidate):\n", "    ", "candidate")
        };
        let test = format!(
            "import numpy as np\nfrom math import inf\n{head}{indent}inputs = [{}]\n{indent}results = [{}]\n{indent}for i, (inp, exp) in enumerate(zip(inputs, results)):\n{indent}    assertion({called}(*inp), exp, {})\n",
            inputs.join(", "),
            vec!["None"; inputs.len()].join(", "),
            calls.atol,
        );
        let solution = task.canonical_solution(&phase);
        let row = if is_mbpp {
            let text: Vec<&str> = view
                .prompt
                .trim()
                .trim_matches('"')
                .trim()
                .lines()
                .collect();
            let (first, text) = text.split_last().expect("a test after the text");
            let id: u32 = view.task_id["Mbpp/".len()..].parse().expect("a number");
            json!({
                "task_id": id, "code": solution, "prompt": text.join("\n"), "source_file": "",
                "test_imports": [], "test_list": [first], "test": test,
            })
        } else {
            json!({
                "task_id": view.task_id, "prompt": view.prompt, "canonical_solution": solution,
                "entry_point": view.entry_point, "test": test,
            })
        };
        row.as_object().expect("an object").clone()
    };
    let rows: Vec<_> = release.tasks.iter().map(row).collect();
    if release.benchmark == "humaneval+" {
        slm_table::write_parquet(&project.path("test.parquet"), &rows).expect("a parquet file");
        return "test.parquet";
    }
    project.write("test.jsonl", json_lines(&rows));
    "test.jsonl"
}

fn json_lines(rows: &[serde_json::Map<String, Value>]) -> String {
    let lines = rows.iter().map(|row| Value::from(row.clone()).to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// Checks the hub's form of a release: the same prompts, all canonical solutions pass, and no other verdict than by the
/// release on stubs and on published answers.
fn check_hub_form(benchmark: &str, file: &str, generations: &str, stubs_pass: &[&str]) {
    let Some(path) = data(file) else {
        return;
    };
    let project = Project::new();
    let release = load(benchmark, Some(&path)).expect("the publisher's file");
    let file = write_hub_form(&project, &release);
    let hub = load(benchmark, Some(&project.path(file))).expect("the hub's form");
    let prompts = |set: &TaskSet| -> Vec<String> {
        set.tasks
            .iter()
            .map(|task| task.view().prompt.clone())
            .collect()
    };
    assert_eq!(prompts(&hub), prompts(&release));
    check_solutions(&project, benchmark, file, hub.tasks.iter(), &[]);

    let stub = |task: &Task| {
        let text = format!("def {}(*_):\n    pass\n", task.view().entry_point);
        json!({"task_id": task.view().task_id, "solution": text}).to_string()
    };
    let stubs: Vec<String> = hub.tasks.iter().map(stub).collect();
    project.write("stubs.jsonl", stubs.join("\n"));
    let path = path.display().to_string();
    let generations = data(generations)
        .expect("one of the files")
        .display()
        .to_string();
    for samples in ["stubs.jsonl", &generations] {
        let by_hub = ours(&score(&project, benchmark, file, samples));
        let by_release = ours(&score(&project, benchmark, &path, samples));
        let passed = |all: &Verdicts, of: fn(&(bool, bool)) -> bool| -> Vec<String> {
            let passed = all.iter().filter(|(_, found)| of(found));
            passed.map(|(id, _)| id.clone()).collect()
        };
        let (by_hub, by_release) = (
            passed(&by_hub, |found| found.0),
            passed(&by_release, |found| found.0 && found.1),
        );
        eprintln!(
            "{benchmark}: {} of {} pass in both forms",
            by_hub.len(),
            hub.tasks.len()
        );
        assert_eq!(by_hub, by_release, "{benchmark}: {samples}");
        if samples == "stubs.jsonl" {
            assert_eq!(by_hub, stubs_pass, "{benchmark}");
        }
    }
}

#[test]
fn humaneval_plus_in_the_hubs_form_gets_the_verdicts_of_the_release() {
    check_hub_form(
        "humaneval+",
        "humanevalplus/HumanEvalPlus.jsonl.gz",
        "qwen-generations/1.5b-humaneval.jsonl.gz",
        &[],
    );
}

#[test]
fn mbpp_plus_in_the_hubs_form_gets_the_verdicts_of_the_release() {
    check_hub_form(
        "mbpp+",
        "mbppplus/MbppPlus-v0.1.0.jsonl.gz",
        "qwen-generations/1.5b-mbpp.jsonl.gz",
        // Its oracle accepts any result in place of a truth value, in the release too.
        &["Mbpp/164"],
    );
}

/// Divides a publisher's rows into files as on the hub, one for each part of the split.
#[test]
fn mbpp_and_humaneval_in_the_hubs_form_get_the_verdicts_of_the_publishers_files() {
    for (benchmark, file, subset) in [
        ("mbpp", "mbpp/mbpp.jsonl", "full"),
        ("mbpp-sanitized", "mbpp/sanitized-mbpp.json", "sanitized"),
        (
            "humaneval",
            "humaneval/HumanEval.jsonl.gz",
            "openai_humaneval",
        ),
    ] {
        let Some(path) = data(file) else {
            return;
        };
        let project = Project::new();
        let mut parts: BTreeMap<&str, Vec<serde_json::Map<String, Value>>> = BTreeMap::new();
        for row in slm_table::open(&path).expect("a file") {
            let row = row.expect("a row").fields;
            let part = match row["task_id"].as_u64() {
                Some(1..=10) => "prompt",
                Some(511..=600) => "validation",
                Some(601..) => "train",
                _ => "test",
            };
            parts.entry(part).or_default().push(row);
        }
        for (part, rows) in &parts {
            let file = format!("data/{subset}/{part}-00000-of-00001.jsonl");
            project.write(&file, json_lines(rows));
        }
        let of_file = load(benchmark, Some(&path)).expect("the publisher's file");
        let of_hub = load(benchmark, Some(&project.path("data"))).expect("the hub's form");
        let by_id = |set: &TaskSet| -> BTreeMap<String, Task> {
            let tasks = set.tasks.iter();
            tasks
                .map(|task| (task.view().task_id.clone(), task.clone()))
                .collect()
        };
        // Equal tasks have equal hidden tests, so their verdicts are equal, too.
        assert_eq!(by_id(&of_hub), by_id(&of_file), "{benchmark}");
        check_solutions(&project, benchmark, "data", of_hub.tasks.iter(), &[]);
    }
}
