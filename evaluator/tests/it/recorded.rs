//! Records that were changed after the run, and reports of folders that lack them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Finished, Project, copy_folder, finish, says};

fn run(project: &Project, words: &[&str]) -> Finished {
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), words))
}

/// A copy of the published example in `run`.
fn example() -> Project {
    let project = Project::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/example");
    copy_folder(&from, &project.path("run"));
    project
}

fn lines(project: &Project) -> Vec<Value> {
    let text = project.read("run/records.jsonl");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

#[test]
fn records_that_the_run_cannot_have_are_refused_by_name() {
    let project = example();
    let records = lines(&project);
    let mut twice = records[0].clone();
    twice["verdict"] = json!("failed");
    let changed = |key: &str, value: Value| {
        let mut record = records[0].clone();
        record[key] = value;
        [&[record], &records[1..]].concat()
    };
    let cases = [
        (
            [&records[..], &[twice]].concat(),
            "of an answer that has another record",
        ),
        (
            changed("task_id", json!("embedded/zzz")),
            "of a task that the run does not have",
        ),
        (
            changed("benchmark", json!("zzz")),
            "of a task that the run does not have",
        ),
        (
            changed("arm", json!("zzz")),
            "of a cell that the run does not have",
        ),
        (
            changed("workflow", json!("tools")),
            "of a cell that the run does not have",
        ),
        (
            changed("sample", json!(5)),
            "of a cell that the run does not have",
        ),
        (
            changed("decoding", json!({"temperature": 9.0, "top_p": 1.0})),
            "of a cell that the run does not have",
        ),
    ];
    let page = project.read("run/report.md");
    for (records, problem) in cases {
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        let text = lines.join("\n") + "\n";
        project.write("run/records.jsonl", text);
        for command in [
            &["report", "run"][..],
            &["view", "run"],
            &["quality", "run"],
            &["show", "run", "01"],
        ] {
            says(
                &run(&project, command).error(2),
                &["run/records.jsonl: the record of ", problem, "hint: "],
            );
        }
    }
    assert_eq!(project.read("run/report.md"), page);
}

#[test]
fn a_report_leaves_the_records_as_they_are_and_a_last_line_without_its_end_counts() {
    let project = example();
    let whole = project.read("run/records.jsonl");
    run(&project, &["report", "run"]).result();
    let page = project.read("run/report.md");
    for end in ["", "{\"version\": 7, \"ar"] {
        let text = format!(
            "{}{end}",
            if end.is_empty() {
                whole.trim_end()
            } else {
                &whole
            }
        );
        project.write("run/records.jsonl", &text);
        run(&project, &["report", "run"]).result();
        assert_eq!(project.read("run/records.jsonl"), text);
        assert_eq!(project.read("run/report.md"), page);
    }
}

#[test]
fn a_published_folder_without_records_keeps_its_page() {
    let project = example();
    fs::remove_file(project.path("run/records.jsonl")).expect("removed");
    project.write("run/report.html", "published");
    for command in ["view", "report"] {
        says(
            &run(&project, &[command, "run"]).error(2),
            &["run: has no records.jsonl", "hint: "],
        );
    }
    assert_eq!(project.read("run/report.html"), "published");
}
