//! Benchmarks in the form of the hub's data sets: the verdicts of right and wrong programs.

use std::path::Path;

use serde_json::{Value, json};

use super::{Finished, Project, verdicts};
use crate::fake_hub::FakeHub;
use crate::support::{finish, says};

fn golden(path: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = folder
        .join("../crates/slm-benchmarks/tests/it/golden/hub")
        .join(path);
    path.display().to_string()
}

fn scored(project: &Project, benchmark: &str, data: &str, samples: &[Value]) -> Finished {
    let lines: Vec<String> = samples.iter().map(Value::to_string).collect();
    project.write("samples.jsonl", lines.join("\n"));
    finish(&mut super::score_command(
        project,
        benchmark,
        data,
        "samples.jsonl",
    ))
}

fn found(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{}", finished.stderr))
}

fn completion(task: &str, text: &str) -> Value {
    json!({"task_id": task, "completion": text})
}

#[test]
fn test_programs_of_the_hub_judge_as_the_release_does() {
    let project = Project::new();
    let finished = scored(
        &project,
        "humaneval+",
        &golden("humanevalplus"),
        &[
            completion("HumanEval/9000", "    return x / 2\n"),
            // Within the tolerance, and beyond it.
            completion("HumanEval/9000", "    return x / 2 + 1e-8\n"),
            completion("HumanEval/9000", "    return x / 2 + 1e-3\n"),
            completion("HumanEval/9001", "    return text * n\n"),
            completion("HumanEval/9001", "    return text * n + ' '\n"),
            completion("HumanEval/9002", "    return items[0]\n"),
            completion("HumanEval/9002", "    return items[-1]\n"),
            // No program decides by what it returns whether it is right.
            completion(
                "HumanEval/9000",
                "    class Any(float):\n        def __eq__(self, other): return True\n    return Any(9)\n",
            ),
            completion("HumanEval/9001", "    raise SystemExit(0)\n"),
        ],
    );
    let found = found(&finished);
    let words: Vec<&str> = verdicts(&found)
        .iter()
        .filter_map(|word| word.as_str())
        .collect();
    assert_eq!(
        words[..7],
        [
            "passed", "passed", "failed", "passed", "failed", "passed", "failed"
        ],
        "{}",
        finished.stderr
    );
    assert!(words[7..].iter().all(|word| *word != "passed"), "{words:?}");
    assert_eq!(found["samples"][0]["base_tests"], 3);
    assert_eq!(found["pass_at_k"]["plus"], Value::Null);
}

#[test]
fn a_task_whose_test_needs_a_missing_package_is_unscored() {
    let solution = |task: &str, text: &str| json!({"task_id": task, "solution": text});
    let finished = scored(
        &Project::new(),
        "mbpp+",
        &golden("mbppplus"),
        &[
            solution(
                "Mbpp/9000",
                "def pairs(items):\n    return [tuple(pair) for pair in items]\n",
            ),
            solution("9000", "def pairs(items):\n    return []\n"),
            solution(
                "Mbpp/9001",
                "def Diff(a, b):\n    return sorted(set(a) ^ set(b), reverse=True)\n",
            ),
            solution("Mbpp/9002", "def negate(x):\n    return -x\n"),
        ],
    );
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let found = found(&finished);
    assert_eq!(
        verdicts(&found).into_iter().cloned().collect::<Vec<_>>(),
        [
            json!("passed"),
            json!("failed"),
            json!("passed"),
            Value::Null
        ]
    );
    says(
        &finished.stderr,
        &["unscored: 1 sample: the task needs the Python package `no_such_package`"],
    );
}

#[test]
fn a_data_set_of_several_benchmarks_and_splits_comes_from_the_hub() {
    let (hub, project) = (FakeHub::new(), Project::new());
    let parts = [
        "full/prompt",
        "full/test",
        "full/train",
        "full/validation",
        "sanitized/test",
        "sanitized/train",
    ];
    let names = parts.map(|part| format!("{part}-00000-of-00001.parquet"));
    let files = names
        .each_ref()
        .map(|name| std::fs::read(golden(&format!("mbpp/{name}"))).expect("a golden"));
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(String::as_str)
        .zip(files.iter().map(Vec::as_slice))
        .collect();
    hub.publish("datasets", "tiny/mbpp", "main", &files);
    let score = |benchmark: &str, data: &str, task: u32| {
        let program = format!("def f{task}(x):\n    return x + {task}\n");
        let sample = json!({"task_id": format!("Mbpp/{task}"), "solution": program});
        project.write("samples.jsonl", sample.to_string());
        let mut command = super::score_command(&project, benchmark, data, "samples.jsonl");
        finish(
            command
                .env("HF_ENDPOINT", hub.url())
                .env_remove("HF_HUB_OFFLINE"),
        )
    };
    for (benchmark, data, task, tasks) in [
        ("mbpp", "hf:tiny/mbpp", 511, 7),
        ("mbpp-sanitized", "hf:tiny/mbpp", 602, 2),
        ("mbpp", "hf:tiny/mbpp#full", 11, 7),
        (
            "mbpp",
            "hf:tiny/mbpp#full/test-00000-of-00001.parquet",
            12,
            2,
        ),
    ] {
        let finished = score(benchmark, data, task);
        let found = found(&finished);
        assert_eq!(
            (&found["tasks"], verdicts(&found)[0]),
            (&json!(tasks), &json!("passed")),
            "{data}: {}",
            finished.stderr
        );
    }
    // Which of several parts another benchmark means is not guessed.
    let error = score("humaneval", "hf:tiny/mbpp", 11).error(2);
    says(&error, &["holds 6 files, but one is expected"]);
}
