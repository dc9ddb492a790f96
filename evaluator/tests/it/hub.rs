//! A base model and tasks from a hub on loopback: what a run records of them, and that it later needs no network.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::endpoint;
use crate::fake_hub::FakeHub;
use crate::fake_server::right;
use crate::support::{Project, finish, says};

const TASKS: &str = r#"{"task_id": "one", "prompt": "def one():\n    \"\"\"Return 1.\"\"\"\n", "entry_point": "one", "tests": ["assert one() == 1"], "canonical_solution": "    return 1\n"}"#;

fn command(project: &Project, hub: &FakeHub, words: &[&str]) -> Command {
    let mut command = project.command(env!("CARGO_BIN_EXE_evaluator"), words);
    command
        .env("HF_ENDPOINT", hub.url())
        .env_remove("HF_HUB_OFFLINE");
    command
}

/// Puts the project's model onto the hub, and returns its commit.
fn publish_model(hub: &FakeHub, project: &Project) -> String {
    let names = ["config.json", "model.safetensors", "tokenizer.json"];
    let files = names.map(|name| project.bytes(&format!("model/{name}")));
    let files: Vec<(&str, &[u8])> = names
        .into_iter()
        .zip(files.iter().map(Vec::as_slice))
        .collect();
    hub.publish("models", "tiny/qwen2", "main", &files)
}

#[test]
fn a_run_records_which_commits_and_files_it_used() {
    let (hub, project) = (FakeHub::new(), Project::new());
    let model = publish_model(&hub, &project);
    let tasks = hub.publish(
        "datasets",
        "tiny/tasks",
        "v1",
        &[("a/tasks.jsonl", TASKS.as_bytes()), ("README.md", b"x")],
    );
    let recipe = project.read("tiny.yaml").replace(
        "{name_or_path: model, hub_name: tiny/qwen2}",
        "{name_or_path: hf:tiny/qwen2}",
    );
    project.write("hub.yaml", recipe);
    let words = [
        "compare",
        "--base-only",
        "--recipe",
        "hub.yaml",
        "--device",
        "cpu",
        "--set",
        "evaluate.max_new_tokens=8",
        "--set",
        "evaluate.benchmarks=[{name: custom, path: 'hf:tiny/tasks@v1'}]",
    ];
    let printed = finish(&mut command(&project, &hub, &words)).result();
    let report = printed.trim().strip_prefix("report: ").expect("a report");
    let run = project.path(
        &Path::new(report)
            .with_file_name("run.json")
            .to_string_lossy(),
    );
    let info: Value = serde_json::from_slice(&fs::read(run).expect("there")).expect("JSON");
    let sources = &info["sources"];
    assert_eq!(
        (&sources[0]["repository"], &sources[0]["commit"]),
        (&"tiny/qwen2".into(), &model.as_str().into())
    );
    assert_eq!(sources[0]["files"].as_array().map(Vec::len), Some(3));
    assert_eq!(sources[1]["commit"], tasks);
    assert_eq!(
        sources[1]["files"][0]["sha256"],
        slm_artifacts::sha256(TASKS.as_bytes())
    );
    says(&project.read(report), &["From the hub", &model, &tasks]);

    // The same run again sends no request, and repeats no step.
    hub.seen();
    let again = finish(command(&project, &hub, &words).env("HF_HUB_OFFLINE", "1")).result();
    assert_eq!(again, printed);
    assert_eq!(hub.seen(), []);
}

#[test]
fn a_model_that_a_server_runs_comes_without_its_weights() {
    let (hub, project) = (FakeHub::new(), endpoint::project(1));
    let commit = publish_model(&hub, &project);
    let recipe = project.read("tiny.yaml").replace(
        "{name_or_path: model, hub_name: tiny/qwen2}",
        "{name_or_path: hf:tiny/qwen2, hub_name: tiny/qwen2}",
    );
    project.write("tiny.yaml", recipe);
    let server = endpoint::server(right);
    let url = hub.url();
    let variables = [("HF_ENDPOINT", url), ("HF_HUB_OFFLINE", "0")];
    let words = ["compare", "--base-only", "--recipe", "tiny.yaml"];
    let run = endpoint::run_of(
        &project,
        &endpoint::run(&project, &server, &words, &variables).result(),
    );
    assert!(hub.seen().iter().all(|it| !it.path.contains("safetensors")));
    let info: Value =
        serde_json::from_slice(&fs::read(run.join("run.json")).expect("there")).expect("JSON");
    assert_eq!(info["sources"][0]["commit"], commit);
    assert_eq!(
        info["sources"][0]["files"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn score_reads_its_tasks_from_the_hub() {
    let (hub, project) = (FakeHub::new(), Project::new());
    hub.publish(
        "datasets",
        "tiny/tasks",
        "main",
        &[("tasks.jsonl", TASKS.as_bytes())],
    );
    project.write(
        "samples.jsonl",
        r#"{"task_id": "one", "solution": "def one():\n    return 1\n"}"#,
    );
    let words = [
        "score",
        "--benchmark",
        "custom",
        "--data",
        "hf:tiny/tasks",
        "samples.jsonl",
        "--json",
    ];
    let printed = finish(&mut command(&project, &hub, &words)).result();
    let document: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(document["samples"][0]["base"], "passed");
    assert_eq!(
        document["data_sha256"],
        slm_artifacts::sha256(TASKS.as_bytes())
    );
    let words = words.map(|word| {
        if word == "hf:tiny/tasks" {
            "hf:tiny/none"
        } else {
            word
        }
    });
    let error = finish(&mut command(&project, &hub, &words)).error(2);
    says(&error, &["no data set tiny/none"]);
}
