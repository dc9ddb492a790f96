//! `evaluator score` from the outside: verdicts, the cache, and bad input.

mod answers;
mod contests;
mod elsewhere;
mod hub_forms;

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Finished, Project, finish, says};

/// Three custom tasks, of which the last needs a package that does not exist.
const TASKS: &str = r#"
{"task_id": "own/double", "prompt": "def double(x):\n    \"\"\"Twice x.\"\"\"\n", "entry_point": "double", "tests": ["assert double(1) == 2", "assert double(-3) == -6"], "canonical_solution": "    return 2 * x\n"}
{"task_id": "own/first", "prompt": "def first(items):\n    \"\"\"The first item.\"\"\"\n", "entry_point": "first", "test": "def check(candidate):\n    assert candidate([7, 8]) == 7\n"}
{"task_id": "own/absent", "prompt": "import no_such_package\ndef absent():\n    \"\"\"Nothing.\"\"\"\n", "entry_point": "absent", "tests": ["assert absent() is None"]}
"#;

fn project(samples: &[Value]) -> Project {
    let project = Project::new();
    project.write("tasks.jsonl", TASKS);
    let lines: Vec<String> = samples.iter().map(Value::to_string).collect();
    project.write("samples.jsonl", lines.join("\n"));
    project
}

fn score(project: &Project, words: &[&str]) -> Finished {
    let all = [
        &["score", "--benchmark", "custom", "--data", "tasks.jsonl"],
        words,
    ]
    .concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &all))
}

/// `evaluator score --json` on files of tasks and samples.
pub(crate) fn score_command(
    project: &Project,
    benchmark: &str,
    data: &str,
    samples: &str,
) -> Command {
    let words = [
        "score",
        "--json",
        "--benchmark",
        benchmark,
        "--data",
        data,
        samples,
    ];
    project.command(env!("CARGO_BIN_EXE_evaluator"), &words)
}

/// The base verdict of each sample in a document.
fn verdicts(document: &Value) -> Vec<&Value> {
    let samples = document["samples"].as_array().expect("samples");
    samples.iter().map(|sample| &sample["base"]).collect()
}

fn document(finished: Finished) -> Value {
    serde_json::from_str(&finished.result()).expect("one JSON document")
}

fn solution(task: &str, program: &str) -> Value {
    json!({"task_id": task, "solution": program})
}

#[test]
fn samples_get_their_verdicts_in_the_order_of_the_file() {
    let project = project(&[
        solution("own/first", "def first(items):\n    return items[0]\n"),
        json!({"task_id": "own/double", "completion": "    return x + x\n"}),
        solution("own/double", "def double(x):\n    return 2\n"),
        solution("own/double", "def double(x):\n    return y\n"),
        solution("own/double", "def double(x) return 2 * x\n"),
        solution("own/double", "def double(x):\n    return 2 * x\n"),
    ]);
    let found = document(score(&project, &["samples.jsonl", "--json"]));
    let short: Vec<Value> = found["samples"]
        .as_array()
        .expect("samples")
        .iter()
        .map(|s| {
            json!([
                s["task_id"],
                s["sample"],
                s["base"],
                s["plus"],
                s["base_failed"]
            ])
        })
        .collect();
    assert_eq!(
        Value::from(short),
        json!([
            ["own/first", 0, "passed", null, []],
            ["own/double", 0, "passed", null, []],
            ["own/double", 1, "failed", null, [1]],
            ["own/double", 2, "error", null, [0, 1]],
            ["own/double", 3, "unparsable", null, [0, 1]],
            ["own/double", 4, "passed", null, []],
        ])
    );
    assert_eq!(found["benchmark"], "custom");
    assert_eq!(found["data_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(
        (&found["tasks"], &found["tasks_sampled"]),
        (&json!(3), &json!(2))
    );
    // The mean of 1 of 1 and 2 of 5.
    let rate = &found["pass_at_k"]["base"]["pass@1"];
    assert!(
        (rate["estimate"].as_f64().expect("a rate") - 0.7).abs() < 1e-12,
        "{rate}"
    );
    assert_eq!(found["pass_at_k"]["plus"], Value::Null);
    assert_eq!(found["pass_at_k"]["base"]["pass@10"], Value::Null);
}

#[test]
fn a_second_run_scores_nothing_anew_and_a_changed_sample_alone() {
    let right = solution("own/double", "def double(x):\n    return 2 * x\n");
    let other = solution("own/first", "def first(items):\n    return items[0]\n");
    let project = project(&[right, other.clone()]);
    let first = document(score(&project, &["samples.jsonl", "--json"]));
    let kept = project.read("cache/scores/custom.jsonl");
    assert_eq!(kept.lines().count(), 2);
    let second = score(&project, &["samples.jsonl", "--json"]);
    assert!(!second.stderr.contains("scoring"), "{}", second.stderr);
    assert_eq!(document(second), first);
    assert_eq!(project.read("cache/scores/custom.jsonl"), kept);

    let wrong = solution("own/double", "def double(x):\n    return 3 * x\n");
    project.write("samples.jsonl", format!("{wrong}\n{other}\n"));
    let changed = document(score(&project, &["samples.jsonl", "--json"]));
    assert_eq!(changed["samples"][0]["base"], "failed");
    assert_eq!(project.read("cache/scores/custom.jsonl").lines().count(), 3);
}

#[test]
fn a_damaged_line_of_the_cache_is_scored_again() {
    let project = project(&[
        solution("own/double", "def double(x):\n    return 2 * x\n"),
        solution("own/first", "def first(items):\n    return items[0]\n"),
    ]);
    let first = document(score(&project, &["samples.jsonl", "--json"]));
    let kept = project.read("cache/scores/custom.jsonl");
    // The last line is cut off, as by a kill.
    project.write("cache/scores/custom.jsonl", &kept[..kept.len() - 20]);
    let second = score(&project, &["samples.jsonl", "--json"]);
    assert!(
        second.stderr.contains("1 damaged line"),
        "{}",
        second.stderr
    );
    let second = document(second);
    for i in [0, 1] {
        assert_eq!(second["samples"][i]["base"], first["samples"][i]["base"]);
    }
    let third = score(&project, &["samples.jsonl", "--json"]);
    assert!(!third.stderr.contains("scoring"), "{}", third.stderr);
}

#[test]
fn what_cannot_be_judged_is_unscored_and_not_failed() {
    let program = "import no_such_package\ndef absent():\n    return None\n";
    let project = project(&[solution("own/absent", program)]);
    let finished = score(&project, &["samples.jsonl", "--json"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let found: Value = serde_json::from_str(&finished.stdout).expect("one JSON document");
    assert_eq!(found["samples"][0]["base"], Value::Null);
    assert_eq!(
        found["samples"][0]["unscored"],
        "the task needs the Python package `no_such_package`"
    );
    assert!(
        finished.stderr.contains("1 sample could not be scored"),
        "{}",
        finished.stderr
    );
}

#[test]
fn the_table_counts_verdicts_and_rates() {
    let project = project(&[
        solution("own/double", "def double(x):\n    return 2 * x\n"),
        solution("own/first", "def first(items):\n    return items\n"),
    ]);
    let table = score(&project, &["samples.jsonl"]).result();
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("custom: 2 samples of 2 over 2 of 3 tasks"),
        "{table}"
    );
    // A single suite needs no name.
    assert_eq!(lines[1], "1 passed, 1 failed");
    assert!(lines[2].starts_with("  pass@1    50.0 %  ["), "{table}");
}

#[test]
fn the_table_names_the_suites_of_a_benchmark_that_has_two() {
    let row = json!({
        "task_id": "HumanEval/0", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n",
        "base_input": [[1]], "plus_input": [[2]], "atol": 0, "contract": "",
    });
    let project = Project::new();
    project.write("plus.jsonl", format!("{row}\n"));
    let sample = solution("HumanEval/0", "def f(x):\n    return 1\n");
    project.write("samples.jsonl", format!("{sample}\n"));
    let words = ["score", "--benchmark", "humaneval+", "--data", "plus.jsonl"];
    let words = [&words[..], &["samples.jsonl"]].concat();
    let finished = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words));
    let table = finished.result();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        (lines[1], lines[3]),
        ("base  1 passed", "plus  1 failed"),
        "{table}"
    );
    assert!(lines[2].starts_with("      pass@1   100.0 %"), "{table}");
    assert_eq!(lines[5], "not passed, each with its first failing test:");
    assert_eq!(
        lines[6],
        "  HumanEval/0  plus failed  wrong result of f(2,)"
    );
}

#[test]
fn samples_that_do_not_pass_are_listed_with_their_first_failing_test() {
    let wrong = |n: usize| {
        solution(
            "own/double",
            &format!("def double(x):\n    return {n} + x\n"),
        )
    };
    let mut samples: Vec<Value> = (2..14).map(wrong).collect();
    samples.insert(
        0,
        solution("own/double", "def double(x):\n    return 2 * x\n"),
    );
    samples.insert(
        1,
        solution("own/first", "def first(items):\n    return y\n"),
    );
    let table = score(&project(&samples), &["samples.jsonl"]).result();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[3], "not passed, each with its first failing test:");
    assert!(lines[4].starts_with("  own/first  error  "), "{table}");
    assert!(
        lines[4].contains("NameError: name 'y' is not defined"),
        "{table}"
    );
    assert!(
        lines[5].starts_with("  own/double (sample 1)  failed  assert double(1) == 2"),
        "{table}"
    );
    assert_eq!(lines[14], "  and 3 more samples (--json lists all)");
    assert_eq!(lines.len(), 15);
    let all_right = [solution("own/double", "def double(x):\n    return 2 * x\n")];
    let table = score(&project(&all_right), &["samples.jsonl"]).result();
    assert!(!table.contains("not passed"), "{table}");
}

/// Returns the error about a file of samples with this text.
fn check_error(samples: &str, expected: &[&str]) {
    let project = project(&[]);
    project.write("samples.jsonl", samples);
    says(
        &score(&project, &["samples.jsonl", "--json"]).error(2),
        expected,
    );
}

#[test]
fn bad_samples_are_told_with_their_line() {
    check_error("", &["samples.jsonl: found no sample"]);
    check_error(
        "\n{\"task_id\": \"own/double\"}\n",
        &["samples.jsonl:2: neither `solution` nor `completion`, found `task_id`"],
    );
    check_error(
        "{\"solution\": \"\"}\n",
        &["samples.jsonl:1: no `task_id`, found `solution`"],
    );
    check_error(
        "{\"task_id\": \"HumanEval/0\", \"solution\": \"\"}\n",
        &[
            "samples.jsonl:1: no task `HumanEval/0` in the benchmark",
            "hint: its 3 tasks have ids such as `own/double`",
        ],
    );
    check_error(
        "{\"task_id\": \"own/double\", \"solution\": [\"a\"]}\n",
        &[
            "samples.jsonl:1: `solution` is not text",
            "hint: write one line for each sample of a task",
        ],
    );
    check_error("def f(): pass\n", &["samples.jsonl:1: not JSON"]);
}

#[test]
fn files_and_names_that_are_not_there_are_the_users_mistake() {
    let project = project(&[]);
    let run = |words: &[&str]| {
        let words = [&["score"], words].concat();
        finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words)).error(2)
    };
    says(
        &run(&["--benchmark", "humanevil", "samples.jsonl"]),
        &[
            "unknown benchmark `humanevil`",
            "hint: did you mean `humaneval`? known benchmarks: embedded, humaneval,",
        ],
    );
    says(
        &run(&["--benchmark", "humaneval", "samples.jsonl"]),
        &[
            "HumanEval.jsonl.gz for the benchmark `humaneval`",
            "hint: github.com/openai/human-eval publishes HumanEval.jsonl.gz",
        ],
    );
    says(
        &run(&["--benchmark", "custom", "--data", "tasks.jsonl", "no.jsonl"]),
        &["no.jsonl: no such file"],
    );
    says(
        &run(&[
            "--benchmark",
            "mbpp",
            "--data",
            "tasks.jsonl",
            "samples.jsonl",
        ]),
        &["tasks.jsonl:2: no field `test_setup_code`"],
    );
}

/// Scores programs, each a whole answer to the record's task, and compares their verdicts.
fn check_programs(benchmark: &str, file: &str, record: &Value, programs: &[(&str, &str)]) {
    check_answers(benchmark, file, record, programs, &[]);
}

/// Scores programs as [`check_programs`] does, with further arguments.
fn check_answers(
    benchmark: &str,
    file: &str,
    record: &Value,
    programs: &[(&str, &str)],
    further: &[&str],
) {
    let project = Project::new();
    let is_lines = std::path::Path::new(file)
        .extension()
        .is_some_and(|end| end == "jsonl");
    let rows = if is_lines {
        record.to_string()
    } else {
        format!("[{record}]")
    };
    project.write(file, rows);
    let id = ["task_id", "question_id", "problem_id", "id"]
        .into_iter()
        .find_map(|name| record.get(name))
        .expect("an id");
    let samples: Vec<String> = programs
        .iter()
        .map(|(program, _)| json!({"task_id": id, "solution": program}).to_string())
        .collect();
    project.write("samples.jsonl", samples.join("\n"));
    let mut command = score_command(&project, benchmark, file, "samples.jsonl");
    let found = document(finish(command.args(further)));
    for ((program, verdict), sample) in programs
        .iter()
        .zip(found["samples"].as_array().expect("samples"))
    {
        assert_eq!(sample["base"], *verdict, "{program}\n{sample}");
    }
}

#[test]
fn a_whole_number_is_right_where_the_reference_returns_a_float() {
    let row = json!({
        "task_id": "Mbpp/287", "prompt": "\"\"\"\nx\n\"\"\"\n", "entry_point": "square_Sum",
        "canonical_solution": "def square_Sum(n):\n    return 2 * n * (n + 1) * (2 * n + 1) / 3\n",
        "base_input": [[2], [3]], "plus_input": [], "atol": 0, "contract": "", "assertion": "", "test": "",
    });
    let program = "def square_Sum(n):\n    return 2*n*(n+1)*(2*n+1)//3\n";
    check_programs("mbpp+", "t.jsonl", &row, &[(program, "passed")]);
}

#[test]
fn evolved_tasks_are_judged_with_types_and_puzzles_by_what_solves_them() {
    let half = json!({
        "task_id": "EvoEval/1", "entry_point": "half", "prompt": "def half(x):\n    \"\"\"Half of it.\"\"\"\n",
        "canonical_solution": "    return x / 2\n", "inputs": ["4", "1"],
    });
    check_programs(
        "evoeval",
        "EvoEval_subtle.json",
        &half,
        &[
            ("def half(x):\n    return 0.5000001 * x\n", "passed"),
            (
                "def half(x):\n    return x // 2 if x % 2 == 0 else x / 2\n",
                "failed",
            ),
        ],
    );
    let factors = json!({
        "task_id": "EvoEval/69", "entry_point": "factors",
        "prompt": "def factors(numbers, product):\n    \"\"\"Places of two factors.\"\"\"\n",
        "canonical_solution": "    for j in range(len(numbers)):\n        for i in range(j):\n            if numbers[i] * numbers[j] == product:\n                return (i, j)\n    return 'No magic today'\n",
        "inputs": ["[2, 6, 3, 4], 12", "[1], 5"],
    });
    let last = "def factors(numbers, product):\n    n = range(len(numbers))\n    found = [(i, j) for i in n for j in n if i < j and numbers[i] * numbers[j] == product]\n    return found[-1] if found else 'No magic today'\n";
    check_programs(
        "evoeval",
        "EvoEval_creative.json",
        &factors,
        &[
            (last, "passed"),
            (&last.replace("i < j", "i > j"), "failed"),
        ],
    );
}

#[test]
fn word_problems_are_judged_by_the_number_that_is_left() {
    let task = json!({
        "task_id": 9, "text": "What is the third of one?", "code": "answer = 1 / 3", "answer": 1.0 / 3.0,
    });
    check_programs(
        "mathqa-python",
        "mathqa-python-test.json",
        &task,
        &[
            ("n0 = 1.0\nanswer = n0 * (1 / 3)\n", "passed"),
            ("answer = 0.333\n", "failed"),
            ("result = 1 / 3\n", "error"),
        ],
    );
}

#[test]
fn unittest_classes_may_patch_the_program() {
    let task = json!({
        "task_id": "BigCodeBench/3", "entry_point": "task_func",
        "complete_prompt": "import random\n\ndef task_func(n):\n    \"\"\"Twice a die.\"\"\"\n",
        "canonical_solution": "    return 2 * random.randint(1, n)\n",
        "test": "import unittest\nfrom unittest.mock import patch\nclass TestCases(unittest.TestCase):\n    @patch('random.randint')\n    def test_die(self, die):\n        die.return_value = 4\n        self.assertEqual(task_func(6), 8)\n    def test_sides(self):\n        with self.assertRaises(ValueError):\n            task_func(0)\n",
    });
    let program = |body: &str| format!("import random\n\ndef task_func(n):\n    {body}\n");
    check_programs(
        "bigcodebench",
        "bigcodebench.json",
        &task,
        &[
            (&program("return 2 * random.randint(1, n)"), "passed"),
            (&program("return random.randint(1, n)"), "failed"),
            (&program("return 8"), "failed"),
        ],
    );
}
