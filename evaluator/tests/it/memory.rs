//! `evaluator memory` from the outside: entries of a scripted model, refusals, and the workflow that reads them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::dataset::write_lines;
use crate::endpoint::{self, json_of, lines, run_of, server};
use crate::fake_server::{Asked, FakeServer, Say, completion, text_only};
use crate::support::{Finished, Project, finish, says};
use crate::trained_project;

/// A project with the tasks `own/1` and `own/2`, add 1 and 2, and `new/3` in another file.
fn project() -> Project {
    let project = trained_project();
    let task = |id: &str, n: usize| {
        json!({
            "task_id": format!("{id}/{n}"),
            "prompt": format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n"),
            "entry_point": format!("add_{n}"),
            "tests": [format!("assert add_{n}(1) == {}", 1 + n), format!("assert add_{n}(5) == {}", 5 + n)],
            "canonical_solution": format!("    return x + {n}\n"),
        })
    };
    write_lines(&project, "tasks.jsonl", [task("own", 1), task("own", 2)]);
    write_lines(&project, "new.jsonl", [task("new", 3)]);
    project
}

/// A server whose answers to a task are right in turn with wrong.
fn scripted() -> FakeServer {
    server(|asked: &Asked| {
        text_only(asked).unwrap_or_else(|| {
            let n = asked.task();
            let text = if asked.before.is_multiple_of(2) {
                format!("    return x + {n}")
            } else {
                "    return None".to_owned()
            };
            Say::Json(200, completion(asked, &text, "stop"))
        })
    })
}

fn sampled(project: &Project) -> std::path::PathBuf {
    let words = [
        "--set",
        "evaluate.samples_per_task=2",
        "--set",
        "evaluate.sampling.temperature=1.0",
    ];
    let finished = endpoint::ask(project, &scripted(), &words);
    run_of(project, &finished.result())
}

fn memory(project: &Project, words: &[&str]) -> Finished {
    let words = [&["memory"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

fn header(path: &Path) -> Value {
    lines(path).remove(0)
}

#[test]
fn entries_have_the_programs_that_pass_and_the_same_runs_give_the_same_bytes() {
    let project = project();
    let run = sampled(&project);
    let printed = memory(&project, &["latest", "-o", "memory.jsonl", "--json"]).result();
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let path = project.path("memory.jsonl");
    assert_eq!(printed, header(&path));
    assert_eq!(printed["counts"], json!({"answers": 4, "entries": 2}));
    assert_eq!(
        printed["left_out"],
        json!({"does not pass all hidden tests": 2})
    );
    assert_eq!(printed["offline"]["calls"], 4);
    let entries = &lines(&path)[1..];
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (&entries[0]["task_id"], &entries[0]["importance"]),
        (&json!("own/1"), &json!(0.5))
    );
    assert_eq!(
        entries[0]["program"],
        "def add_1(x):\n    \"\"\"Add 1 to x.\"\"\"\n    return x + 1\n"
    );
    let first = project.bytes("memory.jsonl");
    let records = run.join("records.jsonl");
    let text = fs::read_to_string(&records).expect("records");
    let mut reversed: Vec<&str> = text.lines().collect();
    reversed.reverse();
    fs::write(&records, reversed.join("\n") + "\n").expect("records");
    // Replaces the memory of before.
    let page = memory(&project, &["latest", "-o", "memory.jsonl"]).result();
    says(
        &page,
        &[
            "2 entries, from 4 answers of 1 run",
            "memory written to memory.jsonl",
        ],
    );
    assert_eq!(project.bytes("memory.jsonl"), first);
}

#[test]
fn unfinished_runs_evaluated_tasks_and_foreign_files_are_refused() {
    let project = project();
    let run = sampled(&project);
    let words = ["latest", "-o", "memory.jsonl"];
    let refused = |words: &[&str], parts: &[&str]| {
        says(&memory(&project, words).error(2), parts);
        assert!(!project.path("memory.jsonl").exists());
    };
    let recipe = format!(
        "{}\nevaluate:\n  benchmarks: [{{name: custom, path: tasks.jsonl}}]\n",
        project
            .read("tiny.yaml")
            .split("evaluate:")
            .next()
            .expect("a recipe")
    );
    project.write("judge.yaml", recipe);
    refused(
        &[&words[..], &["--recipe", "judge.yaml"]].concat(),
        &[
            "2 of 2 tasks with entries are evaluated by judge.yaml",
            "hint:",
        ],
    );
    project.write("notes.txt", "mine");
    refused(
        &["latest", "-o", "notes.txt"],
        &["the file exists and is no memory"],
    );
    assert_eq!(project.read("notes.txt"), "mine");

    let records = fs::read_to_string(run.join("records.jsonl")).expect("records");
    let failing = records.replace("\"verdict\":\"passed\"", "\"verdict\":\"failed\"");
    fs::write(run.join("records.jsonl"), failing).expect("records");
    let name = json_of(&run.join("run.json"))["name"].clone();
    refused(
        &words,
        &[
            name.as_str().expect("a name"),
            "none of 4 answers became a memory entry",
        ],
    );
    let other = records.replacen("\"version\":", "\"version\":9", 1);
    fs::write(run.join("records.jsonl"), other).expect("records");
    refused(&words, &["records.jsonl:1: version 9"]);
    fs::write(run.join("records.jsonl"), &records).expect("records");

    let mut unfinished = json_of(&run.join("run.json"));
    unfinished["timings"] = json!([]);
    fs::write(run.join("run.json"), unfinished.to_string()).expect("a run");
    let (_, fewer) = records.split_once('\n').expect("lines");
    fs::write(run.join("records.jsonl"), fewer).expect("records");
    refused(&words, &["the run is unfinished, with 3 of 4 answers"]);
}
