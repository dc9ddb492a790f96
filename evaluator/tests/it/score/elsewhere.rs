//! Samples in the formats of other tools, and the comparison of two sets of them.

use serde_json::{Value, json};

use super::{Finished, Project, document, project, score, solution, verdicts};
use crate::support::says;

const DOUBLE: &str = "def double(x):\n    return 2 * x\n";
const WRONG: &str = "def double(x):\n    return 3 * x\n";
const FIRST: &str = "def first(items):\n    return items[0]\n";
const ABSENT: &str = "import no_such_package\ndef absent():\n    return None\n";

fn written(name: &str, text: impl AsRef<[u8]>) -> Project {
    let project = project(&[]);
    project.write(name, text);
    project
}

fn lines(rows: &[Value]) -> String {
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    rows.join("\n")
}

/// Scores a file of samples, and checks its format and its verdicts, in file order.
fn check(name: &str, text: &str, words: &[&str], format: &str, expected: &[Value]) -> Finished {
    let project = written(name, text);
    let finished = score(&project, &[&[name, "--json"], words].concat());
    let found: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{}", finished.stderr));
    assert_eq!(found["format"], format);
    let found: Vec<&Value> = verdicts(&found);
    assert_eq!(
        found,
        expected.iter().collect::<Vec<_>>(),
        "{}",
        finished.stderr
    );
    finished
}

#[test]
fn a_list_of_livecodebench_names_each_task_once_with_its_programs() {
    let entry = |id: &str, codes: Value| json!({"question_id": id, "code_list": codes});
    let list = json!([
        entry("double", json!([WRONG, DOUBLE, null])),
        entry("own/first", json!([FIRST])),
        entry("absent", json!([])),
    ]);
    let expected = [
        json!("failed"),
        json!("passed"),
        json!("empty"),
        json!("passed"),
    ];
    let finished = check(
        "lists.json",
        &list.to_string(),
        &[],
        "livecodebench",
        &expected,
    );
    says(
        &finished.stderr,
        &[
            "lists.json: 1 times: null in place of a program, scored as an empty answer",
            "lists.json: 1 times: empty list of programs: the task has no sample",
            "1 of 3 tasks have no sample; the rates are over the others",
        ],
    );
    // Answers are in `output_list`; programs are extracted from them on request.
    let fenced = format!("Sure:\n```python\n{DOUBLE}```\n");
    let row = json!([{"question_id": "double", "code_list": [WRONG], "output_list": [fenced]}]);
    check(
        "own.json",
        &row.to_string(),
        &[],
        "livecodebench",
        &[json!("failed")],
    );
    check(
        "own.json",
        &row.to_string(),
        &["--extract"],
        "livecodebench",
        &[json!("passed")],
    );

    for (list, message) in [
        (
            json!([
                entry("double", json!([DOUBLE])),
                entry("own/double", json!([]))
            ]),
            "lists.json:1, entry 2: the task `own/double` again, as in entry 1: expected one for each task",
        ),
        (
            json!([entry("double", json!([3]))]),
            "lists.json:1: item 0 of `code_list` is neither text nor null",
        ),
        (
            json!([entry("double", json!("text"))]),
            "lists.json:1: `code_list` is not a list of programs",
        ),
        (
            json!([entry("none", json!([]))]),
            "lists.json:1: no task `none` in the benchmark",
        ),
        (
            json!([entry("double", json!([]))]),
            "lists.json: found no sample: 1 empty list of programs: the task has no sample",
        ),
    ] {
        let project = written("lists.json", list.to_string());
        let error = score(&project, &["lists.json"]).error(2);
        says(&error, &[message]);
    }
}

#[test]
fn lists_without_ids_are_taken_in_the_order_of_the_tasks() {
    let lists = json!([[DOUBLE, WRONG], [FIRST], [ABSENT]]);
    let expected = [
        json!("passed"),
        json!("failed"),
        json!("passed"),
        Value::Null,
    ];
    let finished = check(
        "generations.json",
        &lists.to_string(),
        &[],
        "bigcode",
        &expected,
    );
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let some = json!([[FIRST, null], null]);
    let words = ["--limit-start", "1"];
    let expected = [json!("passed"), json!("empty")];
    check(
        "generations.json",
        &some.to_string(),
        &words,
        "bigcode",
        &expected,
    );

    for (text, words, message) in [
        (
            json!([[DOUBLE], [FIRST]]).to_string(),
            &[][..],
            "generations.json: holds 2 lists of programs, expected 3, one for each task of custom",
        ),
        (
            json!([[DOUBLE], [FIRST]]).to_string(),
            &["--limit-start", "2"],
            "generations.json: holds 2 lists of programs, expected at most 1, one for each of the 3 tasks of custom from number 2 on",
        ),
        (
            json!([[DOUBLE], [7], [ABSENT]]).to_string(),
            &[],
            "generations.json: program 0 of list 1 (of the task own/first) is neither text nor null",
        ),
        (
            json!([[DOUBLE], "x", [ABSENT]]).to_string(),
            &[],
            "generations.json: list 1 (of the task own/first) is neither a list of programs nor null",
        ),
        (
            json!([[DOUBLE], [FIRST], [ABSENT]]).to_string()[..60].to_owned(),
            &[],
            "generations.json: not JSON: EOF while parsing",
        ),
        (
            json!([DOUBLE, FIRST, ABSENT]).to_string(),
            &[],
            "generations.json: a list of texts or numbers, expected a list with a list of programs for each task",
        ),
        (
            "[]".to_owned(),
            &[],
            "generations.json: holds 0 lists of programs, expected 3",
        ),
    ] {
        let project = written("generations.json", text);
        let error = score(&project, &[&["generations.json"], words].concat()).error(2);
        says(&error, &[message]);
    }
    let project = written("generations.json", b"[[\"def double(x): \xff\"]]");
    let error = score(&project, &["generations.json"]).error(2);
    says(&error, &["generations.json: not UTF-8 at byte 18"]);
    let project = written("samples.jsonl", solution("own/double", DOUBLE).to_string());
    let error = score(&project, &["samples.jsonl", "--limit-start", "0"]).error(2);
    says(
        &error,
        &[
            "the format evalplus names each task",
            "hint: leave out --limit-start",
        ],
    );
}

#[test]
fn lists_in_the_order_of_other_tasks_are_refused() {
    let project = Project::new();
    let names = ["a", "b", "c", "d", "e"].map(|name| format!("of_{name}"));
    let task = |name: &String| {
        json!({
            "task_id": name, "prompt": format!("def {name}():\n    \"\"\"One.\"\"\"\n"),
            "entry_point": name, "tests": [format!("assert {name}() == 1")],
        })
    };
    project.write("tasks.jsonl", lines(&names.each_ref().map(task)));
    let program = |name: &String| json!([format!("def {name}():\n    return 1\n")]);
    let right = Value::from(names.each_ref().map(program).to_vec());
    project.write("right.json", right.to_string());
    let found = document(score(&project, &["right.json", "--json"]));
    assert_eq!(found["pass_at_k"]["base"]["pass@1"]["estimate"], 1.0);
    let shifted: Vec<Value> = names.iter().cycle().skip(1).take(5).map(program).collect();
    project.write("shifted.json", Value::from(shifted).to_string());
    let error = score(&project, &["shifted.json"]).error(2);
    says(
        &error,
        &[
            "shifted.json: only 0 of 5 lists name the function of their task; list 0 should be for of_a, `of_a`",
            "hint: the lists must be in the order of --data",
        ],
    );
}

#[test]
fn samples_of_lm_eval_are_the_programs_that_its_filter_made() {
    let doc = json!({"task_id": "own/double", "prompt": "def double(x):\n    \"\"\"Twice x.\"\"\"\n", "entry_point": "double"});
    let row = |id: u32, doc: &Value, filter: &str, resps: Value, filtered: Value| {
        json!({
            "doc_id": id, "doc": doc, "target": "", "resps": resps, "filtered_resps": filtered,
            "filter": filter, "metrics": ["pass@1"], "arguments": {}, "doc_hash": "",
        })
    };
    let other = json!({"task_id": "own/first"});
    let rows = [
        row(
            0,
            &doc,
            "create_test",
            json!([["    return x\n"]]),
            json!([[DOUBLE, WRONG]]),
        ),
        row(1, &other, "create_test", json!([["x"]]), json!([FIRST])),
        row(
            0,
            &doc,
            "none",
            json!([["    return x\n"]]),
            json!(["    return x\n"]),
        ),
    ];
    let expected = [json!("passed"), json!("failed"), json!("passed")];
    let finished = check("samples_x.jsonl", &lines(&rows), &[], "lm-eval", &expected);
    says(
        &finished.stderr,
        &["samples_x.jsonl: 1 times: row of another filter of the same answers, not scored"],
    );
    // Without a filter, an answer continues the prompt; a whole program is one as well.
    let raw = row(
        0,
        &doc,
        "none",
        json!([["    return 2 * x\n"]]),
        json!(["    return 2 * x\n"]),
    );
    check(
        "raw.jsonl",
        &lines(&[raw]),
        &[],
        "lm-eval",
        &[json!("passed")],
    );
    let fenced = json!([[format!("Here:\n```python\n{DOUBLE}```")]]);
    let chat = row(
        0,
        &doc,
        "create_test",
        fenced,
        json!([["def double(x): ..."]]),
    );
    let chat = lines(&[chat]);
    check("chat.jsonl", &chat, &[], "lm-eval", &[json!("failed")]);
    check(
        "chat.jsonl",
        &chat,
        &["--extract"],
        "lm-eval",
        &[json!("passed")],
    );

    let sound = row(0, &doc, "none", json!([["x"]]), json!(["x"]));
    let error_of = |row: Value| {
        let project = written("samples_x.jsonl", lines(&[row.clone(), row]));
        score(&project, &["samples_x.jsonl"]).error(2)
    };
    says(
        &error_of(sound.clone()),
        &["samples_x.jsonl:2: the task `own/double` again, as in entry 1"],
    );
    for (name, value, message) in [
        (
            "doc",
            json!({"question": "?"}),
            "samples_x.jsonl:1: no `task_id` in `doc`, found `question`",
        ),
        (
            "doc",
            json!("text"),
            "samples_x.jsonl:1: no object `doc`, the task's row",
        ),
        (
            "filtered_resps",
            json!([1.5]),
            "samples_x.jsonl:1: `filtered_resps` is not a list of texts",
        ),
    ] {
        let mut row = sound.clone();
        row[name] = value;
        says(&error_of(row), &[message]);
    }
}

#[test]
fn a_named_format_is_required_of_the_file() {
    let project = written("samples.jsonl", solution("own/double", DOUBLE).to_string());
    let error = score(&project, &["samples.jsonl", "--format", "lm-eval"]).error(2);
    says(
        &error,
        &["samples.jsonl:1: no object `doc`, the task's row, found `solution`, `task_id`"],
    );
    let error = score(&project, &["samples.jsonl", "--format", "bigcode"]).error(2);
    says(
        &error,
        &["samples.jsonl: no list, expected a list with a list of programs"],
    );
    let null = json!({"task_id": "own/double", "solution": null});
    let project = written(
        "samples.jsonl",
        lines(&[null, solution("own/double", DOUBLE)]),
    );
    let found = score(&project, &["samples.jsonl", "--json"]);
    says(
        &found.stderr,
        &["samples.jsonl: 1 times: null in place of a program"],
    );
    assert_eq!(verdicts(&document(found)), ["empty", "passed"]);
}

#[test]
fn two_files_of_samples_are_compared_task_by_task() {
    let project = project(&[]);
    project.write(
        "base.jsonl",
        lines(&[solution("own/double", WRONG), solution("own/first", FIRST)]),
    );
    // Another format, with an answer more.
    let lists = json!([
        {"question_id": "double", "code_list": [DOUBLE]},
        {"question_id": "first", "code_list": [FIRST]},
    ]);
    project.write("tuned.json", lists.to_string());
    let words = ["tuned.json", "--against", "base.jsonl"];
    let found = document(score(&project, &[&words[..], &["--json"]].concat()));
    assert_eq!(
        (&found["format"], &found["against"]["format"]),
        (&json!("livecodebench"), &json!("evalplus"))
    );
    let paired = &found["paired"];
    assert_eq!(
        (&paired["made_elsewhere"], &paired["tasks"]),
        (&json!(true), &json!(2))
    );
    let rate = &paired["contrasts"][0];
    assert_eq!(
        (&rate["metric"], &rate["n"], &rate["difference"]),
        (&json!("pass_rate"), &json!(2), &json!(0.5))
    );
    assert_eq!(
        (&paired["solved"]["both"], &paired["solved"]["other_only"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(paired["same_text"], json!({"same": 1, "of": 2}));
    let metrics: Vec<&str> = paired["contrasts"]
        .as_array()
        .expect("contrasts")
        .iter()
        .map(|of| of["metric"].as_str().expect("a key"))
        .collect();
    for metric in ["maintainability_index", "mi_code", "cyclomatic_complexity"] {
        assert!(metrics.contains(&metric), "{metrics:?}");
    }
    let table = score(&project, &words).result();
    says(
        &table,
        &[
            "## custom: answers made elsewhere",
            "`tuned.json` less `base.jsonl`, by task: 2 tasks that both answered",
            "| Pass rate (%) | 2 | 1 | 50.0 | 100.0 | +50.0 |",
            "Only the programs are known",
        ],
    );
    let error = score(&project, &["tuned.json", "--against", "none.jsonl"]).error(2);
    says(&error, &["none.jsonl: no such file"]);
}

#[test]
fn a_whole_program_is_scored_before_the_rest_of_a_prompt_which_is_counted() {
    let row = json!({"task_id": "double", "solution": DOUBLE, "completion": "    return 7\n"});
    let finished = check(
        "both.jsonl",
        &row.to_string(),
        &[],
        "evalplus",
        &[json!("passed")],
    );
    let note = "both.jsonl: 1 times: `completion` beside a `solution`, not scored";
    says(&finished.stderr, &[note]);
    let twice = format!(
        "{{\"task_id\": \"double\", \"solution\": {:?}, \"solution\": \"\"}}",
        "x = 1"
    );
    let project = written("twice.jsonl", &twice);
    let error = score(&project, &["twice.jsonl"]).error(2);
    says(
        &error,
        &["twice.jsonl:1", "two fields are called `solution`"],
    );
}
