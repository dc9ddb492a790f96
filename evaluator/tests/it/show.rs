//! `evaluator show`: the verdict, the request and the program of an answer, and two arms beside each other.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Finished, Project, finish, says};

const ADAPTER: &str = "smollm2-135m-hypotheses";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A project with a copy of the example run, which has no `trajectory.jsonl`.
fn example() -> Project {
    let project = Project::new();
    for file in ["run.json", "records.jsonl"] {
        let text = fs::read(repository().join("reports/example").join(file)).expect("the example");
        project.write(&format!("reports/example/{file}"), text);
    }
    project
}

/// A project with the run of record version 3 that the tests keep.
fn version_3() -> Project {
    let project = Project::new();
    let golden = "evaluator/tests/golden/run-version-3/scripted-a7a42c6a";
    for file in ["run.json", "records.jsonl", "trajectory.jsonl"] {
        let text = fs::read(repository().join(golden).join(file)).expect("the golden run");
        project.write(&format!("reports/old/{file}"), text);
    }
    project
}

fn evaluator(project: &Project, words: &[&str]) -> Finished {
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), words))
}

fn show(project: &Project, words: &[&str]) -> Finished {
    evaluator(project, &[&["show"], words].concat())
}

fn document(project: &Project, words: &[&str]) -> Vec<Value> {
    let text = show(project, words).result();
    let document: Value = serde_json::from_str(&text).expect("one JSON document");
    document.as_array().expect("a list").clone()
}

/// Changes the first record of a task.
fn change(project: &Project, task: &str, with: impl FnOnce(&mut Value)) {
    let path = "reports/example/records.jsonl";
    let mut lines: Vec<Value> = project
        .read(path)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect();
    let first = lines.iter_mut().find(|line| line["task_id"] == task);
    with(first.expect("a record of the task"));
    let lines = lines.iter().map(|line| format!("{line}\n"));
    let text: String = lines.collect();
    project.write(path, text);
}

#[test]
fn a_run_without_its_log_shows_verdict_failure_metrics_and_program() {
    let project = example();
    let words = ["reports/example", "initials", "--workflow", "single"];
    let page = show(&project, &[&words[..], &["--arm", ADAPTER]].concat()).result();
    let expected = "\
embedded/initials · smollm2-135m-hypotheses · single · sample 0
failed · 0 of 5 hidden tests passed
  assert initials(\"Grace Brewster Hopper\") == \"G.B.H.\"
  AssertionError: got 'Grace Brewster Hopper', expected 'G.B.H.'
MI 88.1 · mi_code 84.7 · CC 1 · LLOC 4
stopped: finished
spent: 25 tokens, 1 call, 0 executions
request and steps: not shown, this folder has no trajectory.jsonl

program
  def initials(full_name):
";
    assert!(page.starts_with(expected), "{page}");
}

#[test]
fn nothing_is_added_to_a_run_that_was_copied_without_its_log() {
    let project = example();
    show(&project, &["reports/example", "initials"]).result();
    evaluator(&project, &["report", "reports/example"]).result();
    assert!(!project.path("reports/example/trajectory.jsonl").exists());
}

#[test]
fn an_answer_without_a_program_that_parses_has_no_metrics() {
    let project = example();
    let words = [
        "example",
        "total_seconds",
        "--workflow",
        "single",
        "--arm",
        "base",
    ];
    let page = show(&project, &words).result();
    says(
        &page,
        &[
            "unparsable · 0 of 5 hidden tests passed\n  the definition of the entry point does not parse\n\
             no MI: the program does not parse\n",
            "temperature 0.2, top-p 0.8 · sample 0\n",
        ],
    );
    // Version 3 called an answer that adds nothing unparsable.
    let page = show(&project, &["example", "TodoQueue", "--arm", ADAPTER]).result();
    assert!(page.contains("· 0 of "), "{page}");
    let page = show(&project, &["example", "RecentCache", "--arm", ADAPTER]).result();
    says(
        &page,
        &[
            "empty · 0 of ",
            "no MI: the answer adds nothing to the prompt",
        ],
    );
}

#[test]
fn a_run_of_version_3_shows_its_verdicts_and_its_request() {
    let project = version_3();
    let words = [
        "old",
        "is_freezing",
        "--arm",
        "base",
        "--workflow",
        "reflection",
    ];
    let page = show(&project, &words).result();
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(
        lines[0],
        "embedded/is_freezing · base · reflection · sample 0"
    );
    assert!(lines[1].contains(" hidden tests passed"), "{page}");
    let place = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("no `{text}` in {page}"))
    };
    assert!(place("MI ") < place("stopped: "));
    assert!(place("stopped: ") < place("\nrequest · "));
    assert!(place("\nrequest · ") < place("\nstep 0 · "));
    says(
        &page[place("\nrequest · ")..place("\nstep 0 · ")],
        &["is_freezing"],
    );
}

#[test]
fn the_programs_of_both_arms_are_compared() {
    let project = example();
    let page = show(&project, &["example", "initials", "--diff"]).result();
    says(
        &page,
        &[
            "embedded/initials · base against smollm2-135m-hypotheses · single · sample 0\n",
            "base: failed · 0 of 5 hidden tests passed · MI 84.9 · mi_code 81.4 · CC 1 · LLOC 4\n",
            "smollm2-135m-hypotheses: failed · 0 of 5 hidden tests passed · MI 88.1 · mi_code 84.7 · CC 1 · LLOC 4\n",
            "\n--- base\n+++ smollm2-135m-hypotheses\n@@ -1,7 +1,7 @@\n def initials(full_name):\n",
            "\n-    return full_name[0].upper() + full_name[1:].zfill(20) + '.'\n+    return full_name[0].upper() + full_name[1:].zfill(2)",
        ],
    );
    let same = show(&project, &["example", "flatten_deep", "--diff"]).result();
    says(&same, &["the same program\n def flatten_deep(nested):"]);
    let found = document(&project, &["example", "initials", "--diff", "--json"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["base"]["verdict"], "failed");
    assert_eq!(found[0]["adapter"]["arm"], ADAPTER);
    let diff = found[0]["diff"].as_str().expect("a diff");
    assert!(diff.starts_with("--- base\n+++ smollm2"), "{diff}");
}

#[test]
fn a_comparison_without_a_second_arm_is_refused() {
    let project = example();
    for words in [&["--workflow", "reflection"][..], &["--arm", "base"]] {
        let words = [&["example", "initials", "--diff"], words].concat();
        says(
            &show(&project, &words).error(2),
            &[
                "embedded/initials: --diff compares the base model with an adapter, but only `base` is there",
                "hint: ",
            ],
        );
    }
}

#[test]
fn records_and_steps_are_one_document() {
    let example = example();
    let found = document(&example, &["example", "initials", "--json"]);
    assert_eq!(found.len(), 12);
    for item in &found {
        assert_eq!(item["trajectory"]["task_id"], "embedded/initials");
        assert_eq!(item["what"]["record"]["task_id"], "embedded/initials");
    }
    let old = version_3();
    let found = document(&old, &["old", "is_freezing", "--json"]);
    let kinds = |kind: &str| {
        found
            .iter()
            .filter(|of| of["what"].get(kind).is_some())
            .count()
    };
    assert!(kinds("record") > 0 && kinds("call") > 0 && kinds("decision") > 0);
}

#[test]
fn texts_of_a_model_do_not_control_the_terminal() {
    let project = example();
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}";
    change(&project, "embedded/initials", |record| {
        record["program"] = json!(format!("def initials(x):\n    return '{evil}'\r\n"));
        record["detail"] = json!(format!("assert {evil}\nAssertionError: {evil}"));
    });
    for words in [
        &["example", "initials"][..],
        &["example", "initials", "--diff"],
    ] {
        for words in [words.to_vec(), [words, &["--json"]].concat()] {
            let page = show(&project, &words).result();
            assert!(
                !page.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\r']),
                "{words:?}: {page:?}"
            );
            assert!(page.contains("[2J"), "{words:?}: {page}");
        }
    }
}

#[test]
fn what_needs_the_log_names_it_and_what_to_do() {
    let project = example();
    for words in [
        &["dataset", "example", "--to", "sft", "-o", "out"][..],
        &["memory", "example", "-o", "out.jsonl"],
    ] {
        says(
            &evaluator(&project, words).error(2),
            &[
                "reports/example: no trajectory.jsonl, which holds the requests and the steps",
                "hint: copy it from where the run was made",
            ],
        );
    }
}

#[test]
fn a_folder_without_answers_is_refused() {
    let project = example();
    fs::remove_file(project.path("reports/example/records.jsonl")).expect("removed");
    says(
        &show(&project, &["example", "initials"]).error(2),
        &["neither records.jsonl nor trajectory.jsonl", "hint: "],
    );
}
