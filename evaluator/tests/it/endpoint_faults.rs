//! A server that fails: transient failures are retried and counted, others are reported, and no answer is lost or
//! requested twice.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::endpoint::{ask, lines, project, records, run, run_of, server};
use crate::fake_server::{Asked, FakeServer, Say, completion, message, right, solution, text_only};
use crate::support::{Project, says};

/// Far longer than any run here takes.
const PATIENCE: Duration = Duration::from_mins(5);

/// A task's fault, and how often it occurs before the task is answered.
const FAULTS: [(&str, usize); 10] = [
    ("nothing", 0),
    ("429 with Retry-After", 1),
    ("500 twice", 2),
    ("503 without a reason", 1),
    ("hang", 1),
    ("truncated body", 1),
    ("cut connection", 1),
    ("no JSON", 1),
    ("empty choices", 1),
    ("slow trickle", 1),
];

fn fail(fault: &str, asked: &Asked) -> Say {
    let whole = || message(200, "", &completion(asked, &solution(asked), "stop"));
    match fault {
        "429 with Retry-After" => Say::With(
            429,
            "Retry-After: 1\r\n".to_owned(),
            json!({"error": {"message": "slow down"}}),
        ),
        "500 twice" => Say::Json(500, json!({"error": {"message": "CUDA out of memory"}})),
        "503 without a reason" => Say::Json(503, Value::Null),
        "hang" => Say::Hang,
        "truncated body" => {
            let mut bytes = whole();
            bytes.truncate(bytes.len() - 40);
            Say::Bytes(bytes)
        }
        "cut connection" => Say::Bytes(Vec::new()),
        "no JSON" => {
            Say::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>".to_vec())
        }
        "empty choices" => Say::Json(200, json!({"choices": []})),
        "slow trickle" => Say::Trickle(whole()),
        other => unreachable!("{other}"),
    }
}

#[test]
fn each_fault_that_passes_is_a_counted_retry_and_changes_no_answer() {
    let n = FAULTS.len();
    let project = project(n);
    let server = server(|asked| {
        if let Some(refused) = text_only(asked) {
            return refused;
        }
        match asked.task().checked_sub(1).map(|at| FAULTS[at]) {
            Some((fault, times)) if !asked.is_probe() && asked.before < times => fail(fault, asked),
            _ => right(asked),
        }
    });
    let settings = ["--set", "evaluate.endpoint.timeout_s=3"];
    let finished = ask(&project, &server, &settings);
    says(&finished.stderr, &["retry 1: http://127.0.0.1:"]);
    let run = run_of(&project, &finished.result());
    let records = records(&run);
    for (at, (fault, times)) in FAULTS.iter().enumerate() {
        let record = &records[&(at + 1)];
        assert_eq!(record["verdict"], "passed", "{fault}");
        let retries = record
            .get("retries")
            .map_or(0, |n| n.as_u64().expect("a count") as usize);
        assert_eq!(retries, *times, "{fault}");
    }
    let throttled: Vec<Asked> = server
        .asked()
        .into_iter()
        .filter(|asked| asked.task() == 2)
        .collect();
    let pause = throttled[1].at.duration_since(throttled[0].at);
    assert!(
        pause >= Duration::from_secs(1),
        "Retry-After was not heeded: {pause:?}"
    );
    let expected: Vec<usize> = FAULTS.iter().map(|(_, times)| times + 1).collect();
    assert_eq!(server.times(n), expected);
    let all: usize = FAULTS.iter().map(|(_, times)| times).sum();
    let report = fs::read_to_string(run.join("report.md")).expect("a report");
    says(&report, &[&format!("Requests were retried {all} times")]);
    let log = lines(&run.join("trajectory.jsonl"));
    let logged: u64 = log
        .iter()
        .filter_map(|event| event["what"]["call"]["measured"]["retries"].as_u64())
        .sum();
    assert_eq!(logged, all as u64);
}

#[test]
fn a_failure_for_good_keeps_what_was_answered_and_the_same_command_goes_on() {
    let n = 6;
    let project = project(n);
    let ill = Arc::new(AtomicBool::new(true));
    let is_ill = Arc::clone(&ill);
    let server = server(move |asked| {
        if let Some(refused) = text_only(asked) {
            return refused;
        }
        if asked.task() == 4 && is_ill.load(Ordering::Relaxed) && !asked.is_probe() {
            return Say::Json(500, json!({"error": {"message": "worker died"}}));
        }
        right(asked)
    });
    let settings = [
        "--set",
        "evaluate.endpoint.max_retries=1",
        "--set",
        "evaluate.endpoint.concurrency=2",
    ];
    let error = ask(&project, &server, &settings).error(1);
    says(
        &error,
        &[
            "HTTP 500: worker died (tried 2 times)",
            "hint: finished answers are kept",
        ],
    );
    let before = server.times(n);
    assert_eq!(before[3], 2);
    ill.store(false, Ordering::Relaxed);
    let run = run_of(&project, &ask(&project, &server, &settings).result());
    let times = server.times(n);
    for task in (1..=n).filter(|&task| task != 4) {
        assert_eq!(times[task - 1], 1, "task {task} was asked twice");
    }
    assert_eq!(times[3], 3);
    assert!(
        records(&run)
            .values()
            .all(|record| record["verdict"] == "passed")
    );
    steps_are_there_once(&run, n);
}

#[test]
fn what_no_patience_mends_is_told_at_once() {
    let project = project(2);
    let refusing = |status: u16, body: Value| server(move |_| Say::Json(status, body.clone()));
    for (status, body, code, parts) in [
        (
            404,
            json!({"error": {"message": "The model `tiny/qwen2` does not exist."}}),
            2,
            &[
                "HTTP 404: The model `tiny/qwen2` does not exist.",
                "hint: check `evaluate.endpoint.url`",
            ][..],
        ),
        (
            400,
            json!({"error": {"message": "temperature must be warm"}}),
            1,
            &["HTTP 400: temperature must be warm"],
        ),
        (
            307,
            json!({}),
            2,
            &[
                "HTTP 307",
                "hint: set `evaluate.endpoint.url` to the address without the redirect",
            ],
        ),
    ] {
        let server = refusing(status, body);
        says(&ask(&project, &server, &[]).error(code), parts);
    }
    let nobody = {
        let server = server(right);
        server.url()
    };
    let words = [
        "compare",
        "--base-only",
        "--recipe",
        "tiny.yaml",
        "--endpoint",
        &nobody,
        "--set",
        "evaluate.endpoint.max_retries=1",
    ];
    let finished =
        crate::support::finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words));
    says(
        &finished.error(1),
        &[
            "cannot connect: connection refused (tried 2 times)",
            "once the server has recovered",
        ],
    );
}

#[test]
fn a_server_that_never_answers_is_mentioned_once_and_only_on_stderr() {
    let project = project(1);
    let silent = FakeServer::new(|_| Say::Hang);
    let settings = [
        "--set",
        "evaluate.endpoint.timeout_s=5",
        "--set",
        "evaluate.endpoint.max_retries=1",
    ];
    let finished = ask(&project, &silent, &settings);
    let mentioned = format!(
        "waiting for {}: no reply yet; a request may take 5 s",
        silent.url()
    );
    assert_eq!(finished.stdout, "");
    let stderr = finished.stderr.clone();
    assert_eq!(stderr.matches(&mentioned).count(), 1, "{stderr}");
    says(&finished.error(1), &["no answer in time (tried 2 times)"]);
}

const KEY: &str = "sk-Zm9vYmFyCg-31415";

/// Whether a file under a folder contains a text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = fs::read(&path).expect("a file");
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

#[test]
fn a_key_goes_to_the_server_and_nowhere_else() {
    let project = project(2);
    let expected = format!("Bearer {KEY}");
    let server = crate::fake_server::FakeServer::new(move |asked| {
        if asked.authorization.as_deref() != Some(&expected) {
            // Like some servers, it repeats the request.
            let got = asked.authorization.clone().unwrap_or_default();
            return Say::Json(
                401,
                json!({"error": {"message": format!("Incorrect API key provided: {got}")}}),
            );
        }
        if let Some(say) = crate::endpoint::models(asked).or_else(|| text_only(asked)) {
            return say;
        }
        if asked.task() == 1 && asked.before == 0 && !asked.is_probe() {
            return Say::Json(
                500,
                json!({"error": {"message": format!("no worker for {KEY}")}}),
            );
        }
        let text = format!("{}  # {KEY}", solution(asked));
        Say::Json(200, completion(asked, &text, "stop"))
    });
    let words = ["compare", "--base-only", "--recipe", "tiny.yaml"];
    let none = run(&project, &server, &words, &[]).error(2);
    says(
        &none,
        &[
            "HTTP 401",
            "hint: name the variable that holds the server's key: --set evaluate.endpoint.api_key_env=NAME",
        ],
    );
    let words = [
        &words[..],
        &["--set", "evaluate.endpoint.api_key_env=THE_KEY"],
    ]
    .concat();
    let wrong = run(&project, &server, &words, &[("THE_KEY", "sk-wrong-key")]).error(2);
    says(
        &wrong,
        &[
            "HTTP 401: Incorrect API key provided: Bearer ***",
            "is the key in `evaluate.endpoint.api_key_env` this server's?",
        ],
    );
    let finished = run(&project, &server, &words, &[("THE_KEY", KEY)]);
    assert!(!finished.stderr.contains(KEY), "{}", finished.stderr);
    says(&finished.stderr, &["no worker for ***"]);
    let printed = finished.result();
    assert!(!printed.contains(KEY));
    let records = records(&run_of(&project, &printed));
    assert_eq!(records[&1]["completion"], "    return x + 1  # ***");
    assert!(!holds(&project.path(""), KEY), "the key is in a file");
    assert!(!holds(&project.path(""), "sk-wrong-key"));
}

fn log_of(project: &Project) -> Option<std::path::PathBuf> {
    let run = fs::read_dir(project.path("reports")).ok()?.next()?.ok()?;
    Some(run.path().join("trajectory.jsonl"))
}

/// Asserts that every task has one call and one decision in the log.
fn steps_are_there_once(run: &Path, n: usize) {
    let mut steps: Vec<String> = lines(&run.join("trajectory.jsonl"))
        .iter()
        .map(|event| format!("{} {}", event["trajectory"], event["step"]))
        .collect();
    assert_eq!(steps.len(), 2 * n);
    steps.sort();
    steps.dedup();
    assert_eq!(steps.len(), 2 * n, "a step twice");
}

#[test]
fn killed_in_the_middle_a_run_asks_for_nothing_that_it_has() {
    let n = 12;
    let project = project(n);
    let server = server(|asked| {
        if !asked.is_probe() {
            std::thread::sleep(Duration::from_millis(150));
        }
        text_only(asked).unwrap_or_else(|| right(asked))
    });
    let url = server.url();
    let words = [
        "compare",
        "--base-only",
        "--recipe",
        "tiny.yaml",
        "--endpoint",
        &url,
        "--set",
        "evaluate.benchmarks=[{name: custom, path: tasks.jsonl}]",
        "--set",
        "evaluate.endpoint.concurrency=2",
    ];
    let mut logged = Vec::new();
    for share in [1, 2, 3] {
        let mut child = project
            .command(env!("CARGO_BIN_EXE_evaluator"), &words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a process");
        let calls = || {
            let text = log_of(&project)
                .and_then(|log| fs::read_to_string(log).ok())
                .unwrap_or_default();
            let whole = text
                .rsplit_once('\n')
                .map_or("", |(whole, _)| whole)
                .to_owned();
            let call = |line: &str| {
                let event: Value = serde_json::from_str(line).expect("a line of JSON");
                let task = event["trajectory"]["task_id"]
                    .as_str()?
                    .rsplit('/')
                    .next()?
                    .parse()
                    .ok()?;
                event["what"].get("call").map(|_| task)
            };
            whole.lines().filter_map(call).collect::<Vec<usize>>()
        };
        let started = Instant::now();
        while calls().len() < n * share / 4 {
            assert!(started.elapsed() < PATIENCE, "nothing is answered");
            assert!(child.try_wait().expect("a state").is_none(), "ended early");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("a kill");
        child.wait().expect("an end");
        logged = calls();
    }
    let before = server.times(n);
    let settings = ["--set", "evaluate.endpoint.concurrency=2"];
    let run = run_of(&project, &ask(&project, &server, &settings).result());
    let after = server.times(n);
    for task in logged {
        assert_eq!(
            after[task - 1],
            before[task - 1],
            "task {task} was asked again"
        );
    }
    assert!(
        records(&run)
            .values()
            .all(|record| record["verdict"] == "passed")
    );
    steps_are_there_once(&run, n);
}
