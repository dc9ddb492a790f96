//! A run of record version 3 stays readable: its report, its answers, the merge of its shards.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::endpoint::{json_of, lines};
use crate::support::{Finished, Project, finish, says};

const NAME: &str = "scripted-a7a42c6a";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/run-version-3")
        .join(NAME)
}

/// A project with a copy of the run under `reports/`.
fn project() -> Project {
    let project = Project::new();
    for file in ["run.json", "records.jsonl", "trajectory.jsonl"] {
        let text = fs::read(golden().join(file)).expect("the golden run");
        project.write(&format!("reports/{NAME}/{file}"), text);
    }
    project
}

fn evaluator(project: &Project, words: &[&str]) -> Finished {
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), words))
}

#[test]
fn its_report_is_written_and_its_own_files_stay_as_they_are() {
    let project = project();
    let printed = evaluator(&project, &["report", NAME]).result();
    assert_eq!(printed, format!("report: reports/{NAME}/report.md\n"));
    let page = project.read(&format!("reports/{NAME}/report.md"));
    says(
        &page,
        &[
            "H1 ",
            "the run did not record whether its recipe declared them",
            "**Earlier version.** 16 of 16 answers",
        ],
    );
    for file in ["run.json", "records.jsonl", "trajectory.jsonl"] {
        let found = project.bytes(&format!("reports/{NAME}/{file}"));
        assert!(
            found == fs::read(golden().join(file)).expect("a file"),
            "{file}"
        );
    }
    let summary = json_of(&project.path(&format!("reports/{NAME}/summary.json")));
    assert_eq!(summary["hypotheses"][0].get("declared"), None);
    assert_eq!(summary["claims"][0]["declared"], Value::Null);
}

#[test]
fn its_answers_are_shown() {
    let project = project();
    let shown = evaluator(
        &project,
        &[
            "show",
            NAME,
            "is_freezing",
            "--arm",
            "base",
            "--workflow",
            "reflection",
        ],
    );
    says(
        &shown.result(),
        &[
            "embedded/is_freezing · base · reflection · sample 0",
            "return celsius <= 0",
        ],
    );
}

#[test]
fn its_shards_are_merged() {
    let project = project();
    let whole = golden();
    let info = json_of(&whole.join("run.json"));
    let tasks = [
        ["embedded/is_freezing", "embedded/clamp_percent"],
        ["embedded/double_it", "embedded/total_seconds"],
    ];
    let mut shards = Vec::new();
    for (tasks, index) in tasks.iter().zip(1..) {
        let mut own = info.clone();
        let name = format!("{NAME}-shard-{index}-of-2");
        own["name"] = json!(name);
        let command = info["command"].as_str().expect("a command");
        own["command"] = json!(format!("{command} --shard {index}/2"));
        own["shard"] = json!({"index": index, "of": 2, "tasks": tasks});
        let folder = format!("shards/{name}");
        project.write(&format!("{folder}/run.json"), own.to_string());
        for file in ["records.jsonl", "trajectory.jsonl"] {
            let of_task = |line: &&Value| {
                let task = line
                    .get("task_id")
                    .unwrap_or(&line["trajectory"]["task_id"]);
                tasks.iter().any(|own| task == own)
            };
            let all = lines(&whole.join(file));
            let own: String = all
                .iter()
                .filter(of_task)
                .flat_map(|line| [line.to_string(), "\n".to_owned()])
                .collect();
            project.write(&format!("{folder}/{file}"), own);
        }
        shards.push(folder);
    }
    let words = ["report", "--reports", "merged", &shards[1], &shards[0]];
    let printed = evaluator(&project, &words).result();
    assert_eq!(printed, format!("report: merged/{NAME}/report.md\n"));
    let sorted = |file: &Path| {
        let mut lines: Vec<String> = lines(file).iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    };
    for file in ["records.jsonl", "trajectory.jsonl"] {
        let merged = project.path(&format!("merged/{NAME}/{file}"));
        assert_eq!(sorted(&merged), sorted(&whole.join(file)), "{file}");
    }
}

#[test]
fn a_newer_version_is_refused_by_name_and_left_alone() {
    let project = project();
    for (file, words, found) in [
        (
            "run.json",
            &["report", NAME][..],
            "run.json: version 9, but this program reads 3 to 7",
        ),
        (
            "records.jsonl",
            &["report", NAME],
            "records.jsonl:1: version 9, but this program reads 3 to 7",
        ),
        (
            "trajectory.jsonl",
            &["show", NAME, "is_freezing"],
            "trajectory.jsonl:1: version 9, but this program reads 2 to 5",
        ),
    ] {
        let path = format!("reports/{NAME}/{file}");
        let before = project.read(&path);
        let version = if file == "trajectory.jsonl" { 2 } else { 3 };
        let newer = before
            .replacen(&format!("\"version\":{version}"), "\"version\":9", 1)
            .replacen(&format!("\"version\": {version}"), "\"version\": 9", 1);
        assert_ne!(newer, before);
        project.write(&path, &newer);
        let error = evaluator(&project, words).error(1);
        says(
            &error,
            &[found, "hint: a newer version of this program wrote it"],
        );
        assert_eq!(project.read(&path), newer);
        project.write(&path, before);
    }
}
