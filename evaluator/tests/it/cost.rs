//! What a run cost: energy and times of its phases, over interruptions, and prices that make no other run.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::endpoint::{ask, json_of, project, run_of, server};
use crate::energy::TickingCounter;
use crate::fake_server::{right, text_only};
use crate::support::{Project, says};
use crate::trained_project;

/// A comparison of two tasks by the tiny model.
const WORDS: [&str; 10] = [
    "compare",
    "--device",
    "cpu",
    "--unsafe-execution",
    "--recipe",
    "tiny.yaml",
    "--base-only",
    "--set",
    "evaluate.max_new_tokens=8",
    "--set",
];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

fn seconds_of(timings: &Value, phase: &str) -> f64 {
    let timings = timings.as_array().expect("a list");
    let of = timings.iter().find(|of| of["phase"] == phase);
    of.map_or(0.0, |of| number(&of["seconds"]))
}

/// The only run below `reports`.
fn only_run(project: &Project) -> std::path::PathBuf {
    let entries = fs::read_dir(project.path("reports")).expect("reports");
    let mut runs: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

#[test]
fn a_run_has_the_energy_of_its_phases_and_its_price() {
    let project = trained_project();
    let counter = TickingCounter::start(&project);
    let words = [
        &WORDS[..],
        &[
            "evaluate.max_tasks=2",
            "--set",
            "costs.price_per_kwh=36000",
            "--set",
            "costs.currency=ct",
        ],
    ]
    .concat();
    let command = &mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words);
    crate::finish(command).result();
    drop(counter);
    let run = only_run(&project);
    assert!(!run.join("timings.json").exists());
    let info = json_of(&run.join("run.json"));
    assert_eq!(info["prices"]["currency"], "ct");
    let cost = &json_of(&run.join("summary.json"))["cost"];
    // At 0.01 ct for a joule.
    let (kwh, money) = (
        number(&cost["whole"]["kwh"]["known"]),
        number(&cost["whole"]["money"]["known"]),
    );
    assert!(
        kwh > 0.0 && (kwh * 36000.0 - money).abs() < 1e-6 * money,
        "{cost}"
    );
    let joules = info["timings"].as_array().expect("phases").iter();
    let joules: f64 = joules
        .map(|of| number(&of["energy"]["processors"]["joules"]))
        .sum();
    assert!(
        (joules / 100.0 - money).abs() < 1e-6 * money,
        "{joules} J, {money} ct"
    );
    let kinds: Vec<&Value> = cost["kinds"]
        .as_array()
        .expect("kinds")
        .iter()
        .map(|of| &of["kind"])
        .collect();
    assert_eq!(kinds, ["loading", "generation", "scoring"]);
    says(
        &fs::read_to_string(run.join("report.md")).expect("a report"),
        &[
            "## What it cost",
            "| the whole run |",
            "36000\u{a0}ct for a kilowatt-hour.",
        ],
    );
}

#[test]
fn another_price_is_the_same_run_and_a_server_has_no_known_energy() {
    let project = project(2);
    let server = server(|asked| text_only(asked).unwrap_or_else(|| right(asked)));
    let run = run_of(&project, &ask(&project, &server, &[]).result());
    let first = json_of(&run.join("run.json"));
    assert_eq!(first.get("prices"), None);
    let asked = server.asked().len();
    let priced = [
        "--set",
        "costs.price_per_kwh=0.3",
        "--set",
        "costs.price_per_hour=3600",
    ];
    let again = run_of(&project, &ask(&project, &server, &priced).result());
    assert_eq!(again, run, "the same folder");
    let generated = server.asked().len() - asked;
    let second = json_of(&run.join("run.json"));
    assert_eq!(second["config_sha256"], first["config_sha256"]);
    assert!(generated < asked, "no answer is generated again");
    let cost = &json_of(&run.join("summary.json"))["cost"];
    assert_eq!(cost["prices"]["price_per_kwh"], 0.3);
    assert_eq!(cost["whole"]["kwh"], "unknown");
    let least = number(&cost["whole"]["money"]["at_least"]);
    // 1 for a second.
    assert!((least - number(&cost["whole"]["seconds"])).abs() < 1e-9);
    assert_eq!(
        (&cost["tasks"], &cost["solved_tasks"]),
        (&2.into(), &2.into())
    );
    let report = fs::read_to_string(run.join("report.md")).expect("a report");
    says(
        &report,
        &[
            "; that of the server is not known.",
            "a server answered, whose energy is not measured.",
        ],
    );
}

#[test]
fn the_times_of_a_killed_start_are_in_the_report() {
    let project = trained_project();
    let words = [&WORDS[..], &["evaluate.max_tasks=30"]].concat();
    let mut command = project.command(env!("CARGO_BIN_EXE_evaluator"), &words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the evaluator starts");
    let started = Instant::now();
    let times = |run: &Path| fs::read_to_string(run.join("timings.json")).ok();
    let mut saved = None;
    // The first save has the time of loading.
    while saved.is_none() {
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "nothing is saved"
        );
        let runs = fs::read_dir(project.path("reports"))
            .into_iter()
            .flatten()
            .flatten();
        saved = runs.map(|entry| entry.path()).find_map(|run| times(&run));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("a child");
    let run = only_run(&project);
    let before: Value = serde_json::from_str(&times(&run).expect("kept")).expect("JSON");
    let before = seconds_of(&before, "load model");
    assert!(before > 0.0);
    let second = Instant::now();
    let command = &mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words);
    crate::finish(command).result();
    let second = second.elapsed().as_secs_f64();
    let info = json_of(&run.join("run.json"));
    let loading = seconds_of(&info["timings"], "load model");
    assert!(
        loading > before && loading < before + second,
        "{before} s, then {loading} s"
    );
    assert!(!run.join("timings.json").exists());
}
