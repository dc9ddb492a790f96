//! Pairs and labelled answers through the commands, and the data set folders that `evaluator dataset` writes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slm_artifacts::{DATASET_VERSION, DatasetInfo, DatasetKind, TaskFingerprint};
use slm_benchmarks::{ScoringPhase, Task};

use crate::run;
use crate::support::{Finished, Project, says};

const SOLUTION: &str =
    "    best = xs[0]\n    for x in xs:\n        best = x if x < best else best\n    return best\n";

/// Runs `trainer data` with one data set, and more arguments.
fn data(project: &Project, path: &str, format: &str, words: &[&str]) -> Finished {
    let set = format!("data.datasets=[{{path: {path}, format: {format}}}]");
    let objective = match format {
        "pairs" => "train.objective=dpo",
        "kto" => "train.objective=kto",
        _ => "train.objective=sft",
    };
    let given = ["data", "tiny.yaml", "--set", &set, "--set", objective];
    run(project, &[&given, words].concat())
}

fn report(finished: Finished) -> Value {
    serde_json::from_str(&finished.result()).expect("one JSON document")
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

fn assistant(text: &str) -> Value {
    json!([{"role": "assistant", "content": text}])
}

fn pair(n: usize, chosen: &str, rejected: &str) -> Value {
    json!({
        "prompt": user(&format!("What is {n} plus 1?")),
        "chosen": assistant(chosen),
        "rejected": assistant(rejected),
    })
}

fn lines(rows: &[Value]) -> String {
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    rows.join("\n") + "\n"
}

/// Returns the supervised tokens of an example of `--json`, as texts.
fn learned(example: &Value) -> Vec<&str> {
    let tokens = example["tokens"].as_array().expect("tokens").iter();
    tokens
        .filter(|token| token["supervised"] == true)
        .filter_map(|token| token["text"].as_str())
        .collect()
}

/// Writes a data set folder of these rows and tasks.
fn folder(project: &Project, kind: DatasetKind, rows: &[Value], tasks: Vec<TaskFingerprint>) {
    let text = lines(rows);
    let info = DatasetInfo {
        version: DATASET_VERSION,
        kind,
        rules: BTreeMap::new(),
        runs: Vec::new(),
        answers: rows.len(),
        rows: rows.len(),
        left_out: BTreeMap::new(),
        rows_sha256: slm_artifacts::sha256(&text),
        sources_sha256: slm_artifacts::sha256(""),
        tasks,
        lengths: BTreeMap::new(),
        mi_code_explained_by_lloc: None,
    };
    project.write("made/rows.jsonl", text);
    project.write("made/sources.jsonl", "");
    let info = serde_json::to_string(&info).expect("JSON");
    project.write("made/dataset.json", info);
}

fn sft_rows() -> Vec<Value> {
    let row = |n: usize| json!({"prompt": user(&format!("Name {n}.")), "completion": assistant("ok"), "task_id": "own/1"});
    (0..4).map(row).collect()
}

/// Loads a benchmark file of one task.
fn task(project: &Project, id: &str, prompt: &str, solution: &str) -> Task {
    let row = json!({
        "task_id": id, "prompt": prompt, "entry_point": "least", "canonical_solution": solution,
        "tests": ["assert least([2, 1]) == 1"],
    });
    project.write("task.jsonl", format!("{row}\n"));
    let benchmark = slm_benchmarks::load_selected(
        "custom",
        Some(&project.path("task.jsonl")),
        &slm_benchmarks::Selection::default(),
    );
    benchmark.expect("a task").tasks.remove(0)
}

#[test]
fn a_pair_is_shown_with_both_answers_and_its_common_prompt_is_not_learned() {
    let project = Project::new();
    let whole = |answer: &str| json!([{"role": "user", "content": "Two?"}, {"role": "assistant", "content": answer}]);
    let rows = [
        pair(0, "1", "2"),
        json!({"chosen": whole("2"), "rejected": whole("3")}),
        // As in UltraFeedback: the prompt as text beside whole conversations.
        json!({"prompt": "Two?", "chosen": whole("2"), "rejected": whole("4")}),
        json!({"prompt": "a = ", "chosen": "1", "rejected": "2", "task_id": 7}),
    ];
    project.write("pairs.jsonl", lines(&rows));
    let shown = data(&project, "pairs.jsonl", "pairs", &["--examples", "4"]).result();
    says(
        &shown,
        &[
            "4 examples from 4 rows",
            "training   4 pairs, ",
            "pair 1, chosen: ",
            "[[1|«<|im_end|>»]]",
            "pair 1, rejected: ",
            "[[2|«<|im_end|>»]]",
            "pair 3, rejected: ",
            "[[4|«<|im_end|>»]]",
            "pair 4, chosen: ",
            "[[1|«<|endoftext|>»]]",
        ],
    );
    let report = report(data(
        &project,
        "pairs.jsonl",
        "pairs",
        &["--examples", "1", "--json"],
    ));
    let examples = report["examples"].as_array().expect("examples");
    assert_eq!(examples.len(), 2);
    assert_eq!(
        (examples[0]["side"].as_str(), learned(&examples[0])),
        (Some("chosen"), vec!["1", "<|im_end|>"])
    );
}

#[test]
fn a_labelled_answer_is_shown_with_its_label() {
    let project = Project::new();
    let row = |n: usize| json!({"prompt": user("One?"), "completion": assistant(&n.to_string()), "label": n == 1});
    project.write("kto.jsonl", lines(&[row(1), row(2)]));
    let shown = data(&project, "kto.jsonl", "kto", &[]).result();
    says(
        &shown,
        &[
            "training   2 labelled answers, ",
            "example 1, label true: ",
            "example 2, label false: ",
        ],
    );
}

#[test]
fn rows_of_a_pair_or_label_that_cannot_be_used_are_counted_by_reason() {
    let project = Project::new();
    let long = "word ".repeat(2000);
    let mut rows: Vec<Value> = (0..8).map(|n| pair(n, "yes", "no")).collect();
    rows.extend([
        json!({"prompt": user("One?"), "chosen": assistant("1")}),
        pair(0, "same", "same"),
        pair(0, "short", &long),
        json!({"prompt": user("One?"), "chosen": assistant("ab"), "rejected": assistant("b"), "prefill": "a"}),
        json!({"chosen": "a", "rejected": "b"}),
        json!({"prompt": "a", "chosen": "a", "rejected": assistant("b")}),
    ]);
    project.write("pairs.jsonl", lines(&rows));
    let found = report(data(&project, "pairs.jsonl", "pairs", &["--json"]));
    let counts = &found["datasets"][0];
    assert_eq!(counts["kept"], 8, "{counts}");
    let expected = json!({
        "empty_field": 2, "wrong_type": 1, "other_prefill": 1, "equal_answers": 1, "overlong": 1,
    });
    assert_eq!(counts["left_out"], expected);
    let first = counts["first"]["other_prefill"].as_str().expect("a place");
    says(
        first,
        &["pairs.jsonl:12: `rejected` does not start with `prefill`"],
    );

    let row = |label: Value| json!({"prompt": "a", "completion": "b", "label": label});
    let rows = [
        row(json!(true)),
        row(json!(false)),
        row(json!("true")),
        row(json!(1)),
    ];
    project.write("kto.jsonl", lines(&rows));
    let found = report(data(&project, "kto.jsonl", "kto", &["--json"]));
    assert_eq!(
        found["datasets"][0]["left_out"],
        json!({"wrong_type": 2}),
        "{found}"
    );
    let strict = ["--set", "data.on_bad_row=error"];
    let error = data(&project, "kto.jsonl", "kto", &strict).error(2);
    says(
        &error,
        &["kto.jsonl:3: `label` is the text \"true\", expected a boolean"],
    );
}

#[test]
fn answers_of_one_label_are_shown_and_data_of_two_kinds_are_refused() {
    let project = Project::new();
    let rows = [json!({"prompt": "a", "completion": "b", "label": true})];
    project.write("kto.jsonl", lines(&rows));
    let shown = data(&project, "kto.jsonl", "kto", &[]).result();
    says(&shown, &["training   1 labelled answer,"]);
    project.write("pairs.jsonl", lines(&[pair(0, "1", "2")]));
    let set =
        "data.datasets=[{path: pairs.jsonl, format: pairs}, {path: a.jsonl, format: messages}]";
    let error = run(&project, &["data", "tiny.yaml", "--set", set]).error(2);
    says(
        &error,
        &[
            "`data.datasets[1].format` is \"messages\"",
            "pairs of answers",
            "examples to learn",
        ],
    );
    for (key, value) in [("overlength", "truncate"), ("train_on", "all")] {
        let set = format!("data.{key}={value}");
        let error = data(&project, "pairs.jsonl", "pairs", &["--set", &set]).error(2);
        says(&error, &[&format!("`data.{key}` is \"{value}\"")]);
    }
}

#[test]
fn the_answers_to_one_prompt_or_task_stay_on_one_side_of_the_split() {
    let project = Project::new();
    let row = |task: usize, n: usize| {
        json!({
            "prompt": format!("task {task}, variant {n}: "), "chosen": "yes", "rejected": n.to_string(),
            "task_id": task.to_string(),
        })
    };
    let rows: Vec<Value> = (0..20).map(|n| row(n / 10, n)).collect();
    project.write("pairs.jsonl", lines(&rows));
    let words = ["--set", "data.val_size=0.5", "--json", "--examples", "10"];
    let found = report(data(&project, "pairs.jsonl", "pairs", &words));
    assert_eq!(found["training"]["examples"], 10);
    assert_eq!(found["validation"]["examples"], 10);
    let text = |example: &Value| -> String {
        let tokens = example["tokens"].as_array().expect("tokens").iter();
        tokens
            .filter_map(|token| token["text"].as_str())
            .take(6)
            .collect()
    };
    let examples = found["examples"].as_array().expect("examples");
    let first: Vec<String> = examples.iter().map(text).collect();
    assert!(
        first.iter().all(|text| *text == first[0]),
        "two tasks in the training part: {first:?}"
    );
}

#[test]
fn a_data_set_folder_is_read_by_its_path_or_by_that_of_its_rows_and_recorded_with_the_adapter() {
    let project = Project::new();
    let tasks = vec![TaskFingerprint {
        task_id: "own/1".to_owned(),
        publisher_id: None,
        sentences: Vec::new(),
        functions: Vec::new(),
    }];
    folder(&project, DatasetKind::Sft, &sft_rows(), tasks);
    for path in ["made", "made/rows.jsonl"] {
        let found = report(data(&project, path, "prompt_completion", &["--json"]));
        assert_eq!(found["datasets"][0]["kept"], 4, "{found}");
    }
    let set = "data.datasets=[{path: made, format: prompt_completion}]";
    let trained = crate::fit(&project, &["--set", set, "--set", "train.max_steps=1"]).result();
    let adapter = trained.trim().trim_start_matches("adapter: ");
    let summary: Value =
        serde_json::from_str(&project.read(&format!("{adapter}/training.json"))).expect("JSON");
    let expected = json!([{
        "path": "made",
        "sha256": slm_artifacts::sha256(project.bytes("made/dataset.json")),
        "tasks": [{"task_id": "own/1"}],
    }]);
    assert_eq!(summary["datasets"], expected);
}

#[test]
fn a_changed_or_foreign_data_set_folder_is_refused() {
    let project = Project::new();
    folder(&project, DatasetKind::Sft, &sft_rows(), Vec::new());
    let error = data(&project, "made", "pairs", &[]).error(2);
    says(
        &error,
        &[
            "its kind is sft, but its format in the recipe is pairs",
            "hint: format: prompt_completion",
        ],
    );
    let (rows, info) = (
        project.read("made/rows.jsonl"),
        project.read("made/dataset.json"),
    );
    project.write("made/rows.jsonl", format!("{rows}\n"));
    for path in ["made", "made/rows.jsonl"] {
        let error = data(&project, path, "prompt_completion", &[]).error(2);
        says(
            &error,
            &["rows.jsonl changed since dataset.json was written"],
        );
    }
    project.write("made/rows.jsonl", rows);
    let newer = info.replace("\"version\":1", "\"version\":2");
    project.write("made/dataset.json", newer);
    let error = data(&project, "made", "prompt_completion", &[]).error(2);
    says(&error, &["dataset.json: version 2, expected 1", "hint: "]);
    project.write("made/dataset.json", "[]");
    let error = data(&project, "made", "prompt_completion", &[]).error(2);
    says(&error, &["dataset.json: "]);
}

/// The same task comes as another benchmark's id, as a renamed function with other words, and as an equal syntax tree.
#[test]
fn a_data_set_with_a_task_that_the_recipe_evaluates_is_refused_however_the_task_is_disguised() {
    let project = Project::new();
    let prompt = "def least(xs):\n    \"\"\"Find the least number of a list.\"\"\"\n";
    task(&project, "Mbpp/7", prompt, SOLUTION);
    project.write("evaluated.jsonl", project.read("task.jsonl"));
    let other = "def smallest(values):\n    \"\"\"Give the minimum.\"\"\"\n";
    let layout = SOLUTION.replace("best = xs[0]", "best = (xs[0])  # the first");
    let planted = [
        (
            "mbpp/7",
            "def f(a):\n    \"\"\"Other words.\"\"\"\n",
            "    return min(a)\n".to_owned(),
            "publisher's id",
        ),
        (
            "own/1",
            other,
            SOLUTION.replace("xs", "values"),
            "function of its solution",
        ),
        (
            "own/2",
            "def least(xs):\n",
            layout,
            "function of its solution",
        ),
    ];
    let benchmark = "evaluate.benchmarks=[{name: custom, path: evaluated.jsonl}]";
    let words = ["--set", benchmark, "--set", "data.decontaminate=false"];
    for (id, prompt, solution, by) in planted {
        let task = task(&project, id, prompt, &solution);
        let tasks = slm_benchmarks::fingerprints(&[task], &ScoringPhase::begin());
        folder(&project, DatasetKind::Sft, &sft_rows(), tasks);
        for path in ["made", "made/rows.jsonl"] {
            let error = data(&project, path, "prompt_completion", &words).error(2);
            says(
                &error,
                &[
                    "1 of its 1 tasks are tasks of `evaluate.benchmarks`",
                    &format!("{id} is Mbpp/7 by "),
                    by,
                    "hint: ",
                ],
            );
        }
    }
    let free = task(
        &project,
        "own/3",
        "def f(a):\n    \"\"\"Add them.\"\"\"\n",
        "    return sum(a)\n",
    );
    let tasks = slm_benchmarks::fingerprints(&[free], &ScoringPhase::begin());
    folder(&project, DatasetKind::Sft, &sft_rows(), tasks);
    data(&project, "made", "prompt_completion", &words).result();
}
