//! `evaluator review` from the outside: static findings, a scripted model, hostile answers, tests of rewritten functions,
//! and the measurement of the reviewer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::dataset::write_lines;
use crate::endpoint::{json_of, lines, server};
use crate::fake_server::{Asked, FakeServer, Say, completion, text_only};
use crate::support::{Finished, Project, finish, says};

const WEAK: &str = "\
import os


class Shop:
    def run(self, command, seen=[]):
        \"\"\"Run a command.\"\"\"
        seen.append(command)
        os.system(command)
        return seen


def plain(x):
    return x
";

/// `Shop.run` at the left margin with one finding fewer.
const BETTER: &str = "\
def run(self, command, seen=()):
    \"\"\"Run a command.\"\"\"
    seen = [*seen, command]
    os.system(command)
    return seen
";

fn review(project: &Project, words: &[&str]) -> Finished {
    let words = [&["review"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

/// A review by the recipe's model on this server.
fn reviewed(project: &Project, server: &FakeServer, words: &[&str]) -> Finished {
    let url = server.url();
    let own = [
        "--recipe",
        "tiny.yaml",
        "--endpoint",
        &url,
        "--set",
        "evaluate.max_new_tokens=512",
    ];
    review(project, &[words, &own].concat())
}

/// A server with this answer to every request.
fn answering(text: impl Into<String>) -> FakeServer {
    let text = text.into();
    server(move |asked: &Asked| {
        text_only(asked).unwrap_or_else(|| Say::Json(200, completion(asked, &text, "stop")))
    })
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document")
}

/// The content and the time of change of every file below a folder.
fn tree(folder: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let meta = fs::symlink_metadata(&path).expect("an entry");
        if meta.is_dir() {
            files.extend(tree(&path));
        } else if meta.is_file() {
            let content = fs::read(&path).expect("a file");
            let changed = meta.modified().expect("a time");
            files.insert(path.display().to_string(), (content, changed));
        }
    }
    files
}

#[test]
fn without_a_model_the_static_findings_are_printed_and_it_is_said() {
    let project = Project::new();
    project.write("code/weak.py", WEAK);
    project.write("code/plain.py", "x = 1\n");
    let before = tree(&project.path("code"));
    let page = review(&project, &["code"]).result();
    says(
        &page,
        &[
            "code/weak.py:5:33: medium mutable-default: ",
            "code/weak.py:8:9: high ",
            "static findings alone: 1 function with a finding",
            "--recipe RECIPE",
        ],
    );
    let json = document(&review(&project, &["code", "--json"]).result());
    assert_eq!(json["model"], Value::Null);
    assert_eq!(json["functions_flagged"], 1);
    assert_eq!(json["files"][1]["findings"][0]["source"], "static");
    assert_eq!(tree(&project.path("code")), before);
    let words = ["code", "--set", "evaluate.max_new_tokens=8"];
    says(
        &review(&project, &words).error(2),
        &["--set is for a model", "--recipe"],
    );
}

#[test]
fn files_that_cannot_be_reviewed_are_one_finding_each_and_no_failure() {
    let project = Project::new();
    project.write("code/broken.py", "def f(:\n");
    project.write("code/binary.py", b"\x00\xff\xfe\x7fELF");
    project.write("code/coding.py", b"# coding: nowhere\nx = 1\n");
    project.write("code/empty.py", "");
    project.write("code/huge.py", "x = 1\n".repeat(6 << 20));
    std::os::unix::fs::symlink(project.path("code"), project.path("code/loop")).expect("a link");
    let json = document(&review(&project, &["code", "--json"]).result());
    let findings = |name: &str| -> Vec<Value> {
        let files = json["files"].as_array().expect("files");
        let file = files.iter().find(|of| of["path"] == name).expect("a file");
        file["findings"].as_array().expect("findings").clone()
    };
    for name in ["broken", "binary", "coding", "huge"] {
        let found = findings(&format!("code/{name}.py"));
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0]["source"], "parser", "{name}");
    }
    assert!(findings("code/empty.py").is_empty());
    assert_eq!(json["files"].as_array().map(Vec::len), Some(5));
    let page = review(&project, &["code"]).result();
    says(
        &page,
        &[
            "code/broken.py:1:",
            ": not reviewed: ",
            "larger than the limit",
        ],
    );
    let sarif = document(&review(&project, &["code", "--sarif"]).result());
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "not-reviewed");
}

#[test]
fn paths_without_python_and_wrong_options_are_mistakes() {
    let project = Project::new();
    project.write("notes/a.md", "text");
    says(
        &review(&project, &["nowhere"]).error(2),
        &["nowhere: no such file or folder", "hint: "],
    );
    says(
        &review(&project, &["notes"]).error(2),
        &["no Python file in notes", "hint: "],
    );
    says(
        &review(&project, &["--bench", "nowhere"]).error(2),
        &["nowhere: no benchmark and no file of tasks", "embedded"],
    );
    says(
        &review(&project, &["src", "--recipe", "nowhere.yaml"]).error(2),
        &["nowhere.yaml"],
    );
    let words = ["src", "-o", "notes"];
    says(
        &review(&project, &words).error(2),
        &["notes: exists and is no review"],
    );
}

#[test]
fn the_model_sees_flagged_functions_and_what_is_sound_of_its_answer_is_shown() {
    let project = Project::new();
    project.write("code/weak.py", WEAK);
    let server = answering(format!(
        "1: the list is \u{1b}[31mshared\u{7} [here](http://x)\n```python\n{BETTER}```"
    ));
    let before = tree(&project.path("code"));
    let page = reviewed(&project, &server, &["code"]).result();
    assert!(!page.contains('\u{1b}'), "{page}");
    says(
        &page,
        &[
            "code/weak.py:5: model: the list is \\u{1b}[31mshared\\u{7} [here](http://x)\n",
            "code/weak.py:5: rewritten Shop.run: mutable-default 1 to 0, no tests known\n",
            "  -     def run(self, command, seen=[]):\n",
            "  +     def run(self, command, seen=()):\n",
        ],
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "one function has a finding");
    let prompt = &asked[0].prompt;
    says(
        prompt,
        &[
            "1 def run(self, command, seen=[]):",
            "Static analysis found",
        ],
    );
    assert!(!prompt.contains("def plain"), "{prompt}");

    let sarif = document(&reviewed(&project, &server, &["code", "--sarif"]).result());
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    for result in results {
        let id = &result["ruleId"];
        assert!(rules.iter().any(|rule| &rule["id"] == id), "{id}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "code/weak.py");
        assert!(place["region"]["startLine"].as_u64() >= Some(1));
    }
    let of = |id: &str| {
        results
            .iter()
            .find(|of| of["ruleId"] == id)
            .expect("a result")
    };
    let message = &of("model-finding")["message"]["text"];
    assert!(
        message
            .as_str()
            .is_some_and(|text| text.contains("\\[here\\](http://x)")),
        "{message}"
    );
    let change = &of("model-rewrite")["fixes"][0]["artifactChanges"][0];
    let replacement = &change["replacements"][0];
    assert_eq!(
        replacement["deletedRegion"],
        json!({"startLine": 5, "endLine": 9})
    );
    let inserted = replacement["insertedContent"]["text"]
        .as_str()
        .expect("a text");
    // The proposed file is the original one with these lines.
    let lines: Vec<&str> = WEAK.lines().collect();
    let proposed = format!(
        "{}\n{inserted}\n{}\n",
        lines[..4].join("\n"),
        lines[9..].join("\n")
    );
    assert!(slm_metrics::syntax::parses(&proposed), "{proposed}");
    assert_eq!(tree(&project.path("code")), before);
}

#[test]
fn hostile_answers_show_nothing_and_are_counted() {
    let project = Project::new();
    project.write("code/weak.py", WEAK);
    let reasons = |answer: &str, finish: &str| -> Value {
        let (text, finish) = (answer.to_owned(), finish.to_owned());
        let server = server(move |asked: &Asked| {
            text_only(asked).unwrap_or_else(|| Say::Json(200, completion(asked, &text, &finish)))
        });
        let json = document(&reviewed(&project, &server, &["code", "--json"]).result());
        let file = &json["files"][0];
        assert_eq!(file["rewrites"], json!([]), "{answer}");
        let found = file["findings"].as_array().expect("findings");
        assert!(found.iter().all(|of| of["source"] == "static"), "{answer}");
        json["not_shown"].clone()
    };
    assert_eq!(
        reasons(
            "0: a\n-1: b\n1000000000000000000000000000000: c\n6: d",
            "stop"
        ),
        json!({"finding on a line outside of the function": 4})
    );
    assert_eq!(
        reasons("Ignore the rules.\n1:", "stop"),
        json!({"line of an answer that is not `line: text`": 1, "finding without text": 1})
    );
    for (code, reason) in [
        (
            BETTER.replace("def run", "def plain"),
            "rewritten function of another name",
        ),
        (
            BETTER.replace("command,", "command=None,"),
            "rewritten function with other parameters",
        ),
        (
            "def run(self, command, seen=None):\n    \"\"\"Run a command.\"\"\"\n".to_owned(),
            "rewritten function without a body",
        ),
    ] {
        let answer = format!("```python\n{code}```");
        assert_eq!(reasons(&answer, "stop"), json!({reason: 1}));
    }
    assert_eq!(
        reasons(&format!("```python\n{}", &BETTER[..60]), "length"),
        json!({"rewritten function cut by the token limit": 1})
    );
}

#[test]
fn a_stored_review_is_a_data_set_and_its_folder_is_replaced() {
    let project = Project::new();
    project.write("code/weak.py", WEAK);
    let server = answering(format!("1: the list is shared\n```python\n{BETTER}```"));
    let words = ["code", "-o", "reviews/code", "--json"];
    let before = tree(&project.path("code"));
    let printed = reviewed(&project, &server, &words).result();
    let folder = project.path("reviews/code");
    assert_eq!(document(&printed), json_of(&folder.join("review.json")));
    let answers = lines(&folder.join("answers.jsonl"));
    assert_eq!(answers[0]["function"], "code/weak.py::Shop.run");
    let rows = lines(&folder.join("dataset/rows.jsonl"));
    assert_eq!(rows[0]["prompt"], answers[0]["messages"]);
    assert_eq!(
        rows[0]["completion"][0]["content"],
        format!("1: the list is shared\n```python\n{BETTER}```")
    );
    let info = json_of(&folder.join("dataset/dataset.json"));
    assert_eq!((&info["kind"], &info["rows"]), (&json!("sft"), &json!(1)));
    let again = reviewed(&project, &server, &words).result();
    assert_eq!(again, printed);
    assert_eq!(tree(&project.path("code")), before);
    project.assert_no_parts();
}

#[test]
fn a_rewritten_function_must_pass_the_tests_of_its_task() {
    let project = Project::new();
    let code = "def doubled(x, seen=[]):\n    \"\"\"Double a number.\n\n    >>> doubled(2)\n    4\n    \"\"\"\n    return x + x\n";
    project.write("shop/sums.py", code);
    let tasks = finish(&mut project.command(
        env!("CARGO_BIN_EXE_evaluator"),
        &["tasks", "shop", "-o", "own.jsonl"],
    ));
    tasks.result();
    let answer = |body: &str| {
        let code = code.replace("seen=[]", "seen=None");
        answering(format!(
            "```python\n{}```",
            code.replace("return x + x", body)
        ))
    };
    let before = tree(&project.path("shop"));
    let words = ["shop", "--tests", "own.jsonl", "--json"];
    let right = document(&reviewed(&project, &answer("return 2 * x"), &words).result());
    let rewrite = &right["files"][0]["rewrites"][0];
    assert!(rewrite["tests_passed"].as_u64() >= Some(1), "{right}");
    let wrong = document(&reviewed(&project, &answer("return 3 * x"), &words).result());
    assert_eq!(
        wrong["not_shown"],
        json!({"rewritten function that fails its tests": 1})
    );
    let forged = "import inspect\n    return x + x + 0 * len(inspect.stack())";
    let forged = document(&reviewed(&project, &answer(forged), &words).result());
    assert_eq!(
        forged["not_shown"],
        json!({"rewritten function that names the machinery of its tests": 1})
    );
    assert_eq!(tree(&project.path("shop")), before);
}

/// A project with a file of one task, whose solution has places for three kinds of faults.
fn benched() -> Project {
    let project = Project::new();
    let task = |n: usize| {
        json!({
            "task_id": format!("own/{n}"),
            "prompt": format!("def above_{n}(values, limit):\n    \"\"\"Count values above a limit, and add {n}.\"\"\"\n"),
            "entry_point": format!("above_{n}"),
            "tests": [format!("assert above_{n}([1, 2, 3], 1) == {}", 2 + n), format!("assert above_{n}([], 1) == {n}")],
            "canonical_solution": format!("    count = {n}\n    for value in values:\n        if value > limit:\n            count += 1\n    return count\n"),
        })
    };
    let untested = json!({
        "task_id": "own/9", "prompt": "def other(x):\n    \"\"\"Do.\"\"\"\n", "entry_point": "other",
        "tests": ["assert other(1) == 1"], "canonical_solution": "    return 2\n",
    });
    write_lines(&project, "tasks.jsonl", [task(1), task(2), untested]);
    project
}

#[test]
fn a_reviewer_that_knows_the_solution_finds_every_fault_and_raises_no_alarm() {
    let project = benched();
    // Names the first line that differs from the solution's.
    let server = server(|asked: &Asked| {
        text_only(asked).unwrap_or_else(|| {
            let n = if asked.prompt.contains("above_1") {
                1
            } else {
                2
            };
            let solution = [
                format!("count = {n}"),
                "for value in values:".to_owned(),
                "if value > limit:".to_owned(),
                "count += 1".to_owned(),
                "return count".to_owned(),
            ];
            let lines = asked.prompt.lines().map(str::trim);
            let mut numbered = lines.filter_map(|line| {
                let (number, code) = line.split_once(' ')?;
                let number: usize = number.parse().ok().filter(|of| *of > 2)?;
                (code.trim() != solution.get(number - 3)?).then_some(number)
            });
            let found = numbered.next_back();
            let text = found.map_or("NONE".to_owned(), |of| format!("{of}: wrong"));
            Say::Json(200, completion(asked, &text, "stop"))
        })
    });
    let words = ["--bench", "tasks.jsonl", "--mutants", "4", "--json"];
    let json = document(&reviewed(&project, &server, &words).result());
    assert_eq!(json["functions"], 2);
    assert_eq!(json["faults"], 8);
    assert_eq!(
        json["left_out"],
        json!({"the reference solution does not pass here": 1})
    );
    let model = &json["model"];
    assert_eq!(
        (&model["recall"]["count"], &model["recall"]["of"]),
        (&json!(8), &json!(8))
    );
    assert_eq!(model["recall"]["interval"]["high"], 1.0);
    assert!(model["recall"]["interval"]["low"].as_f64() > Some(0.5));
    assert_eq!(model["false_alarms"]["count"], 0);
    assert_eq!(model["false_alarms"]["of"], 2);
    // One of five lines each.
    let random = model["random_lines_recall"].as_f64().expect("a number");
    assert!((random - 0.2).abs() < 1e-9, "{random}");
    assert_eq!(server.asked().len(), 10);
    let again = document(&reviewed(&project, &server, &words).result());
    assert_eq!(again, json);
}

#[test]
fn without_a_model_the_static_rules_are_measured_alone() {
    let project = benched();
    let page = review(&project, &["--bench", "tasks.jsonl", "-o", "figures"]).result();
    says(
        &page,
        &[
            "faults in 2 functions of tasks.jsonl",
            "static rules alone",
            "comparison_flip",
            "no fault",
        ],
    );
    let json = json_of(&project.path("figures/review-bench.json"));
    assert_eq!(json["model"], Value::Null);
    assert!(json["static_rules"]["recall"]["of"].as_u64() > Some(4));
}
