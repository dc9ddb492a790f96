//! A task that is evaluated is not learned, under any id, name or layout: the gates of `evaluator`.

use std::fs;

use serde_json::json;

use crate::dataset::{dataset, write_lines};
use crate::endpoint::{self, json_of, run_of, server};
use crate::fake_server::{Asked, Say, completion, text_only};
use crate::support::{Project, finish, says};
use crate::trained_project;

/// A function of the task whose copies must not be evaluated.
const LEAST: &str = "    best = xs[0]\n    for x in xs:\n        if x < best:\n            best = x\n    return best\n";

/// A project with one task, `Mbpp/601`, three forms of which are planted in files to be evaluated.
fn planted() -> Project {
    let project = trained_project();
    let task = |id: &str, name: &str, text: &str, solution: &str| {
        json!({
            "task_id": id,
            "prompt": format!("def {name}(xs):\n    \"\"\"{text}\"\"\"\n"),
            "entry_point": name,
            "tests": [format!("assert {name}([3, 1, 2]) == 1")],
            "canonical_solution": solution,
        })
    };
    let rows = [task(
        "Mbpp/601",
        "add_1",
        "Find the least of the numbers.",
        LEAST,
    )];
    write_lines(&project, "tasks.jsonl", rows);
    let of_publisher = json!({
        "task_id": 601, "text": "Write a function for the greatest common divisor.",
        "code": "import math\ndef common(a, b):\n    return math.gcd(a, b)",
        "test_setup_code": "", "test_list": ["assert common(4, 6) == 2"],
    });
    write_lines(&project, "id.jsonl", [of_publisher]);
    let renamed = LEAST.replace("best", "low");
    write_lines(
        &project,
        "renamed.jsonl",
        [task(
            "other/1",
            "smallest",
            "Give back a minimum.",
            &renamed,
        )],
    );
    let laid_out = LEAST.replace("best = x\n", "best = (x)  # lower\n");
    write_lines(
        &project,
        "tree.jsonl",
        [task("other/2", "add_1", "Look for a minimum.", &laid_out)],
    );
    project
}

const PLANTED: [(&str, &str, &str); 3] = [
    ("mbpp", "id.jsonl", "Mbpp/601, by its publisher's id"),
    (
        "custom",
        "renamed.jsonl",
        "Mbpp/601 is other/1 by a function of its solution",
    ),
    (
        "custom",
        "tree.jsonl",
        "Mbpp/601 is other/2 by a function of its solution",
    ),
];

/// Samples an answer to the planted project's task that passes.
fn planted_and_sampled() -> Project {
    let project = planted();
    let right = server(|asked: &Asked| {
        text_only(asked)
            .unwrap_or_else(|| Say::Json(200, completion(asked, "    return min(xs)", "stop")))
    });
    endpoint::ask(&project, &right, &[]).result();
    project
}

#[test]
fn a_planted_task_is_refused_when_a_data_set_is_made() {
    let project = planted_and_sampled();
    for (benchmark, file, shared) in PLANTED {
        let recipe = format!(
            "{}\nevaluate:\n  benchmarks: [{{name: {benchmark}, path: {file}}}]\n",
            project
                .read("tiny.yaml")
                .split("evaluate:")
                .next()
                .expect("a recipe")
        );
        project.write("judge.yaml", recipe);
        let words = [
            "latest",
            "--to",
            "sft",
            "-o",
            "set",
            "--recipe",
            "judge.yaml",
        ];
        let error = dataset(&project, &words).error(2);
        says(
            &error,
            &[
                "1 of 1 tasks with rows are evaluated by judge.yaml",
                shared,
                "hint:",
            ],
        );
        assert!(!project.path("set").exists());
    }
}

#[test]
fn a_data_set_records_the_benchmarks_that_it_was_compared_with() {
    let project = planted_and_sampled();
    let words = ["latest", "--to", "sft", "-o", "set"];
    let finished = dataset(&project, &words);
    says(
        &finished.stderr,
        &["compared with no benchmark", "--recipe"],
    );
    finished.result();
    let compared = || json_of(&project.path("set/dataset.json"))["rules"]["compared_with"].clone();
    assert_eq!(compared(), json!([]));
    let finished = dataset(&project, &[&words[..], &["--recipe", "tiny.yaml"]].concat());
    assert!(!finished.stderr.contains("no benchmark"));
    finished.result();
    assert_eq!(compared(), json!(["embedded"]));
}

#[test]
fn an_adapter_whose_record_of_training_is_unreadable_is_refused() {
    let project = trained_project();
    project.write("checkpoints/tiny/adapter/training.json", "{\"steps\": ");
    let words = [
        "compare",
        "checkpoints/tiny/adapter",
        "--device",
        "cpu",
        "--set",
        "evaluate.max_new_tokens=4",
    ];
    let compare = |more: &[&str]| {
        let words = [&words, more].concat();
        finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
    };
    says(
        &compare(&[]).error(2),
        &[
            "training.json: cannot be read",
            "hint: restore the file",
            "--allow-learned-tasks",
        ],
    );
    let finished = compare(&["--allow-learned-tasks"]);
    says(&finished.stderr, &["warning: ", "cannot be read"]);
    finished.result();
}

#[test]
fn a_planted_task_is_refused_when_an_adapter_is_evaluated() {
    let project = planted_and_sampled();
    dataset(
        &project,
        &[
            "latest",
            "--to",
            "sft",
            "-o",
            "set",
            "--recipe",
            "tiny.yaml",
        ],
    )
    .result();

    let tasks = json_of(&project.path("set/dataset.json"))["tasks"].clone();
    let training = json!({
        "steps": 1, "examples": 1, "final_loss": 1.0, "base_validation_loss": null, "best": null,
        "decontamination": null, "seconds": 1.0, "peak_memory_bytes": null,
        "datasets": [{"path": "set", "sha256": "ab", "tasks": tasks}],
    });
    // An adapter that was trained further on other data knows the tasks, too.
    let mut further = training.clone();
    further["datasets"] = json!([]);
    further["init_from"] = json!({
        "path": "first", "sha256": "ab", "config_sha256": "cd", "base_model": "tiny/qwen2",
        "validation_loss": null, "training": training,
    });
    for (index, (benchmark, file, shared)) in PLANTED.into_iter().enumerate() {
        let learned = if index == 0 { &further } else { &training };
        project.write(
            "checkpoints/tiny/adapter/training.json",
            learned.to_string(),
        );
        let set = format!("evaluate.benchmarks=[{{name: {benchmark}, path: {file}}}]");
        let evaluate = |command: &str, words: &[&str]| {
            let words = [
                &[
                    command,
                    "checkpoints/tiny/adapter",
                    "--device",
                    "cpu",
                    "--set",
                    &set,
                ],
                words,
            ]
            .concat();
            finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
        };
        for command in ["compare", "sweep", "workflows", "hypotheses"] {
            let error = evaluate(command, &[]).error(2);
            says(
                &error,
                &[
                    "the adapter learned from 1 of the tasks to be evaluated",
                    shared,
                    "--allow-learned-tasks",
                ],
            );
        }
        if benchmark == "custom" {
            let short = [
                "--allow-learned-tasks",
                "--set",
                "evaluate.max_new_tokens=4",
            ];
            let finished = evaluate("compare", &short);
            says(&finished.stderr, &["warning: ", shared]);
            let run = run_of(&project, &finished.result());
            let command = json_of(&run.join("run.json"))["command"].clone();
            says(
                command.as_str().expect("a command"),
                &["--allow-learned-tasks"],
            );
            let report = fs::read_to_string(run.join("report.md")).expect("a report");
            says(
                &report,
                &[
                    "**Learned tasks.**",
                    "trained on answers to 1 task of this run",
                ],
            );
        }
    }
}
