//! APPS and `LiveCodeBench`: programs that read and print, functions that are called.

use serde_json::{Value, json};
use slm_benchmarks::{
    Calls, Expected, Oracle, OutputRule, ScoringPhase, StreamCase, Streams, Tests,
};

use super::{check_error, hidden, question, shows_nothing_of, task, tasks, with};

fn apps() -> Value {
    json!({
        "problem_id": 17, "difficulty": "interview", "url": "", "starter_code": "",
        "question": "\nRead two numbers and print \"their\" sum.\n",
        "solutions": "[\"print(sum(map(int, input().split())))\", \"pass\"]",
        "input_output": "{\"inputs\": [\"1 2\\n\", [\"30\", \"40\"]], \"outputs\": [\"3\\n\", [\"70\"]]}",
    })
}

#[test]
fn apps_has_programs_that_read_and_print() {
    let task = task("apps", "test.jsonl", &apps());
    let view = task.view();
    assert_eq!(
        (view.task_id.as_str(), view.entry_point.as_str()),
        ("APPS/17", "")
    );
    assert_eq!(
        view.prompt,
        "\"\"\"\nRead two numbers and print \"their\" sum.\n\"\"\"\n"
    );
    assert_eq!(question(view), "Read two numbers and print \"their\" sum.");
    let case = |stdin: &str, stdout: &str| StreamCase {
        stdin: stdin.to_owned(),
        stdout: stdout.to_owned(),
    };
    let Tests::Streams(Streams {
        cases,
        prelude,
        output,
        ..
    }) = hidden(&task)
    else {
        panic!("{:?}", hidden(&task));
    };
    assert_eq!(cases, [case("1 2\n", "3\n"), case("30\n40", "70")]);
    assert_eq!(output, OutputRule::Apps);
    assert!(prelude.contains("from typing import List, Tuple\n"));
    assert!(prelude.ends_with("stdin = sys.stdin\nstdout = sys.stdout\n"));
    shows_nothing_of(&task, &["30", "70"]);
    assert_eq!(
        task.canonical_solution(&ScoringPhase::begin()),
        "print(sum(map(int, input().split())))"
    );
}

#[test]
fn apps_has_calls_of_functions_and_of_methods() {
    let big = "123456789012345678901234567890";
    let function = with(
        &apps(),
        &json!({
            "id": 5, "problem_id": null, "starter_code": "def add(a, b):\n",
            "input_output": format!("{{\"fn_name\": \"add\", \"inputs\": [[1, {big}], [\"a\", \"'\"]], \"outputs\": [[5], null]}}"),
        }),
    );
    let task = task("apps", "test.jsonl", &function);
    assert_eq!(
        (
            task.view().task_id.as_str(),
            task.view().entry_point.as_str()
        ),
        ("APPS/5", "add")
    );
    assert!(question(task.view()).ends_with("\n\nStart from this code:\ndef add(a, b):"));
    let Tests::Calls(Calls {
        entry_point,
        base,
        plus: None,
        expected,
        oracle,
        ..
    }) = hidden(&task)
    else {
        panic!("{:?}", hidden(&task));
    };
    assert_eq!(entry_point, "add");
    // All digits are kept.
    assert_eq!(base, [format!("(1, {big},)"), r"('a', '\'',)".to_owned()]);
    assert_eq!(
        expected,
        Expected::Values(vec!["[5]".to_owned(), "None".to_owned()])
    );
    assert_eq!(oracle, Oracle::Json { or_first: true });
    shows_nothing_of(&task, &[big]);

    let method = with(
        &function,
        &json!({"starter_code": "class Solution:\n    def add(self, a, b):\n"}),
    );
    let task = tasks("apps", "test.jsonl", &[method]).remove(0);
    let Tests::Calls(calls) = hidden(&task) else {
        panic!("calls");
    };
    assert_eq!(
        (task.view().entry_point.as_str(), calls.entry_point.as_str()),
        ("Solution", "Solution().add")
    );
    assert_eq!(task.view().method.as_deref(), Some("add"));
}

#[test]
fn dicts_of_apps_have_whole_numbers_for_keys_where_the_publisher_makes_them_so() {
    let calls = |inputs: &str, outputs: &str| {
        let cases =
            format!("{{\"fn_name\": \"f\", \"inputs\": [{inputs}], \"outputs\": [{outputs}]}}");
        let record = with(&apps(), &json!({"input_output": cases}));
        let Tests::Calls(calls) = hidden(&task("apps", "test.jsonl", &record)) else {
            panic!("calls");
        };
        let Expected::Values(values) = calls.expected else {
            panic!("values");
        };
        (calls.base[0].clone(), values[0].clone())
    };
    let check = |inputs: &str, outputs: &str, expected: (&str, &str)| {
        let found = calls(inputs, outputs);
        assert_eq!(
            (found.0.as_str(), found.1.as_str()),
            expected,
            "{inputs} {outputs}"
        );
    };
    check(
        r#"[{"1": {"2": "a"}, "-3": 4, " 05 ": 6}, 7]"#,
        r#"{"1": 2}"#,
        ("({1: {'2': 'a'}, -3: 4, 5: 6}, 7,)", "{1: 2}"),
    );
    // Not all keys are numbers, and only the first argument is converted.
    check(
        r#"[{"1": 2, "a": 3}]"#,
        r#"[{"1": 2}]"#,
        ("({'1': 2, 'a': 3},)", "[{1: 2}]"),
    );
    check(
        r#"[1, {"1": 2}]"#,
        r#"{"1.5": 2}"#,
        ("(1, {'1': 2},)", "{'1.5': 2}"),
    );
    check("[]", "[]", ("()", "[]"));
}

#[test]
fn apps_problems_without_tests_are_left_out() {
    let untested = |text: &str| with(&apps(), &json!({"input_output": text, "problem_id": 18}));
    let none = untested("{\"inputs\": [], \"outputs\": []}");
    let found = tasks("apps", "train.jsonl", &[untested(""), apps(), none]);
    assert_eq!(found.len(), 1);
}

#[test]
fn malformed_problems_of_apps_are_told_by_line_and_key() {
    let check = |changes: &Value, expected| check_error("apps", &apps(), changes, expected);
    check(
        &json!({"question": null}),
        "no field `question`, found problem_id, difficulty, url, starter_code, solutions, input_output",
    );
    check(
        &json!({"input_output": "{\"inputs\""}),
        "field `input_output` is not JSON: expected `:`, column 10",
    );
    check(
        &json!({"input_output": "{\"inputs\": []}"}),
        "field `input_output` has no list `outputs`",
    );
    check(
        &json!({"input_output": "{\"inputs\": [\"1\"], \"outputs\": []}"}),
        "field `input_output` has 1 inputs and 0 outputs, expected equal numbers",
    );
    check(
        &json!({"input_output": "{\"inputs\": [1], \"outputs\": [\"1\"]}"}),
        "field `input_output` has an input or output that is not text",
    );
    check(
        &json!({"input_output": "{\"fn_name\": \"f\", \"inputs\": [1], \"outputs\": [1]}"}),
        "field `input_output` has a call whose input is not a list",
    );
    check(
        &json!({"solutions": "[\"a"}),
        "field `solutions` is not JSON: EOF while parsing a string at line 1 column 3",
    );
}

fn livecodebench() -> Value {
    json!({
        "question_title": "Double", "question_content": "Print twice the number.\n",
        "platform": "atcoder", "question_id": "abc300_z", "contest_id": "abc300",
        "contest_date": "2023-09-01T00:00:00", "starter_code": "", "difficulty": "easy",
        "public_test_cases": "[{\"input\": \"1\\n\", \"output\": \"2\\n\", \"testtype\": \"stdin\"}]",
        "private_test_cases": "[{\"input\": \"4321\\n\", \"output\": \"8642\\n\", \"testtype\": \"stdin\"}]",
        "metadata": "{}",
    })
}

#[test]
fn livecodebench_has_programs_that_read_and_print() {
    let plain = task("livecodebench", "test.jsonl", &livecodebench());
    let view = plain.view();
    assert_eq!(
        (view.task_id.as_str(), view.entry_point.as_str()),
        ("LiveCodeBench/abc300_z", "")
    );
    assert_eq!(view.prompt, "\"\"\"\nPrint twice the number.\n\"\"\"\n");
    assert_eq!(question(view), "Print twice the number.");
    let Tests::Streams(Streams {
        cases,
        prelude,
        output,
        ..
    }) = hidden(&plain)
    else {
        panic!("{:?}", hidden(&plain));
    };
    let stdin: Vec<&str> = cases.iter().map(|case| case.stdin.as_str()).collect();
    assert_eq!(
        (stdin, output),
        (vec!["1\n", "4321\n"], OutputRule::LiveCodeBench)
    );
    // `builtins` after `math`, `operator` and `io`: `pow(2, 3, 5)` and `open` are Python's own.
    let starred: Vec<&str> = prelude
        .lines()
        .filter_map(|line| line.strip_prefix("from ")?.strip_suffix(" import *"))
        .collect();
    assert_eq!(
        starred.join(" "),
        "string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys \
         json builtins typing"
    );
    assert!(prelude.contains("import json\nsys.setrecursionlimit(50000)\n"));
    shows_nothing_of(&plain, &["4321", "8642"]);

    // base64.b64encode(zlib.compress(pickle.dumps(TEXT))) of the same private tests, in Python 3.11.
    let packed = with(&livecodebench(), &json!({"private_test_cases": PACKED}));
    let packed = task("livecodebench", "test.jsonl", &packed);
    assert_eq!(hidden(&packed), hidden(&plain));
}

const PACKED: &str =
    "eJxrYJnqxAABPXbR1UqZeQWlJUpWCkomxkaGMXlKOgpK+aUlUDELMxMjiFhJanFJSWVBKki0uCQlM0+pNnaKHgD8OBWN";

#[test]
fn livecodebench_has_calls_of_methods() {
    let record = with(
        &livecodebench(),
        &json!({
            "question_id": "2800", "metadata": "{\"func_name\": \"twice\"}",
            "starter_code": "class Solution:\n    def twice(self, x: int, word: str) -> list:\n        ",
            "public_test_cases": "[{\"input\": \"1\\n\\\"a\\\"\", \"output\": \"[2, null]\", \"testtype\": \"functional\"}]",
            "private_test_cases": "[]",
        }),
    );
    let task = task("livecodebench", "test.jsonl", &record);
    assert_eq!(task.view().entry_point, "Solution");
    assert_eq!(task.view().method.as_deref(), Some("twice"));
    assert!(
        question(task.view()).contains("Start from this code:\nclass Solution:\n    def twice(")
    );
    let Tests::Calls(Calls {
        entry_point,
        base,
        expected,
        oracle,
        ..
    }) = hidden(&task)
    else {
        panic!("{:?}", hidden(&task));
    };
    assert_eq!(entry_point, "Solution().twice");
    assert_eq!(base, ["(1, 'a',)"]);
    assert_eq!(expected, Expected::Values(vec!["[2, None]".to_owned()]));
    assert_eq!(oracle, Oracle::Json { or_first: false });
}

#[test]
fn malformed_problems_of_livecodebench_are_told_by_line_and_key() {
    let check = |changes: &Value, expected| {
        check_error("livecodebench", &livecodebench(), changes, expected);
    };
    check(
        &json!({"question_content": 7}),
        "field `question_content` is not a string",
    );
    check(
        &json!({"public_test_cases": "[{\"input\": \"1\"}]"}),
        "field `public_test_cases` is not a list of input, output and testtype",
    );
    check(
        &json!({"private_test_cases": "!"}),
        "field `private_test_cases` is neither JSON nor packed JSON",
    );
    check(
        &json!({"public_test_cases": "[]", "private_test_cases": "[]"}),
        "fields `public_test_cases` and `private_test_cases` contain no test: every program would pass",
    );
    check(
        &json!({"metadata": "{"}),
        "field `metadata` is not JSON: EOF while parsing an object at line 1 column 1",
    );
    check(
        &json!({
            "metadata": "{\"func_name\": \"f\"}",
            "public_test_cases": "[{\"input\": \"x\", \"output\": \"1\", \"testtype\": \"functional\"}]",
        }),
        "field `public_test_cases` or `private_test_cases` has a call that is not JSON: expected a value, column 1",
    );
}
