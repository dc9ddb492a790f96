//! `sweep`, `workflows`, `hypotheses` and `report` on a tiny model and three tasks: what they generate, share and
//! repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::endpoint::{project, run_of};
use crate::support::{Finished, Project, finish, says};

const TASKS: usize = 3;

/// Points of the grid, the recipe's own sampling among them.
const POINTS: usize = 3;

/// Workflows of H3.
const WORKFLOWS: usize = 7;

/// Runs a command of an experiment with answers of a few tokens on the small benchmark.
fn experiment(project: &Project, words: &[&str]) -> Finished {
    let settings = [
        "evaluate.benchmarks=[{name: custom, path: tasks.jsonl}]",
        "evaluate.max_new_tokens=8",
        "evaluate.rounds=1",
        "evaluate.samples=2",
        "evaluate.sweep={temperatures: [0.0, 0.5], top_p: [0.9, 1.0], samples_per_task: 2}",
    ];
    let mut words = words.to_vec();
    words.extend(["--device", "cpu"]);
    words.extend(settings.iter().flat_map(|set| ["--set", set]));
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// Arm, workflow and decoding of each record, and the number of records.
fn cells(run: &Path) -> (BTreeSet<String>, usize) {
    let text = fs::read_to_string(run.join("records.jsonl")).expect("records");
    let cell = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("a line of JSON");
        assert_eq!(record["benchmark"], "custom");
        format!(
            "{} {} {}",
            record["arm"], record["workflow"], record["decoding"]
        )
    };
    (text.lines().map(cell).collect(), text.lines().count())
}

#[test]
fn a_sweep_answers_at_every_point_and_its_report_is_made_again_without_a_model() {
    let project = project(TASKS);
    let printed = experiment(&project, &["sweep", "--recipe", "tiny.yaml"]).result();
    let run = run_of(&project, &printed);
    let (found, records) = cells(&run);
    assert_eq!(found.len(), POINTS, "{found:?}");
    assert_eq!(
        records,
        TASKS * (1 + 2 * (POINTS - 1)),
        "one greedy answer, two others"
    );
    assert!(
        found
            .iter()
            .all(|cell| cell.starts_with("\"base\" \"single\""))
    );
    let summary = json(&run.join("summary.json"));
    assert_eq!(summary["claims"][0]["hypothesis"], "h2");
    assert!(run.join("pictures/sweep.svg").is_file());
    let rows = slm_table::open(&run.join("samples.parquet")).expect("a table");
    assert_eq!(rows.count(), records);

    let files = [
        "report.md",
        "summary.json",
        "pictures/sweep.svg",
        "samples.parquet",
    ];
    let before = files.map(|file| fs::read(run.join(file)).expect("a file"));
    fs::remove_dir_all(project.path("model")).expect("a model");
    fs::remove_file(run.join("report.md")).expect("a report");
    let name = run.file_name().expect("a name").to_string_lossy();
    let report = |words: &[&str]| {
        let words = [&["report", &*name], words].concat();
        finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words)).result()
    };
    assert_eq!(report(&[]), printed);
    let after = files.map(|file| fs::read(run.join(file)).expect("a file"));
    assert!(before == after, "the report differs");
    let document: Value = serde_json::from_str(&report(&["--json"])).expect("one JSON document");
    assert_eq!(document, summary);
    project.assert_no_parts();
}

#[test]
fn workflows_are_compared_on_the_adapter_that_is_named() {
    let project = project(TASKS);
    let printed = experiment(&project, &["workflows", "checkpoints/tiny/adapter"]).result();
    let run = run_of(&project, &printed);
    let (found, records) = cells(&run);
    assert_eq!(
        (found.len(), records),
        (WORKFLOWS, WORKFLOWS * TASKS),
        "{found:?}"
    );
    assert!(found.iter().all(|cell| cell.starts_with("\"tiny\"")));
    let info = json(&run.join("run.json"));
    let command = info["command"].as_str().expect("a command");
    says(
        command,
        &["evaluator workflows checkpoints/tiny/adapter --set"],
    );
    let report = fs::read_to_string(run.join("report.md")).expect("a report");
    says(
        &report,
        &[
            "> **H3 ",
            "pictures/workflows.svg",
            "`multi_agent` less `reflection`",
        ],
    );
}

#[test]
fn all_hypotheses_share_cells_and_a_second_start_makes_nothing_twice() {
    let project = project(TASKS);
    let printed = experiment(&project, &["hypotheses"]).result();
    let run = run_of(&project, &printed);
    let (found, records) = cells(&run);
    // Base model and adapter; the grid but for the reference; the workflows but for `single`.
    assert_eq!(found.len(), 2 + (POINTS - 1) + (WORKFLOWS - 1), "{found:?}");
    let summary = json(&run.join("summary.json"));
    let claims = summary["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), 4);
    let before = fs::read(run.join("trajectory.jsonl")).expect("a log");
    let again = experiment(&project, &["hypotheses"]);
    says(
        &again.stderr,
        &[
            "base single: all answers exist already",
            "base single temperature 0.5, top-p 0.9: all answers exist already",
            "base multi_agent_blind: all answers exist already",
        ],
    );
    assert_eq!(again.result(), printed);
    assert_eq!(
        fs::read(run.join("trajectory.jsonl")).expect("a log"),
        before
    );
    assert_eq!(cells(&run).1, records);
}

/// The calls of a workflow, by task and step: text, prompt and completion tokens, and whether the answer was reused.
fn calls(run: &Path, workflow: &str) -> BTreeMap<String, (String, String, bool)> {
    let log = fs::read_to_string(run.join("trajectory.jsonl")).expect("a log");
    let steps = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"));
    let calls = steps.filter_map(|step: Value| {
        let (key, call) = (&step["trajectory"], &step["what"]["call"]);
        if key["workflow"] != workflow || call.is_null() {
            return None;
        }
        let tokens = format!("{} {}", call["prompt_tokens"], call["completion_tokens"]);
        let reused = call["measured"]["reused"] == true;
        let place = format!("{} {} {}", key["arm"], key["task_id"], step["step"]);
        Some((place, (call["text"].to_string(), tokens, reused)))
    });
    calls.collect()
}

#[test]
fn equal_greedy_calls_of_a_run_are_answered_once() {
    let project = project(TASKS);
    let compare = |workflows: &str| {
        let adapter = "checkpoints/tiny/adapter";
        let printed = experiment(&project, &["compare", adapter, "--set", workflows]).result();
        run_of(&project, &printed)
    };
    let alone = calls(&compare("evaluate.workflows=[reflection]"), "reflection");
    assert!(alone.values().all(|(.., reused)| !reused), "{alone:?}");
    let run = compare("evaluate.workflows=[single, reflection]");
    assert!(calls(&run, "single").values().all(|(.., reused)| !reused));
    let after = calls(&run, "reflection");
    let texts = |calls: &BTreeMap<String, (String, String, bool)>| -> Vec<_> {
        let of = calls.iter();
        of.map(|(place, (text, tokens, _))| (place.clone(), text.clone(), tokens.clone()))
            .collect()
    };
    assert_eq!(texts(&after), texts(&alone));
    // The first request is that of `single`, of each task and arm.
    for (place, (.., reused)) in &after {
        assert_eq!(*reused, place.ends_with(" 0"), "{place}");
    }
    let records = fs::read_to_string(run.join("records.jsonl")).expect("records");
    for line in records.lines() {
        let record: Value = serde_json::from_str(line).expect("a line of JSON");
        let (all, reused) = (&record["generation_s"], record["reused_s"].as_f64());
        if record["workflow"] == "single" {
            assert_eq!(reused, None, "{record}");
        } else {
            let (all, reused) = (all.as_f64().expect("a time"), reused.expect("a time"));
            assert!(0.0 < reused && reused < all, "{record}");
        }
    }
    let report = fs::read_to_string(run.join("report.md")).expect("a report");
    says(
        &report,
        &["reused by later equal calls", "| reused calls |"],
    );

    // As after an interruption between the workflows: the answers of the first are in the log alone.
    for file in ["trajectory.jsonl", "records.jsonl"] {
        let text = fs::read_to_string(run.join(file)).expect("a file");
        let is_of_single = |line: &&str| line.contains("\"workflow\":\"single\"");
        let kept: Vec<&str> = text.lines().filter(is_of_single).collect();
        let kept = kept.join("\n") + "\n";
        assert!(kept.len() > 1 && kept.len() < text.len(), "{file}");
        fs::write(run.join(file), kept).expect("a file");
    }
    assert_eq!(compare("evaluate.workflows=[single, reflection]"), run);
    let continued = calls(&run, "reflection");
    assert_eq!(texts(&continued), texts(&alone));
    for (place, (.., reused)) in &continued {
        assert_eq!(*reused, place.ends_with(" 0"), "{place}");
    }
}

#[test]
fn a_search_runs_on_the_built_in_model() {
    let project = project(TASKS);
    let words = [
        "compare",
        "--base-only",
        "--recipe",
        "tiny.yaml",
        "--set",
        "evaluate.workflows=[beam]",
        "--set",
        "evaluate.beam={n: 2, beam_width: 2, num_iterations: 3}",
        "--set",
        "evaluate.budget.calls=64",
    ];
    let run = run_of(&project, &experiment(&project, &words).result());
    let log = fs::read_to_string(run.join("trajectory.jsonl")).expect("a log");
    let steps = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"));
    let steps: Vec<Value> = steps.collect();
    let calls = steps.iter().filter_map(|step| step["what"].get("call"));
    let mut statements = 0;
    for call in calls {
        assert_eq!(call["expects"], "statement", "{call}");
        let sum = call["log_probability"].as_f64().expect("a number");
        let tokens = call["log_probability_tokens"].as_u64().expect("a number");
        assert!(
            sum <= 0.0 && tokens <= call["completion_tokens"].as_u64().expect("a number") + 1,
            "{call}"
        );
        statements += 1;
    }
    assert!(
        statements >= 4 * TASKS,
        "each task begins with four: {statements}"
    );
}

#[test]
fn two_adapters_of_one_recipe_are_told_apart() {
    let project = project(TASKS);
    let adapter = "checkpoints/tiny/adapter";
    crate::copy_folder(
        &project.path(adapter),
        &project.path("checkpoints/other/adapter"),
    );
    let declared = "evaluate.hypotheses=[{id: h1, metric: maintainability_index, effect: 3}, {id: h1, metric: mi_code, effect: 3}]";
    let words = [
        "compare",
        adapter,
        "checkpoints/other/adapter",
        "--json",
        "--set",
        declared,
    ];
    let document: Value =
        serde_json::from_str(&experiment(&project, &words).result()).expect("JSON");
    let arms = document["findings"]["h1"]["arms"].as_array().expect("arms");
    let names: Vec<&str> = arms.iter().filter_map(|arm| arm["name"].as_str()).collect();
    assert_eq!(names, ["base", "tiny", "tiny-2"]);
    assert_eq!(document["claims"].as_array().map(Vec::len), Some(4));
    for row in document["hypotheses"].as_array().expect("rows") {
        assert_eq!(row["declared"], "recipe", "{row}");
    }
}

#[test]
fn what_is_missing_is_told_before_the_model_is_loaded() {
    let project = project(TASKS);
    for (words, parts) in [
        (
            &["sweep"][..],
            [
                "no recipe for the evaluation of the base model",
                "hint: choose one with --recipe",
            ],
        ),
        (
            &[
                "sweep",
                "--recipe",
                "tiny.yaml",
                "--set",
                "evaluate.hypotheses=[]",
            ],
            [
                "`evaluator sweep` tests h2",
                "hint: add an item with `id: h2`",
            ],
        ),
        (
            &[
                "workflows",
                "--recipe",
                "tiny.yaml",
                "--set",
                "evaluate.budget.calls=1",
            ],
            [
                "but multi_agent needs 2 calls",
                "hint: --set evaluate.budget.calls=16",
            ],
        ),
    ] {
        says(&experiment(&project, words).error(2), &parts);
    }
    let words = ["report", "nowhere"];
    let finished = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words));
    says(&finished.error(2), &["nowhere: no such run", "hint: "]);
    project.write("reports/old/run.json", "{\"version\": 2}\n");
    let finished =
        finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &["report", "old"]));
    says(
        &finished.error(1),
        &[
            "run.json: version 2, but this program reads 3 to 7",
            "hint: an earlier version of this program wrote it",
        ],
    );
}
