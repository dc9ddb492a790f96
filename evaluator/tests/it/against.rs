//! `evaluator report RUN --against RUN`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Finished, Project, copy_folder, finish, says};

fn report(project: &Project, words: &[&str]) -> Finished {
    let words = [&["report"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

/// A project with the published example as the runs `first` and `second`.
fn example_twice() -> Project {
    let project = Project::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/example");
    for name in ["first", "second"] {
        copy_folder(&from, &project.path(name));
    }
    project
}

fn compared(project: &Project, words: &[&str]) -> Value {
    let text = report(project, &[words, &["--json"]].concat()).result();
    serde_json::from_str(&text).expect("one JSON document")
}

fn records(project: &Project, run: &str) -> Vec<Value> {
    let text = project.read(&format!("{run}/records.jsonl"));
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

fn write_records(project: &Project, run: &str, records: &[Value]) {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    project.write(&format!("{run}/records.jsonl"), lines.join("\n") + "\n");
}

fn change_run(project: &Project, run: &str, change: impl FnOnce(&mut Value)) {
    let file = format!("{run}/run.json");
    let mut info: Value = serde_json::from_str(&project.read(&file)).expect("JSON");
    change(&mut info);
    project.write(&file, info.to_string());
}

/// The difference of a metric in a cell.
fn difference(cell: &Value, metric: &str) -> f64 {
    let contrasts = cell["contrasts"].as_array().expect("contrasts");
    let found = contrasts.iter().find(|of| of["metric"] == metric);
    found.expect("the metric")["difference"]
        .as_f64()
        .expect("a number")
}

#[test]
fn a_run_against_itself_has_no_difference_in_any_cell() {
    let project = example_twice();
    let before = project.read("first/report.md");
    let text = report(&project, &["first", "--against", "second"]).result();
    says(
        &text,
        &["The runs have the same settings.", "| Pass rate (%) |"],
    );
    let found = compared(&project, &["first", "--against", "second"]);
    assert_eq!(found["settings"], json!([]));
    let info: Value = serde_json::from_str(&project.read("first/run.json")).expect("JSON");
    let cells = found["cells"].as_array().expect("cells");
    assert_eq!(
        cells.len(),
        info["plan"]["cells"].as_array().expect("cells").len()
    );
    for cell in cells {
        assert!(difference(cell, "pass_rate").abs() < 1e-12, "{cell}");
        let same = &cell["same_text"];
        assert_eq!(same["same"], same["of"], "{same}");
    }
    assert_eq!(project.read("first/report.md"), before);
}

#[test]
fn one_more_task_that_is_solved_is_one_of_the_tasks_in_its_cell_alone() {
    let project = example_twice();
    let mut all = records(&project, "first");
    let is_failed = |record: &&mut Value| record["verdict"] == "failed";
    let failed = all.iter_mut().find(is_failed).expect("a failed program");
    failed["verdict"] = json!("passed");
    failed["tests_passed"] = failed["tests_total"].clone();
    let (arm, workflow) = (failed["arm"].clone(), failed["workflow"].clone());
    let decoding = failed["decoding"].clone();
    write_records(&project, "first", &all);
    let found = compared(&project, &["first", "--against", "second"]);
    let mut changed = 0;
    for cell in found["cells"].as_array().expect("cells") {
        let solved = &cell["solved"];
        let name = cell["other"]["name"].as_str().expect("a name");
        let label = cell["label"].as_str().expect("a label");
        let arm = arm.as_str().expect("an arm");
        let own = format!("{arm}, {}, ", workflow.as_str().expect("a workflow"));
        let is_own = name.ends_with(&format!(": {arm}"))
            && label.starts_with(&own)
            && (decoding["temperature"] != 0.0 || label.ends_with("greedy"));
        if solved["other_only"] == 1 {
            assert!(is_own, "{label} {name}");
            let samples = cell["other"]["answers"].as_f64().expect("a number");
            let expected = 1.0 / samples;
            assert!((difference(cell, "pass_rate") - expected).abs() < 1e-12);
            changed += 1;
        } else {
            assert_eq!(solved["other_only"], 0);
        }
    }
    assert_eq!(changed, 1);
}

#[test]
fn settings_that_differ_are_listed_and_the_only_adapters_are_compared() {
    let project = example_twice();
    change_run(&project, "second", |info| {
        info["python_version"] = json!("3.9.1");
        let yaml = info["recipe"]["yaml"].as_str().expect("a recipe");
        info["recipe"]["yaml"] = json!(yaml.replace("max_new_tokens: 128", "max_new_tokens: 64"));
    });
    let text = report(&project, &["first", "--against", "second"]).result();
    says(
        &text,
        &[
            "A difference below can come from any of them.",
            "| `evaluate.max_new_tokens` | `64` | `128` |",
            "| `Python` | `3.9.1` |",
        ],
    );
    // A recipe of another version, which this one cannot read, is named as a whole.
    change_run(&project, "second", |info| {
        info["recipe"]["yaml"] = json!("later: true\n");
    });
    let found = compared(&project, &["first", "--against", "second"]);
    assert_eq!(found["settings"][0]["key"], "recipe");
    // Each run has one adapter: they are compared although their names differ.
    change_run(&project, "second", |info| {
        info["adapters"][0]["name"] = json!("later");
        for cell in info["plan"]["cells"].as_array_mut().expect("cells") {
            if cell["arm"] != "base" {
                cell["arm"] = json!("later");
            }
        }
    });
    let mut all = records(&project, "second");
    for record in &mut all {
        if record["arm"] != "base" {
            record["arm"] = json!("later");
        }
    }
    write_records(&project, "second", &all);
    let found = compared(&project, &["first", "--against", "second"]);
    let settings = found["settings"].as_array().expect("settings").iter();
    let keys: Vec<&str> = settings.filter_map(|of| of["key"].as_str()).collect();
    assert_eq!(keys, ["recipe", "Python", "adapter"]);
    let cells = found["cells"].as_array().expect("cells").iter();
    let names = cells.filter_map(|cell| cell["base"]["name"].as_str());
    assert_eq!(names.filter(|name| name.ends_with(": later")).count(), 1);
}

#[test]
fn runs_without_a_common_task_or_cell_are_refused_with_what_they_have() {
    let project = example_twice();
    let refused = |change: &dyn Fn(&mut Value), parts: &[&str]| {
        let project = example_twice();
        change_run(&project, "second", |info| change(info));
        let error = report(&project, &["first", "--against", "second"]).error(2);
        says(&error, parts);
    };
    // Another number of tasks, and another setting that no row names, are listed.
    change_run(&project, "second", |info| {
        info["benchmarks"][0]["tasks"] = json!(25);
        info["benchmarks"][0]["sha256"] = json!("0".repeat(64));
    });
    let text = report(&project, &["first", "--against", "second"]).result();
    says(
        &text,
        &["| `tasks of embedded` | `25 tasks (SHA-256 000000000000...)` | `24 tasks (SHA-256 "],
    );
    let project = example_twice();
    change_run(&project, "second", |info| {
        info["config_sha256"] = json!("0".repeat(64));
    });
    let text = report(&project, &["first", "--against", "second"]).result();
    says(
        &text,
        &["| `another setting` | `hash (SHA-256 000000000000...)` |"],
    );
    let project = example_twice();
    refused(
        &|info| info["benchmarks"][0]["sha256"] = json!("0".repeat(64)),
        &[
            "tasks of embedded differ between",
            "hint: run one of them again",
        ],
    );
    change_run(&project, "second", |info| {
        let cells = info["plan"]["cells"].as_array_mut().expect("cells");
        for cell in cells {
            cell["decoding"] = json!({"temperature": 0.7, "top_p": 1.0});
        }
    });
    fs::write(project.path("second/records.jsonl"), "").expect("written");
    let error = report(&project, &["first", "--against", "second"]).error(2);
    says(
        &error,
        &[
            "no workflow with one sampling setting in common",
            "temperature 0.7",
            "greedy",
        ],
    );
    let usage = report(&project, &["first", "--against", "second", "--interim"]);
    assert_eq!(usage.code, Some(2));
    says(&usage.stderr, &["cannot be used with"]);
    let two = report(&project, &["first", "second", "--against", "second"]).error(2);
    says(&two, &["--against compares one run, but 2 are given"]);
}
