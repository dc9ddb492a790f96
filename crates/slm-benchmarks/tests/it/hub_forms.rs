//! Benchmarks in the form of the hub's data sets: parquet files and folders of them, written by pyarrow.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use slm_benchmarks::{
    Asserts, Calls, Evaluated, Expected, Oracle, ScoringPhase, Split, TaskSet, Tests, load,
    load_few_shot,
};

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden/hub")
        .join(folder)
}

fn set(benchmark: &str, folder: &str) -> TaskSet {
    load(benchmark, Some(&golden(folder))).unwrap_or_else(|error| panic!("{benchmark}: {error}"))
}

fn ids(set: &TaskSet) -> Vec<&str> {
    set.tasks
        .iter()
        .map(|task| task.view().task_id.as_str())
        .collect()
}

fn calls(set: &TaskSet, task: usize) -> &Calls {
    match set.tasks[task].hidden().open(&ScoringPhase::begin()) {
        Tests::Calls(calls) => calls,
        other => panic!("{other:?}"),
    }
}

fn asserts(set: &TaskSet, task: usize) -> &Asserts {
    match set.tasks[task].hidden().open(&ScoringPhase::begin()) {
        Tests::Asserts(asserts) => asserts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn test_programs_of_humaneval_plus_become_calls() {
    let set = set("humaneval+", "humanevalplus");
    assert_eq!(
        ids(&set),
        ["HumanEval/9000", "HumanEval/9001", "HumanEval/9002"]
    );
    let half = calls(&set, 0);
    assert_eq!(half.base, ["(3.0,)", "(-0.001,)", "(7,)"]);
    assert_eq!((half.plus.as_ref(), half.atol), (None, 1e-6));
    let Expected::Reference(reference) = &half.expected else {
        panic!("{:?}", half.expected);
    };
    assert!(reference.starts_with("def half(x: float)") && reference.ends_with("return x / 2\n"));
    assert_eq!(set.tasks[0].view().public_examples.len(), 1);
    // The results of the second come from a reference, whose inputs contain brackets and quotes.
    assert_eq!(calls(&set, 1).base, [r#"("a, ]'", 2,)"#, r"('\n', 0,)"]);
    let whole = asserts(&set, 2);
    assert_eq!(whole.tests, ["check(first)"]);
    assert!(whole.setup.contains("candidate([4, 5]) == 4"));
}

#[test]
fn test_programs_of_mbpp_plus_become_calls_with_the_rules_of_the_release() {
    let set = set("mbpp+", "mbppplus");
    assert_eq!(ids(&set), ["Mbpp/9000", "Mbpp/9001", "Mbpp/9002"]);
    let pairs = calls(&set, 0);
    assert_eq!(
        (pairs.entry_point.as_str(), &pairs.oracle),
        ("pairs", &Oracle::Equal)
    );
    assert_eq!(pairs.base, ["(((1, 2), (3, 4)),)", "([],)"]);
    assert_eq!(calls(&set, 1).oracle, Oracle::SetEqual);
    let view = set.tasks[0].view();
    assert_eq!(
        view.prompt,
        "\"\"\"\nWrite a function to list the pairs.\nassert pairs(*[((1, 2), (3, 4))]) == [(1, 2), (3, 4)]\n\"\"\"\n"
    );
    assert_eq!(view.public_examples.len(), 1);
    assert!(asserts(&set, 2).tests[0].contains("no_such_package"));
    assert_eq!(set.tasks[0].split(), Some(Split::Test));
}

#[test]
fn a_folder_of_splits_is_one_benchmark() {
    let full = set("mbpp", "mbpp");
    assert_eq!(
        ids(&full),
        [
            "Mbpp/2", "Mbpp/3", "Mbpp/4", "Mbpp/11", "Mbpp/12", "Mbpp/601", "Mbpp/511"
        ]
    );
    let splits: Vec<_> = full.tasks.iter().map(slm_benchmarks::Task::split).collect();
    assert_eq!(
        splits[2..6],
        [
            None,
            Some(Split::Test),
            Some(Split::Test),
            Some(Split::Train)
        ]
    );
    let sanitized = set("mbpp-sanitized", "mbpp");
    assert_eq!(ids(&sanitized), ["Mbpp/11", "Mbpp/602"]);
    assert_eq!(sanitized.tasks[0].view().setup, "import math");
    assert_ne!(full.data_sha256, sanitized.data_sha256);
    let one = load(
        "mbpp",
        Some(&golden("mbpp/full/test-00000-of-00001.parquet")),
    );
    assert_eq!(ids(&one.expect("a file")), ["Mbpp/11", "Mbpp/12"]);
    assert_eq!(
        ids(&set("humaneval", "openai_humaneval")),
        ["HumanEval/9003"]
    );
    // The examples of the few-shot prompt are in the file for prompts.
    let shown = load_few_shot("mbpp", Some(&golden("mbpp"))).expect("the examples");
    let text = shown.tasks[3]
        .view()
        .few_shot
        .as_deref()
        .expect("a request");
    assert!(
        text.contains("assert f4(1) == 5") && text.contains("assert f11(0) == 11"),
        "{text}"
    );
}

#[test]
fn other_entries_of_a_folder_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = golden("humanevalplus/data/test-00000-of-00001.parquet");
    fs::copy(file, folder.path().join("test.parquet")).expect("a copy");
    for other in ["README.md", "dataset_infos.json", ".gitattributes"] {
        fs::write(folder.path().join(other), "{}").expect("a file");
    }
    let set = load("humaneval+", Some(folder.path())).expect("tasks");
    let left_out: Vec<_> = set.left_out.into_iter().collect();
    assert_eq!(
        left_out,
        [("entries of the folder that are no data files", 2)]
    );
    // The same tasks twice are no larger benchmark.
    let file = golden("humanevalplus/data/test-00000-of-00001.parquet");
    fs::copy(file, folder.path().join("again.parquet")).expect("a copy");
    let error = load("humaneval+", Some(folder.path()))
        .expect_err("twice")
        .to_string();
    assert!(
        error.contains("two tasks are called `HumanEval/9000`"),
        "{error}"
    );
}

/// Loads rows written as JSON Lines, the other form of the same data; the message without the folder.
fn load_rows(benchmark: &str, rows: &[Value]) -> Result<TaskSet, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.jsonl");
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs::write(&path, lines.join("\n")).expect("a file");
    let place = format!("{}/", folder.path().display());
    load(benchmark, Some(&path)).map_err(|error| error.to_string().replace(&place, ""))
}

fn humaneval_row() -> Value {
    json!({
        "task_id": "HumanEval/1", "prompt": "def f(x):\n    \"\"\"X.\"\"\"\n",
        "canonical_solution": "    return x\n", "entry_point": "f",
        "test": "def check(candidate):\n    inputs = [[1], [2]]\n    results = [1, 2]\n    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp, 0)\n",
    })
}

fn mbpp_row() -> Value {
    json!({
        "task_id": 7, "code": "def f(x):\n    return x\n", "prompt": "Write f.", "test_imports": [],
        "test_list": ["assert f(1) == 1"],
        "test": "inputs = [[1]]\nresults = [1]\nfor i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(f(*inp), exp, 0)\n",
    })
}

fn changed(row: &Value, name: &str, value: Option<Value>) -> Value {
    let mut row = row.clone();
    let fields = row.as_object_mut().expect("an object");
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    row
}

#[test]
fn what_is_wrong_with_a_row_is_named_with_its_place() {
    let test = |text: &str| Some(json!(text));
    let humaneval = humaneval_row();
    let text = humaneval["test"].as_str().expect("text");
    for (row, name, value, message) in [
        (
            &humaneval,
            "entry_point",
            None,
            "no field `entry_point`, found ",
        ),
        (
            &humaneval,
            "canonical_solution",
            Some(Value::Null),
            "field `canonical_solution` is null",
        ),
        (
            &humaneval,
            "test",
            test(" \n"),
            "`test` is empty: every program would pass",
        ),
        (
            &humaneval,
            "test",
            test(&text.replace("[[1], [2]]", "[]")),
            "`test` has no inputs: every program would pass",
        ),
        (
            &humaneval,
            "test",
            test(&text.replace("[1, 2]", "[1]")),
            "`test` has 2 inputs and 1 results",
        ),
    ] {
        let error = load_rows(
            "humaneval+",
            &[humaneval.clone(), changed(row, name, value)],
        )
        .map(|_| ())
        .expect_err(message);
        assert!(
            error.starts_with(&format!("test.jsonl:2: {message}")),
            "{error}"
        );
    }
    let mbpp = mbpp_row();
    for (name, value, message) in [
        ("code", None, "no field `code`, found "),
        (
            "code",
            Some(json!("g = 1\n")),
            "`test` calls `f`, which `code` does not define",
        ),
        ("test_list", Some(json!([])), "`test_list` is empty"),
        ("task_id", Some(Value::Null), "field `task_id` is null"),
    ] {
        let error = load_rows("mbpp+", &[mbpp.clone(), changed(&mbpp, name, value)])
            .map(|_| ())
            .expect_err(message);
        assert!(
            error.starts_with(&format!("test.jsonl:2: {message}")),
            "{error}"
        );
    }
}

#[test]
fn ids_are_texts_or_numbers_and_prefixed_once() {
    for (benchmark, row, expected) in [
        (
            "humaneval+",
            changed(&humaneval_row(), "task_id", Some(json!(3))),
            "HumanEval/3",
        ),
        (
            "mbpp+",
            changed(&mbpp_row(), "task_id", Some(json!("7"))),
            "Mbpp/7",
        ),
        (
            "mbpp+",
            changed(&mbpp_row(), "task_id", Some(json!("Mbpp/7"))),
            "Mbpp/7",
        ),
    ] {
        let set = load_rows(benchmark, &[row]).expect("a task");
        assert_eq!(ids(&set), [expected]);
    }
    let spaced = changed(
        &mbpp_row(),
        "code",
        Some(json!("def f (x):\n    return x\n")),
    );
    assert!(load_rows("mbpp+", &[spaced]).is_ok());
    // The tasks of the early release have the rules of its time.
    let early = changed(&mbpp_row(), "task_id", Some(json!(164)));
    assert!(load_rows("mbpp+", &[early]).is_ok());
}

#[test]
fn a_comparison_by_another_rule_is_run_as_it_is_written() {
    let row = mbpp_row();
    let text = row["test"].as_str().expect("text");
    let own = format!("def assertion(out, exp, atol):\n    assert set(out) == set(exp)\n\n{text}");
    let set = load_rows(
        "mbpp+",
        &[
            row.clone(),
            changed(
                &changed(&row, "test", Some(json!(own))),
                "task_id",
                Some(json!(8)),
            ),
        ],
    )
    .expect("tasks");
    assert_eq!(calls(&set, 0).base, ["(1,)"]);
    assert_eq!(asserts(&set, 1).tests, [own]);
}

#[test]
fn the_original_benchmark_in_parquet_is_named_as_such() {
    let original = golden("openai_humaneval");
    let error = load("humaneval+", Some(&original))
        .expect_err("the original")
        .to_string();
    assert!(
        error.contains("the original benchmark, without the tests that EvalPlus added"),
        "{error}"
    );
    assert!(
        error.contains("hint: this benchmark needs HumanEvalPlus.jsonl.gz"),
        "{error}"
    );
    let error = load("mbpp+", Some(&golden("mbpp/full")))
        .expect_err("the original")
        .to_string();
    assert!(
        error.contains("the original benchmark, without the tests that EvalPlus added"),
        "{error}"
    );
}

#[test]
fn the_original_format_as_json_lines_is_read_as_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("HumanEvalPlus-OriginFmt.jsonl");
    fs::write(&path, humaneval_row().to_string()).expect("a file");
    let set = load("humaneval+", Some(&path)).expect("a task");
    assert_eq!(calls(&set, 0).base, ["(1,)", "(2,)"]);
}

#[test]
fn a_truncated_or_foreign_file_is_refused_without_a_panic() {
    let bytes = fs::read(golden("mbppplus/data/test-00000-of-00001.parquet")).expect("a file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.parquet");
    for n in [4, 8, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..n]).expect("a file");
        let error = load("mbpp+", Some(&path))
            .expect_err("truncated")
            .to_string();
        assert!(error.contains("test.parquet"), "{error}");
    }
    fs::write(&path, b"no parquet at all").expect("a file");
    let error = load("mbpp+", Some(&path)).expect_err("foreign").to_string();
    assert!(
        error.contains("test.parquet: not a parquet file"),
        "{error}"
    );
}

#[test]
fn a_learned_task_of_mbpp_is_recognised_among_those_of_mbpp_plus() {
    let learned = set("mbpp", "mbpp").tasks;
    let evaluated = changed(&mbpp_row(), "task_id", Some(json!(601)));
    let evaluated = load_rows("mbpp+", &[evaluated, mbpp_row()])
        .expect("tasks")
        .tasks;
    let phase = ScoringPhase::begin();
    let shared = Evaluated::new(&evaluated, &phase).shared_tasks(&learned, &phase);
    let shared: Vec<String> = shared.iter().map(ToString::to_string).collect();
    assert_eq!(shared, ["Mbpp/601, by its publisher's id"]);
}
