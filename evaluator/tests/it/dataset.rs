//! `evaluator dataset` from the outside: counts of a scripted model, and mistakes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use slm_report::ProgramMetrics;

use crate::endpoint::{self, json_of, lines, run_of, server};
use crate::fake_server::{Asked, FakeServer, Say, completion, text_only};
use crate::support::{Finished, Project, finish, says};
use crate::{answer_tasks, trained_project};

/// Answers to each task.
const SAMPLES: usize = 8;

/// A project with tasks `own/1` to `own/3`, add 1, 2 and 3, with ten tests each.
pub(crate) fn project() -> Project {
    let project = trained_project();
    let tasks = (1..=3).map(|n| {
        let tests: Vec<String> = (0..10)
            .map(|x| format!("assert add_{n}({x}) == {}", x + n))
            .collect();
        json!({
            "task_id": format!("own/{n}"),
            "prompt": format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n"),
            "entry_point": format!("add_{n}"),
            "tests": tests,
            "canonical_solution": format!("    return x + {n}\n"),
        })
    });
    write_lines(&project, "tasks.jsonl", tasks);
    project
}

pub(crate) fn write_lines(project: &Project, name: &str, rows: impl IntoIterator<Item = Value>) {
    let lines: Vec<String> = rows.into_iter().map(|row| row.to_string()).collect();
    project.write(name, lines.join("\n") + "\n");
}

/// A server whose answers to a task are these eight, in the order of arrival: three times one program, another that
/// passes, one that passes half of the tests, one that passes none, one that is cut off and one that does not parse.
fn scripted() -> FakeServer {
    server(|asked: &Asked| {
        text_only(asked).unwrap_or_else(|| {
            let n = asked.task();
            let (text, finish) = match asked.before % SAMPLES {
                0 | 1 => (format!("    return x + {n}"), "stop"),
                2 => (format!("    # why\n    return (x + {n})"), "stop"),
                3 => (format!("    y = x + {n}\n    return y"), "stop"),
                4 => (format!("    return x + {n} if x < 5 else 0"), "stop"),
                5 => ("    return None".to_owned(), "stop"),
                6 => (format!("    return x + {n} + 0"), "length"),
                _ => ("    return (".to_owned(), "stop"),
            };
            Say::Json(200, completion(asked, &text, finish))
        })
    })
}

/// Samples from the scripted server, and returns the run's folder.
pub(crate) fn sampled(project: &Project) -> std::path::PathBuf {
    let words = [
        "--set",
        "evaluate.samples_per_task=8",
        "--set",
        "evaluate.sampling.temperature=1.0",
        "--set",
        "evaluate.endpoint.concurrency=2",
    ];
    let finished = endpoint::ask(project, &scripted(), &words);
    run_of(project, &finished.result())
}

pub(crate) fn dataset(project: &Project, words: &[&str]) -> Finished {
    let words = [&["dataset"], words].concat();
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
}

/// The script in plain Python that recomputes which answers are kept.
fn recomputed(project: &Project, run: &Path, kind: &str) -> Value {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/slm-harvest/tests/it/recompute.py");
    let output = Command::new("python3")
        .arg(script)
        .args([run.join("records.jsonl"), project.path("tasks.jsonl")])
        .args([kind, "4", "mi_code"])
        .output()
        .expect("python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("a list")
}

fn kept(folder: &Path) -> Value {
    let sides = lines(&folder.join("sources.jsonl"));
    let side = |of: &Value| {
        json!([
            of["row"],
            of["side"],
            of["task_id"],
            of["arm"],
            of["workflow"],
            of["sample"]
        ])
    };
    sides.iter().map(side).collect()
}

#[test]
fn a_scripted_model_gives_the_predicted_rows_and_counts() {
    let project = project();
    let run = sampled(&project);
    let cases = [
        (
            vec!["--to", "sft"],
            "sft",
            6,
            json!({
                "truncated": 3, "no program that parses": 3, "does not pass all hidden tests": 6,
                "same program as another answer": 6,
            }),
        ),
        (
            vec!["--to", "kto"],
            "kto",
            12,
            json!({
                "truncated": 3, "no program that parses": 3, "same program as another answer": 6,
            }),
        ),
        (
            vec!["--to", "pairs"],
            "correctness",
            6,
            json!({
                "truncated": 3, "no program that parses": 3, "passes no hidden test": 3,
                "same program as another answer": 6,
            }),
        ),
    ];
    for (words, kind, rows, left_out) in cases {
        let words = [&["latest", "-o", kind, "--json"], &words[..]].concat();
        let printed = dataset(&project, &words).result();
        let info: Value = serde_json::from_str(&printed).expect("JSON");
        let folder = project.path(kind);
        assert_eq!(info, json_of(&folder.join("dataset.json")));
        assert_eq!(
            (&info["rows"], &info["answers"]),
            (&json!(rows), &json!(24)),
            "{kind}"
        );
        assert_eq!(info["left_out"], left_out, "{kind}");
        assert_eq!(kept(&folder), recomputed(&project, &run, kind), "{kind}");
        assert_eq!(lines(&folder.join("rows.jsonl")).len(), rows);
        let sources = lines(&folder.join("sources.jsonl"));
        assert!(sources.iter().all(|of| of["step"] == 0), "{sources:?}");
    }
    let row = &lines(&project.path("correctness/rows.jsonl"))[0];
    let begun = "```python\ndef add_1(x):\n    \"\"\"Add 1 to x.\"\"\"\n";
    assert_eq!(row["prefill"], begun);
    assert_eq!(
        (&row["rule"], &row["task_id"]),
        (&json!("correctness"), &json!("own/1"))
    );
    let rejected = &row["rejected"][0];
    assert_eq!(rejected["role"], "assistant");
    assert_eq!(
        rejected["content"],
        format!("{begun}    return x + 1 if x < 5 else 0\n```")
    );
    let page = dataset(&project, &["latest", "-o", "sft", "--to", "sft"]).result();
    says(
        &page,
        &[
            "6 rows of 3 tasks, from 24 answers of 1 run",
            "truncated",
            "data set written to sft",
        ],
    );
}

#[test]
fn equal_answers_in_another_order_give_equal_bytes() {
    let project = project();
    let run = sampled(&project);
    let make = |name: &str| {
        dataset(&project, &["latest", "--to", "pairs", "-o", name]).result();
        ["rows.jsonl", "sources.jsonl", "dataset.json"]
            .map(|file| project.bytes(&format!("{name}/{file}")))
    };
    let first = make("one");
    assert_eq!(make("two"), first);
    let records = run.join("records.jsonl");
    let text = fs::read_to_string(&records).expect("records");
    let mut shuffled: Vec<&str> = text.lines().collect();
    shuffled.reverse();
    fs::write(&records, shuffled.join("\n") + "\n").expect("records");
    // Replaces the data set of before.
    assert_eq!(make("two"), first);
    project.assert_no_parts();
}

#[test]
fn controls_have_rows_of_the_same_tasks() {
    let project = project();
    sampled(&project);
    let make = |keep: &str| {
        dataset(
            &project,
            &["latest", "--to", "sft", "-o", keep, "--keep", keep],
        )
        .result();
        let rows = lines(&project.path(&format!("{keep}/rows.jsonl")));
        rows.iter()
            .map(|row| row["task_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(make("none"), make("passed"));
    assert_eq!(make("canonical"), ["own/1", "own/2", "own/3"]);
    let info = json_of(&project.path("none/dataset.json"));
    assert_eq!(
        info["rules"],
        json!({"compared_with": [], "keep": "none", "per_task": 4, "prefer": "mi_code", "seed": 0})
    );
}

#[test]
fn unfinished_and_foreign_runs_and_changed_tasks_are_refused() {
    let project = project();
    let run = sampled(&project);
    let records = fs::read_to_string(run.join("records.jsonl")).expect("records");
    let info = fs::read_to_string(run.join("run.json")).expect("a run");
    let words = ["latest", "--to", "sft", "-o", "set"];
    let refused = |parts: &[&str]| {
        says(&dataset(&project, &words).error(2), parts);
        assert!(!project.path("set").exists());
    };

    // An answer without a record could not be scored, if the run has ended.
    let (_, fewer) = records.split_once('\n').expect("lines");
    fs::write(run.join("records.jsonl"), fewer).expect("records");
    let printed = dataset(&project, &["latest", "--to", "sft", "-o", "less", "--json"]).result();
    let less: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        (&less["answers"], &less["left_out"]["not scored"]),
        (&json!(24), &json!(1))
    );
    let mut unfinished: Value = serde_json::from_str(&info).expect("JSON");
    unfinished["timings"] = json!([]);
    fs::write(run.join("run.json"), unfinished.to_string()).expect("a run");
    refused(&[
        "the run is unfinished, with 23 of 24 answers",
        "hint: finish it by the command",
    ]);
    fs::write(run.join("run.json"), &info).expect("a run");

    fs::write(
        run.join("records.jsonl"),
        records.replace("\"arm\":\"base\"", "\"arm\":\"other\""),
    )
    .expect("records");
    refused(&[
        "the record of own/",
        "arm other",
        "of a cell that the run does not have",
    ]);
    fs::write(run.join("records.jsonl"), &records).expect("records");

    let tasks = project.read("tasks.jsonl");
    project.write(
        "tasks.jsonl",
        tasks.replace("assert add_1(0) == 1", "assert add_1(0) != 9"),
    );
    refused(&[
        "the task file of custom changed since the run: 3 tasks with hash",
        "hint: restore the file",
    ]);
    project.write("tasks.jsonl", tasks);

    fs::create_dir(project.path("set")).expect("a folder");
    project.write("set/notes.txt", "mine");
    let error = dataset(&project, &words).error(2);
    says(
        &error,
        &["the folder exists and is no data set: it holds notes.txt"],
    );
    assert_eq!(project.read("set/notes.txt"), "mine");
    let run_itself = run.display().to_string();
    let error = dataset(&project, &["latest", "--to", "sft", "-o", &run_itself]).error(2);
    says(&error, &["is no data set"]);
    let error = dataset(&project, &["src", "--to", "sft", "-o", "other"]).error(2);
    says(&error, &["src: no run's folder"]);
    let error = dataset(
        &project,
        &["latest", &run_itself, "--to", "sft", "-o", "other"],
    )
    .error(2);
    says(&error, &["is named twice"]);
}

#[test]
fn one_label_no_row_and_arguments_without_effect_are_refused() {
    let (project, server) = (endpoint::project(2), FakeServer::sound());
    endpoint::ask(&project, &server, &[]).result();
    let check = |words: &[&str], parts: &[&str]| {
        let words = [&["latest", "-o", "set"], words].concat();
        says(&dataset(&project, &words).error(2), parts);
        assert!(!project.path("set").exists());
    };
    check(&["--to", "kto"], &["all 2 rows are good answers"]);
    check(
        &["--to", "pairs"],
        &[
            "none of 2 answers became a row",
            "2 no partner for a pair",
            "hint: sample more",
        ],
    );
    check(
        &["--to", "sft", "--rule", "correctness"],
        &["--rule is a rule of pairs"],
    );
    let likely = ["--to", "sft", "--prefer", "likelihood"];
    check(
        &likely,
        &["a server answered", "hint: choose --prefer mi_code"],
    );
    check(
        &["--to", "pairs", "--keep", "none"],
        &["controls of --to sft"],
    );
    check(
        &["--to", "sft", "--per-task", "0"],
        &["expected a whole number of at least 1"],
    );
}

/// Answers to requests for plans and for programs by plans; `None` for other requests.
fn planned(asked: &Asked) -> Option<Say> {
    let n = asked.task();
    let text = if asked.prompt.contains("Plan:") {
        // The plan of task 2 helps nobody.
        match (n, asked.before % 4) {
            (1, 3) => format!("    return x + {n}"),
            _ => "    return None".to_owned(),
        }
    } else if asked.prompt.contains("A program that solves it") {
        match n {
            1 => "1. Take the number.\n2. Add one to it.",
            2 => "Guess.",
            _ => "First compute `y = x+3`.",
        }
        .to_owned()
    } else {
        return None;
    };
    Some(Say::Json(200, completion(asked, &text, "stop")))
}

#[test]
fn a_teacher_writes_plans_and_the_base_model_programs_by_them() {
    let project = project();
    let solving = |asked: &Asked| {
        let text = format!("    y = x + {n}\n    return y", n = asked.task());
        Say::Json(200, completion(asked, &text, "stop"))
    };
    let model = server(move |asked| text_only(asked).unwrap_or_else(|| solving(asked)));
    let teacher = server(|asked: &Asked| {
        let plan = "Add both numbers.";
        text_only(asked).unwrap_or_else(|| Say::Json(200, completion(asked, plan, "stop")))
    });
    endpoint::ask(&project, &model, &[]).result();
    let endpoint = format!("evaluate: {{endpoint: {{url: \"{}\"}}, ", teacher.url());
    project.write(
        "teacher.yaml",
        project.read("tiny.yaml").replace("evaluate: {", &endpoint),
    );
    let words = ["latest", "--to", "plans", "-o", "set", "--teacher"];
    let words = [&words[..], &["teacher.yaml", "--plan-samples", "2"]].concat();
    dataset(&project, &words).result();
    assert_eq!(lines(&project.path("set/rows.jsonl")).len(), 6);
    assert_eq!((teacher.asked().len(), model.asked().len()), (3, 3 + 6));
    let refused = [&words[..4], &["set", "--keep", "none"]].concat();
    says(
        &dataset(&project, &refused).error(2),
        &["controls of --to sft"],
    );
}

#[test]
fn plans_are_kept_that_help_and_hold_no_code() {
    let project = project();
    let server = server(|asked: &Asked| {
        text_only(asked)
            .or_else(|| planned(asked))
            .unwrap_or_else(|| {
                let n = asked.task();
                let text = format!("    y = x + {n}\n    return y");
                Say::Json(200, completion(asked, &text, "stop"))
            })
    });
    endpoint::ask(&project, &server, &[]).result();
    let make = |name: &str| {
        let words = ["latest", "--to", "plans", "-o", name, "--json"];
        let printed = dataset(&project, &words).result();
        serde_json::from_str::<Value>(&printed).expect("JSON")
    };
    let info = make("one");
    assert_eq!(
        (&info["kind"], &info["rows"], &info["answers"]),
        (&json!("plans"), &json!(2), &json!(3))
    );
    assert_eq!(
        info["left_out"],
        json!({"its plan holds a code line of the program": 1, "no program by its plan passes": 1})
    );
    // A plan of each program, and four programs by each of two plans.
    assert_eq!(info["rules"]["plan_calls"], 3 + 2 * 4);
    assert!(info["rules"]["plan_tokens"].as_u64() > Some(11));
    assert_eq!(info["tasks"].as_array().map(Vec::len), Some(1));
    let rows = lines(&project.path("one/rows.jsonl"));
    let plan = "1. Take the number.\n2. Add one to it.";
    assert_eq!(rows[0]["completion"][0]["content"], plan);
    assert_eq!(rows[0]["prefill"], "");
    let begun = "```python\ndef add_1(x):\n    \"\"\"Add 1 to x.\"\"\"\n";
    assert_eq!(rows[1]["prefill"], begun);
    assert_eq!(
        rows[1]["completion"][0]["content"],
        format!("{begun}    y = x + 1\n    return y\n```")
    );
    let request = rows[1]["prompt"][0]["content"].as_str().expect("a text");
    assert!(
        request.ends_with(&format!("\n\nPlan:\n{plan}")),
        "{request}"
    );
    let sides: Vec<Value> = lines(&project.path("one/sources.jsonl"));
    assert_eq!(
        (&sides[0]["side"], &sides[1]["side"]),
        (&json!("plan"), &json!("completion"))
    );
    make("two");
    for file in ["rows.jsonl", "sources.jsonl", "dataset.json"] {
        let of = |name: &str| project.bytes(&format!("{name}/{file}"));
        assert_eq!(of("two"), of("one"), "{file}");
    }
    let error = dataset(
        &project,
        &["latest", "--to", "sft", "-o", "x", "--teacher", "tiny.yaml"],
    );
    says(&error.error(2), &["--teacher writes plans"]);
}

/// A run of the built-in model with two answers to each task, which are replaced: the tiny model solves nothing. `bodies` gives
/// those of a task by its number, each with whether it passes.
pub(crate) fn replaced(project: &Project, bodies: impl Fn(&str) -> [(String, bool); 2]) {
    let settings = [
        "evaluate.samples_per_task=2",
        "evaluate.sampling.temperature=1.0",
    ];
    let run = run_of(project, &answer_tasks(project, &settings).result());
    let mut records = lines(&run.join("records.jsonl"));
    for record in &mut records {
        let n = record["task_id"]
            .as_str()
            .expect("a name")
            .replace("own/", "");
        let stub = format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n");
        let sample = record["sample"].as_u64().expect("a number") as usize;
        let (body, passes) = &bodies(&n)[sample];
        let program = format!("{stub}{body}");
        let metrics = ProgramMetrics::measure(&program, &stub).expect("valid Python");
        record["metrics"] = serde_json::to_value(metrics).expect("JSON");
        record["program"] = program.into();
        record["parsable"] = true.into();
        record["finish_reason"] = "stop".into();
        record["verdict"] = if *passes { "passed" } else { "failed" }.into();
        record["tests_passed"] = if *passes {
            record["tests_total"].clone()
        } else {
            0.into()
        };
    }
    let text: Vec<String> = records.iter().map(Value::to_string).collect();
    fs::write(run.join("records.jsonl"), text.join("\n") + "\n").expect("records");
}

#[test]
fn the_most_likely_of_two_answers_is_kept() {
    let project = project();
    replaced(&project, |n| {
        [
            (format!("    return x + {n}\n"), true),
            (format!("    qqzj = x + {n}\n    return qqzj\n"), true),
        ]
    });
    let make = |prefer: &str| {
        let words = [
            "latest", "--to", "sft", "-o", prefer, "--prefer", prefer, "--device", "cpu",
        ];
        dataset(&project, &words).result();
        let sources = lines(&project.path(&format!("{prefer}/sources.jsonl")));
        sources
            .iter()
            .map(|of| of["sample"].clone())
            .collect::<Vec<_>>()
    };
    // A task that all answers solve gets one row.
    assert_eq!(make("short"), [0, 0, 0]);
    assert_eq!(make("likelihood").len(), 3);
    let once = project.bytes("likelihood/rows.jsonl");
    make("likelihood");
    assert_eq!(project.bytes("likelihood/rows.jsonl"), once);
}
