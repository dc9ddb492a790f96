//! Records in the documented forms of publishers whose files are not available.

mod contests;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use slm_benchmarks::prompting::{Input, Style, request};
use slm_benchmarks::{
    Asserts, Calls, Expected, Oracle, Puzzle, Reference, ScoringPhase, Task, TaskView, Tests,
    Unittest, load,
};
use tempfile::TempDir;

fn fields(record: &Value) -> &Map<String, Value> {
    record.as_object().expect("an object")
}

/// Writes a file of records; it is removed with the returned folder.
fn file(name: &str, records: &[Value]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    let lines = || -> Vec<String> { records.iter().map(Value::to_string).collect() };
    match path.extension().and_then(OsStr::to_str) {
        Some("parquet") => {
            let rows = records.iter().map(|record| fields(record).clone());
            slm_table::write_parquet(&path, &rows.collect::<Vec<_>>()).expect("a parquet file");
        }
        Some("json") => fs::write(&path, format!("[{}]", lines().join(","))).expect("a file"),
        _ => fs::write(&path, lines().join("\n")).expect("a file"),
    }
    (folder, path)
}

fn tasks(benchmark: &str, name: &str, records: &[Value]) -> Vec<Task> {
    let (_folder, path) = file(name, records);
    let set = load(benchmark, Some(&path));
    set.unwrap_or_else(|error| panic!("{benchmark}: {error}"))
        .tasks
}

fn task(benchmark: &str, name: &str, record: &Value) -> Task {
    let mut tasks = tasks(benchmark, name, std::slice::from_ref(record));
    assert_eq!(tasks.len(), 1, "{benchmark}");
    tasks.remove(0)
}

/// Returns a record with changed fields; null removes one.
fn with(record: &Value, changes: &Value) -> Value {
    let mut all = fields(record).clone();
    for (name, value) in fields(changes) {
        all.insert(name.clone(), value.clone());
    }
    let left = all.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(left.collect())
}

/// Checks the message about a malformed record in the second line, after a valid one.
fn check_error(benchmark: &str, sound: &Value, changes: &Value, expected: &str) {
    let (folder, path) = file(
        "EvoEval_creative.jsonl",
        &[sound.clone(), with(sound, changes)],
    );
    let error = load(benchmark, Some(&path)).expect_err("a malformed record");
    let message = error.to_string();
    let message = message.replace(
        &format!("{}/EvoEval_creative.jsonl", folder.path().display()),
        "FILE",
    );
    let first_line = message.lines().next().unwrap_or_default();
    assert_eq!(
        first_line,
        format!("FILE:2: {expected}"),
        "{benchmark}: {changes}"
    );
}

/// Returns the tests of a task, for comparison.
fn hidden(task: &Task) -> Tests {
    task.hidden().open(&ScoringPhase::begin()).clone()
}

/// Asserts that a task's view contains none of the hidden parts.
fn shows_nothing_of(task: &Task, secrets: &[&str]) {
    let shown = serde_json::to_string(task.view()).expect("JSON");
    let printed = format!("{task:?}");
    for secret in secrets {
        assert!(!shown.contains(secret), "{secret} in {shown}");
        let closed = printed
            .split("canonical_solution")
            .next()
            .unwrap_or_default();
        assert!(!closed.contains(secret), "{secret} in {printed}");
    }
}

/// Returns the request of a conversation.
fn question(view: &TaskView) -> String {
    match request(Style::Chat, view).input {
        Input::Conversation { user, .. } => user,
        Input::Text(text) => panic!("{text}"),
    }
}

fn evoeval() -> Value {
    json!({
        "task_id": "EvoEval/7", "entry_point": "longest", "parent": "HumanEval/12",
        "prompt": "def longest(words: list) -> str:\n    \"\"\"The longest word.\n\n    >>> longest(['a', 'bb'])\n    'bb'\n    \"\"\"\n",
        "canonical_solution": "    return max(words, key=len)\n", "test": "", "contract": "",
        "inputs": ["['xyzzy', 'a']", "(\"b\",)", ""],
    })
}

#[test]
fn evoeval_has_calls_whose_results_a_reference_gives() {
    let task = task("evoeval", "EvoEval_difficult.jsonl", &evoeval());
    let view = task.view();
    assert_eq!(
        (view.task_id.as_str(), view.entry_point.as_str()),
        ("EvoEval/7", "longest")
    );
    assert_eq!(
        view.public_examples,
        ["assert longest(['a', 'bb']) == 'bb'"]
    );
    assert!(view.prompt.starts_with("def longest(words: list)"));
    let Tests::Calls(Calls {
        base,
        plus: None,
        expected,
        oracle,
        ..
    }) = hidden(&task)
    else {
        panic!("{:?}", hidden(&task));
    };
    assert_eq!(base, ["(['xyzzy', 'a'],)", "((\"b\",),)", "()"]);
    let Expected::Reference(program) = expected else {
        panic!("{expected:?}");
    };
    assert!(
        program.ends_with("return max(words, key=len)\n"),
        "{program}"
    );
    assert_eq!(oracle, Oracle::Typed);
    shows_nothing_of(&task, &["xyzzy", "max(words"]);
}

#[test]
fn evoeval_tasks_with_several_right_answers_are_known_by_their_part() {
    let oracle = |name: &str, id: &str| {
        let record = with(&evoeval(), &json!({"task_id": id}));
        let task = task("evoeval", name, &record);
        match hidden(&task) {
            Tests::Calls(calls) => calls.oracle,
            other => panic!("{other:?}"),
        }
    };
    let puzzle = |name: &str, id: &str| match oracle(name, id) {
        Oracle::Puzzle { puzzle, .. } => Some(puzzle),
        _ => None,
    };
    let (difficult, creative) = ("EvoEval_difficult.jsonl", "EvoEval_creative.jsonl");
    assert_eq!(puzzle(difficult, "EvoEval/10"), Some(Puzzle::Palindrome));
    assert_eq!(
        puzzle(difficult, "EvoEval/32"),
        Some(Puzzle::ZeroInInterval)
    );
    assert_eq!(puzzle(creative, "EvoEval/26"), Some(Puzzle::Moves));
    assert_eq!(puzzle(creative, "EvoEval/30"), Some(Puzzle::Cells));
    assert_eq!(puzzle(creative, "EvoEval/69"), Some(Puzzle::Factors));
    assert!(matches!(
        oracle("EvoEval_subtle.jsonl", "EvoEval/32"),
        Oracle::ZeroOf(_)
    ));
    assert_eq!(oracle(creative, "EvoEval/10"), Oracle::Typed);
    assert_eq!(oracle("EvoEval_combine.jsonl", "EvoEval/32"), Oracle::Typed);
    assert_eq!(
        oracle("EvoEval_tool_use.jsonl", "EvoEval/32"),
        Oracle::Typed
    );
}

#[test]
fn evoeval_in_other_words_has_the_form_and_the_extra_tests_of_humaneval_plus() {
    let record = json!({
        "task_id": "HumanEval/32", "entry_point": "find_zero",
        "prompt": "def find_zero(xs):\n    \"\"\"A zero.\"\"\"\n", "canonical_solution": "    return 2.0\n",
        "base_input": [[[-4, 2]]], "plus_input": [[[-6, 3]], [[0, 1]]],
    });
    let other = with(
        &record,
        &json!({"task_id": "HumanEval/0", "entry_point": "f"}),
    );
    let found = tasks("evoeval", "EvoEval_concise.jsonl", &[record, other]);
    let calls: Vec<Calls> = found
        .iter()
        .map(|task| match hidden(task) {
            Tests::Calls(calls) => calls,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(calls[0].plus.as_ref().map(Vec::len), Some(2));
    assert!(matches!(calls[0].oracle, Oracle::ZeroOf(_)));
    assert_eq!((&calls[1].oracle, calls[0].atol), (&Oracle::Typed, 1e-6));
}

#[test]
fn malformed_tasks_of_evoeval_are_told_by_line_and_key() {
    let check = |changes: &Value, expected| check_error("evoeval", &evoeval(), changes, expected);
    check(
        &json!({"inputs": [[1]]}),
        "field `inputs` is not a list of strings",
    );
    check(
        &json!({"inputs": []}),
        "`inputs` is empty: every program would pass",
    );
    check(
        &json!({"canonical_solution": null}),
        "no field `canonical_solution`, found task_id, entry_point, parent, prompt, test, contract, inputs",
    );
    let (folder, path) = file("tasks.jsonl", &[evoeval()]);
    let error = load("evoeval", Some(&path)).expect_err("a nameless part");
    assert_eq!(
        error
            .to_string()
            .replace(&format!("{}/", folder.path().display()), ""),
        "tasks.jsonl: the file's name contains none of difficult, creative, subtle, combine, tool_use\nhint: the part decides how some tasks are scored; keep the publisher's file name, for example EvoEval_difficult.jsonl.gz"
    );
}

fn mathqa() -> Value {
    json!({
        "text": "a train runs 90 km in 1.5 hours. how fast is it? n0 = 90.0 n1 = 1.5",
        "code": "n0 = 90.0\nn1 = 1.5\nanswer = n0 / n1\n", "dsl_code": "divide(n0,n1)",
        "reasoning": "90 / 1.5", "answer": 61.25, "task_id": 4,
    })
}

#[test]
fn mathqa_python_has_programs_that_leave_a_number() {
    let numbered = task("mathqa-python", "mathqa-python-test.json", &mathqa());
    let view = numbered.view();
    assert_eq!(
        (view.task_id.as_str(), view.entry_point.as_str()),
        ("MathQA/4", "answer")
    );
    assert!(
        view.prompt.starts_with("\"\"\"\na train runs 90 km"),
        "{}",
        view.prompt
    );
    assert!(question(view).ends_with("leaves the result in the variable `answer`."));
    let Tests::Asserts(Asserts { tests, setup, .. }) = hidden(&numbered) else {
        panic!("{:?}", hidden(&numbered));
    };
    assert_eq!(
        tests,
        ["assert abs(answer - 61.25) <= 1e-8 * max(1.0, abs(61.25))"]
    );
    assert_eq!(setup, "");
    shows_nothing_of(&numbered, &["61.25", "n0 / n1", "90 / 1.5"]);

    // Without an id, the task is named by its position in the file.
    let nameless = with(&mathqa(), &json!({"task_id": null}));
    let found = tasks("mathqa-python", "m.jsonl", &[nameless.clone(), nameless]);
    assert_eq!(found[1].view().task_id, "MathQA/2");
}

#[test]
fn malformed_rows_of_mathqa_python_are_told_by_line_and_key() {
    let check =
        |changes: &Value, expected| check_error("mathqa-python", &mathqa(), changes, expected);
    check(&json!({"answer": "60"}), "field `answer` is not a number");
    check(
        &json!({"code": null, "dsl_code": null, "reasoning": null}),
        "no field `code`, found text, answer, task_id",
    );
    check(
        &json!({"task_id": [1]}),
        "field `task_id` is not a string or a number",
    );
}

fn bigcodebench() -> Value {
    json!({
        "task_id": "BigCodeBench/3", "entry_point": "task_func",
        "complete_prompt": "import json\n\ndef task_func(text):\n    \"\"\"\n    The values of an object.\n\n    Example:\n    >>> task_func('{\"a\": 1}')\n    [1]\n    \"\"\"\n",
        "instruct_prompt": "Return the values of an object as a list.\nStart with:\n```\nimport json\ndef task_func(text):\n```",
        "canonical_solution": "    return list(json.loads(text).values())",
        "code_prompt": "import json\ndef task_func(text):\n",
        "test": "import unittest\nfrom unittest.mock import patch\nclass TestCases(unittest.TestCase):\n    def test_case_1(self):\n        self.assertEqual(task_func('{\"secret\": 99}'), [99])\n    def test_case_2(self):\n        with self.assertRaises(ValueError):\n            task_func('[')\n",
        "doc_struct": "{}", "libs": "['json']",
    })
}

#[test]
fn bigcodebench_has_unittest_classes() {
    for name in ["v0.1.4-00000-of-00001.parquet", "bigcodebench.jsonl"] {
        let task = task("bigcodebench", name, &bigcodebench());
        let view = task.view();
        assert_eq!(
            (view.task_id.as_str(), view.entry_point.as_str()),
            ("BigCodeBench/3", "task_func")
        );
        assert!(
            view.prompt
                .starts_with("import json\n\ndef task_func(text):")
        );
        assert_eq!(
            view.public_examples,
            ["assert task_func('{\"a\": 1}') == [1]"]
        );
        assert!(question(view).starts_with("Return the values of an object as a list."));
        let Tests::Unittest(Unittest { methods, source }) = hidden(&task) else {
            panic!("{:?}", hidden(&task));
        };
        let methods: Vec<String> = methods
            .iter()
            .map(|(class, name)| format!("{class}.{name}"))
            .collect();
        assert_eq!(methods, ["TestCases.test_case_1", "TestCases.test_case_2"]);
        assert!(source.contains("assertRaises(ValueError)"));
        assert!(task.is_forgeable());
        shows_nothing_of(&task, &["secret", "json.loads"]);
    }
}

#[test]
fn malformed_rows_of_bigcodebench_are_told_by_line_and_key() {
    let check =
        |changes: &Value, expected| check_error("bigcodebench", &bigcodebench(), changes, expected);
    check(
        &json!({"test": "class A:\n    def test_x(self): pass\n"}),
        "`test` contains no unittest method",
    );
    check(
        &json!({"complete_prompt": ["def f(): pass"]}),
        "field `complete_prompt` is not a string",
    );
}

#[test]
fn custom_tasks_name_their_references_and_keep_their_secrets() {
    let row = json!({
        "task_id": "own/1", "prompt": "def f(x):\n    \"\"\"Twice x.\"\"\"\n", "entry_point": "f",
        "tests": ["assert f(2) == 4"], "canonical_solution": "    return double(x)\n",
        "references": [{"source": "lib/numbers.py", "name": "double"}],
    });
    let own = task("custom", "tasks.jsonl", &row);
    let expected = Reference {
        source: "lib/numbers.py".to_owned(),
        name: "double".to_owned(),
    };
    assert_eq!(own.references(), [expected]);
    shows_nothing_of(&own, &["f(2) == 4", "double(x)", "numbers.py"]);
    let secrets = own.secrets(&ScoringPhase::begin());
    assert_eq!(secrets.solutions, ["    return double(x)\n"]);
    assert!(secrets.tests.contains(&"assert f(2) == 4".to_owned()));
    let plain = task(
        "custom",
        "tasks.jsonl",
        &with(&row, &json!({"references": null})),
    );
    assert_eq!(plain.references(), []);
    for wrong in [
        json!("double"),
        json!(["double"]),
        json!([{"source": "lib"}]),
        json!([{"source": "lib", "name": "f", "line": 3}]),
    ] {
        let changed = with(&row, &json!({"references": wrong}));
        let (_folder, path) = file("tasks.jsonl", &[changed]);
        let error = load("custom", Some(&path)).expect_err("a malformed row");
        assert!(
            error.to_string().contains("`references` is not a list"),
            "{error}"
        );
    }
}
