//! Evaluations on a server: the requests, the limits on answers, and the server's description in the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fake_server::{
    Asked, FakeServer, Say, completion, right, solution, text_only, tokenizer,
};
use crate::support::{Finished, Project, finish, says};
use crate::trained_project;

/// The server's name of the base model, which is the recipe's.
const MODEL: &str = "tiny/qwen2";

/// A project with `tasks` tasks, `custom/1` and so on: add 1, add 2, ...
pub(crate) fn project(tasks: usize) -> Project {
    let project = trained_project();
    let tasks: Vec<String> = (1..=tasks)
        .map(|n| {
            json!({
                "task_id": n,
                "prompt": format!("def add_{n}(x):\n    \"\"\"Add {n} to x.\"\"\"\n"),
                "entry_point": format!("add_{n}"),
                "tests": [format!("assert add_{n}(1) == {}", n + 1)],
                "canonical_solution": format!("    return x + {n}\n"),
            })
            .to_string()
        })
        .collect();
    project.write("tasks.jsonl", tasks.join("\n"));
    project
}

/// The list of a server with the base model and perhaps an adapter.
pub(crate) fn models(asked: &Asked) -> Option<Say> {
    (asked.route == "/models").then(|| {
        let entry = |id: &str| json!({"id": id, "object": "model", "created": 7, "owned_by": "us", "max_model_len": 4096});
        Say::Json(200, json!({"object": "list", "data": [entry(MODEL), entry("tuned")]}))
    })
}

/// A server with the usual list of models, and this behaviour for other requests.
pub(crate) fn server(behave: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> FakeServer {
    FakeServer::new(move |asked| models(asked).unwrap_or_else(|| behave(asked)))
}

/// `evaluator compare --base-only` on the project's tasks and this server.
pub(crate) fn ask(project: &Project, server: &FakeServer, words: &[&str]) -> Finished {
    let words = [&["compare", "--base-only", "--recipe", "tiny.yaml"], words].concat();
    run(project, server, &words, &[])
}

pub(crate) fn run(
    project: &Project,
    server: &FakeServer,
    words: &[&str],
    variables: &[(&str, &str)],
) -> Finished {
    let url = server.url();
    let settings = [
        "--endpoint",
        &url,
        "--set",
        "evaluate.benchmarks=[{name: custom, path: tasks.jsonl}]",
    ];
    let words = [words, &settings].concat();
    let mut command = project.command(env!("CARGO_BIN_EXE_evaluator"), &words);
    finish(command.envs(variables.iter().copied()))
}

/// The run's folder.
pub(crate) fn run_of(project: &Project, printed: &str) -> PathBuf {
    let report = printed
        .trim()
        .strip_prefix("report: ")
        .expect("a report's path");
    project.path(
        &Path::new(report)
            .parent()
            .expect("a folder")
            .to_string_lossy(),
    )
}

pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// The records by the number of their task.
pub(crate) fn records(run: &Path) -> BTreeMap<usize, Value> {
    let all = lines(&run.join("records.jsonl"));
    let n = all.len();
    let by_task: BTreeMap<usize, Value> = all
        .into_iter()
        .map(|record| {
            let task = record["task_id"].as_str().expect("a name");
            let number = task.rsplit('/').next().expect("a number");
            (number.parse().expect("a number"), record)
        })
        .collect();
    assert_eq!(by_task.len(), n, "a task twice");
    by_task
}

pub(crate) fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn a_server_answers_and_the_run_says_which() {
    let (project, server) = (project(6), FakeServer::sound());
    // A server without a list of models is trusted to serve the recipe's name.
    let finished = ask(
        &project,
        &server,
        &["--set", "evaluate.endpoint.concurrency=3"],
    );
    says(
        &finished.stderr,
        &[
            "generating with tiny/qwen2 at http://127.0.0.1:",
            "prompts as text",
            "up to 3 concurrent requests",
        ],
    );
    let run = run_of(&project, &finished.result());
    let records = records(&run);
    assert!(
        records.values().all(|record| record["verdict"] == "passed"),
        "{records:?}"
    );
    assert_eq!(server.times(6), [1; 6]);
    for asked in server.asked() {
        let body = &asked.body;
        assert_eq!(asked.route, "/completions");
        assert_eq!(
            (&body["model"], &body["max_tokens"]),
            (&json!(MODEL), &json!(64))
        );
        assert_eq!(
            (&body["temperature"], &body["stop"]),
            (&json!(0.0), &json!(["\n```"]))
        );
        // The servers' own defaults are disabled.
        assert_eq!(
            (&body["top_k"], &body["repetition_penalty"]),
            (&json!(0), &json!(1.0))
        );
        assert_eq!(
            (&body["presence_penalty"], &body["frequency_penalty"]),
            (&json!(0.0), &json!(0.0))
        );
        assert_eq!(asked.authorization, None);
        let record = &records[&asked.task()];
        let count = tokenizer().encode(&asked.prompt).expect("ids").len();
        assert_eq!(record["prompt_tokens"], count);
        assert!(record.get("retries").is_none() && record.get("tokens_estimated").is_none());
    }
    let seeds: Vec<Value> = server
        .asked()
        .iter()
        .map(|asked| asked.body["seed"].clone())
        .collect();
    assert!(
        seeds
            .iter()
            .all(|seed| seeds.iter().filter(|other| *other == seed).count() == 1)
    );
    let info = json_of(&run.join("run.json"));
    assert_eq!(info["endpoint"]["url"], server.url());
    assert_eq!(info["endpoint"]["prompts"], "text");
    assert_eq!(info["endpoint"]["models"][0]["model"], MODEL);
    let command = info["command"].as_str().expect("a command");
    says(command, &["--endpoint http://127.0.0.1:"]);
    let report = fs::read_to_string(run.join("report.md")).expect("a report");
    says(
        &report,
        &[
            "**Server.**",
            "up to 3 concurrent requests",
            "Prompts were sent as `text`",
        ],
    );

    // Repeating the command sends no request.
    let again = ask(
        &project,
        &server,
        &["--set", "evaluate.endpoint.concurrency=3"],
    );
    says(&again.stderr, &["all answers exist already"]);
    again.result();
    assert_eq!(server.times(6), [1; 6]);
}

#[test]
fn token_ids_are_those_of_the_text_and_extras_are_left_out_where_they_are_refused() {
    let project = project(3);
    let texts = server(|asked| text_only(asked).unwrap_or_else(|| right(asked)));
    ask(&project, &texts, &[]).result();
    let strict = server(|asked| {
        let extras = asked.body.get("min_p").is_some();
        if extras {
            return Say::Json(
                400,
                json!({"error": {"message": "Unrecognized request argument supplied: min_p"}}),
            );
        }
        right(asked)
    });
    let run = run_of(&project, &ask(&project, &strict, &[]).result());
    assert_eq!(
        json_of(&run.join("run.json"))["endpoint"]["prompts"],
        "token ids"
    );
    assert_eq!(strict.times(3), [1; 3]);
    let mut compared = 0;
    for asked in strict.asked() {
        let same = texts
            .asked()
            .into_iter()
            .find(|other| other.task() == asked.task())
            .expect("asked, too");
        let ids = tokenizer().encode(&same.prompt).expect("ids");
        assert_eq!(asked.body["prompt"], json!(ids));
        assert_eq!(asked.body["seed"], same.body["seed"]);
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn a_server_that_refuses_many_stop_strings_gets_the_four_that_end_most() {
    let project = project(3);
    let base = ["--set", "evaluate.prompting=base"];
    let sent = |server: &FakeServer| -> Vec<usize> {
        let asked = server.asked().into_iter();
        let counts = asked.map(|asked| asked.body["stop"].as_array().map_or(0, Vec::len));
        counts.collect()
    };
    let answers = |server: &FakeServer| {
        let run = run_of(&project, &ask(&project, server, &base).result());
        let records = records(&run);
        fs::remove_dir_all(run).expect("a run");
        records
            .into_values()
            .map(|record| (record["program"].clone(), record["verdict"].clone()))
            .collect::<Vec<_>>()
    };
    let lenient = server(right);
    let expected = answers(&lenient);
    assert!(
        sent(&lenient).iter().all(|&n| n > 4),
        "{:?}",
        sent(&lenient)
    );
    let strict = server(|asked| {
        let stops = asked.body["stop"].as_array().map_or(0, Vec::len);
        if stops > 4 {
            let text = format!("List should have at most 4 items after validation, not {stops}");
            return Say::Json(400, json!({"error": {"message": text}}));
        }
        right(asked)
    });
    assert_eq!(answers(&strict), expected);
    assert!(sent(&strict).iter().all(|&n| n == 4), "{:?}", sent(&strict));
    let probes = strict.probes().into_iter();
    assert_eq!(
        probes
            .filter(|asked| asked.body.get("stop").is_some())
            .count(),
        1
    );
}

#[test]
fn a_conversation_is_answered_as_a_whole_where_the_server_renders_it() {
    let project = project(4);
    // Then no tokenizer is needed.
    fs::remove_dir_all(project.path("model")).expect("a model");
    let server = server(|asked| {
        let whole = format!(
            "Here you are:\n\n```python\ndef add_{0}(x):\n    return x + {0}\n```\n\nIt adds {0}.",
            asked.task()
        );
        Say::Json(200, completion(asked, &whole, "stop"))
    });
    let chat = ["--set", "evaluate.endpoint.api=chat"];
    let run = run_of(&project, &ask(&project, &server, &chat).result());
    assert!(
        records(&run)
            .values()
            .all(|record| record["verdict"] == "passed")
    );
    for asked in server.asked() {
        assert_eq!(asked.route, "/chat/completions");
        assert!(asked.body.get("stop").is_none());
        let messages = asked.body["messages"].as_array().expect("messages");
        assert!(
            messages
                .iter()
                .all(|message| message["role"] != "assistant")
        );
    }
    let plain = [
        "--set",
        "evaluate.endpoint.api=chat",
        "--set",
        "evaluate.prompting=base",
    ];
    says(
        &ask(&project, &server, &plain).error(2),
        &[
            "`evaluate.endpoint.api` is \"chat\"",
            "continues a plain text",
        ],
    );
}

#[test]
fn an_adapter_is_asked_under_the_name_that_the_server_has_for_it() {
    let project = project(2);
    let server = server(|asked| text_only(asked).unwrap_or_else(|| right(asked)));
    let words = ["compare", "checkpoints/tiny/adapter"];
    let error = run(&project, &server, &words, &[]).error(2);
    says(
        &error,
        &[
            "has no served name for the adapter `tiny` (checkpoints/tiny/adapter)",
            "hint: --set \"evaluate.endpoint.adapters={tiny: NAME}\"",
        ],
    );
    for key in ["tiny", "checkpoints/tiny/adapter"] {
        let set = format!("evaluate.endpoint.adapters={{{key}: tuned}}");
        let words = [&words[..], &["--set", &set]].concat();
        let printed = run(&project, &server, &words, &[]).result();
        let info = json_of(&run_of(&project, &printed).join("run.json"));
        assert_eq!(info["endpoint"]["models"][1]["arm"], "tiny");
        assert_eq!(info["endpoint"]["models"][1]["told"]["max_model_len"], 4096);
        assert!(
            info["endpoint"]["models"][1]["told"]
                .get("created")
                .is_none()
        );
    }
    let names: Vec<String> = server
        .asked()
        .iter()
        .map(|asked| asked.body["model"].to_string())
        .collect();
    let of = |name: &str| names.iter().filter(|other| *other == name).count();
    assert_eq!((of("\"tiny/qwen2\""), of("\"tuned\"")), (4, 4));
    let unknown = [
        &words[..],
        &["--set", "evaluate.endpoint.adapters={tiny: other}"],
    ]
    .concat();
    says(
        &run(&project, &server, &unknown, &[]).error(2),
        &[
            "does not serve `other`, but `tiny/qwen2`, `tuned`",
            "hint: --set evaluate.endpoint.model=NAME",
        ],
    );
}

#[test]
fn stop_strings_limits_and_counts_hold_whatever_the_server_does() {
    let project = project(4);
    let limit = 16;
    let server = server(|asked| {
        if let Some(refused) = text_only(asked) {
            return refused;
        }
        let solution = solution(asked);
        let mut value = match asked.task() {
            // Continues behind the fence.
            1 => completion(
                asked,
                &format!(
                    "{solution}\n```\nand then words without end, {}",
                    "on ".repeat(90)
                ),
                "length",
            ),
            // Writes far more than the limit.
            2 => completion(
                asked,
                &format!("{solution}\n    # {}", "more ".repeat(200)),
                "stop",
            ),
            _ => completion(asked, &solution, "stop"),
        };
        if asked.task() == 3 {
            value["usage"] = Value::Null;
        }
        Say::Json(200, value)
    });
    let set = format!("evaluate.max_new_tokens={limit}");
    let run = run_of(&project, &ask(&project, &server, &["--set", &set]).result());
    let records = records(&run);
    let tokens = |task: usize| {
        records[&task]["completion_tokens"]
            .as_u64()
            .expect("a count") as usize
    };
    let count = |text: &str| tokenizer().encode_text(text).expect("ids").len();
    assert_eq!(records[&1]["completion"], "    return x + 1");
    assert_eq!(records[&1]["finish_reason"], "stop");
    assert_eq!(tokens(1), count("    return x + 1\n```").min(limit));
    assert_eq!(
        (tokens(2), &records[&2]["finish_reason"]),
        (limit, &json!("length"))
    );
    let text = records[&2]["completion"].as_str().expect("a text");
    assert!(count(text) <= limit, "{text}");
    assert_eq!(tokens(3), count("    return x + 3"));
    for (task, estimated) in [(1, true), (2, true), (3, true), (4, false)] {
        let said = records[&task].get("tokens_estimated") == Some(&json!(true));
        assert_eq!(said, estimated, "{task}");
    }
    for record in records.values() {
        let unspent = record["unspent"]["completion_tokens"]
            .as_u64()
            .expect("a count");
        assert_eq!(
            unspent + record["completion_tokens"].as_u64().expect("a count"),
            4096
        );
    }
}

#[test]
fn a_full_context_shortens_an_answer_and_ends_a_workflow_that_has_no_room() {
    let project = project(2);
    let room = 10;
    let server = server(move |asked| {
        if let Some(refused) = text_only(asked) {
            return refused;
        }
        let prompt = tokenizer().encode(&asked.prompt).expect("ids").len();
        let limit = if asked.task() == 1 {
            prompt + room
        } else {
            prompt
        };
        let asked_for = asked.body["max_tokens"].as_u64().expect("a number") as usize;
        if !asked.is_probe() && prompt + asked_for > limit {
            let text = format!(
                "This model's maximum context length is {limit} tokens. However, you requested more."
            );
            return Say::Json(400, json!({"error": {"message": text}}));
        }
        Say::Json(200, completion(asked, "    return", "length"))
    });
    let one_by_one = ["--set", "evaluate.endpoint.concurrency=1"];
    let run = run_of(&project, &ask(&project, &server, &one_by_one).result());
    let granted: Vec<u64> = server
        .asked()
        .iter()
        .map(|asked| asked.body["max_tokens"].as_u64().expect("a number"))
        .collect();
    assert_eq!(granted[..2], [64, room as u64]);
    let records = records(&run);
    assert_eq!(records[&1]["stop"], "finished");
    assert_eq!(records[&2]["stop"], "context_full");
}

#[test]
fn another_model_behind_the_server_is_recognised_by_its_count() {
    let project = project(1);
    let server = server(|asked| {
        let Say::Json(status, mut value) = right(asked) else {
            unreachable!()
        };
        let prompt = value["usage"]["prompt_tokens"].as_u64().expect("a count");
        value["usage"]["prompt_tokens"] = json!(prompt + 9);
        Say::Json(status, value)
    });
    says(
        &ask(&project, &server, &[]).error(2),
        &[
            "`tiny/qwen2` counts ",
            "so it is another model",
            "hint: serve the recipe's model",
        ],
    );
    assert!(server.asked().is_empty());
}

#[test]
fn mistakes_in_the_section_are_told_and_secrets_are_not() {
    let project = project(1);
    let server = FakeServer::sound();
    for (set, parts) in [
        (
            "evaluate.endpoint.api=chats",
            &[
                "`evaluate.endpoint.api` is \"chats\"",
                "did you mean `chat`?",
            ][..],
        ),
        (
            "evaluate.endpoint.concurency=2",
            &[
                "unknown key `evaluate.endpoint.concurency`",
                "did you mean `concurrency`?",
            ],
        ),
        (
            "evaluate.endpoint.concurrency=0",
            &["is 0, allowed: 1 to 1024"],
        ),
        ("evaluate.endpoint.timeout_s=0", &["above 0, at most 86400"]),
        (
            "evaluate.endpoint.api_key_env=sk-abc123",
            &["allowed: the name of an environment variable in capitals, never the key itself"],
        ),
        (
            "evaluate.endpoint.api_key_env=NOT_THERE",
            &[
                "names NOT_THERE, which is not set",
                "hint: export NOT_THERE=...",
            ],
        ),
        (
            "evaluate.endpoint.model=''",
            &["`evaluate.endpoint.model` is"],
        ),
    ] {
        let error = ask(&project, &server, &["--set", set]).error(2);
        says(&error, parts);
        assert!(!error.contains("sk-abc123"), "{error}");
    }
    for url in [
        "http://user:pa55word@host/v1",
        "http://host/v1?key=pa55word",
        "ftp://host",
        "host:8000",
    ] {
        let words = [
            "compare",
            "--base-only",
            "--recipe",
            "tiny.yaml",
            "--endpoint",
            url,
        ];
        let error = finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words)).error(2);
        says(
            &error,
            &["`evaluate.endpoint.url` is", "http://HOST:PORT/v1"],
        );
        assert!(!error.contains("pa55word"), "{error}");
    }
}
