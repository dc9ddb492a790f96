//! What a training cost: energy over all its starts, and prices that change no result.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::energy::TickingCounter;
use crate::fit;
use crate::support::{Project, says};

const WORDS: [&str; 4] = [
    "--set",
    "train.num_train_epochs=12",
    "--set",
    "output.save_steps=1",
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn training(project: &Project) -> Value {
    json(&project.read("checkpoints/tiny/adapter/training.json"))
}

/// Returns the state of the newest checkpoint, if there is one.
fn newest_state(project: &Project) -> Option<Value> {
    let entries = fs::read_dir(project.path("checkpoints/tiny")).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let step = names.filter_map(|name| name.to_str()?.strip_prefix("step-")?.parse().ok());
    let step: usize = step.max()?;
    Some(json(
        &project.read(&format!("checkpoints/tiny/step-{step}/state.json")),
    ))
}

/// Kills a training after some steps, and returns the state of its newest checkpoint.
fn killed(project: &Project) -> Value {
    let words = [&["fit", "tiny.yaml", "--device", "cpu"], &WORDS[..]].concat();
    let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the trainer starts");
    let started = Instant::now();
    let step = |project: &Project| newest_state(project).and_then(|state| state["step"].as_u64());
    while step(project).unwrap_or(0) < 3 {
        assert!(started.elapsed() < Duration::from_mins(2), "no progress");
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("a child");
    assert!(!project.path("checkpoints/tiny/adapter").exists());
    newest_state(project).expect("a checkpoint")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn a_training_of_two_starts_has_the_energy_of_both() {
    let project = Project::new();
    let counter = TickingCounter::start(&project);
    let first = killed(&project);
    let (before, at_first) = (&first["energy"]["processors"], number(&first["seconds"]));
    fit(&project, &WORDS).result();
    drop(counter);
    let summary = training(&project);
    let all = &summary["energy"]["processors"];
    assert_eq!(all.get("unread"), None, "{all}");
    assert_eq!(summary["energy"].as_object().expect("parts").len(), 1);
    assert!(number(&before["joules"]) > 0.0 && number(&all["joules"]) > number(&before["joules"]));
    assert!(number(&summary["seconds"]) > at_first);
    // The counter counts 50 W, and is written each millisecond or later on a busy machine.
    let watts = number(&all["joules"]) / number(&all["seconds"]);
    assert!((10.0..250.0).contains(&watts), "{watts} W");
    let difference = (number(&all["seconds"]) - number(&summary["seconds"])).abs();
    assert!(difference < 0.5, "the same time, but for {difference} s");
    let report = project.read("checkpoints/tiny/training-report.md");
    says(
        &report,
        &[
            "## What it cost",
            "kWh |",
            "`costs.price_per_kwh` and `costs.price_per_hour` of the recipe add",
        ],
    );
    assert!(!report.contains("at least"), "{report}");
}

#[test]
fn a_start_whose_counter_could_not_be_read_makes_the_sum_a_lower_bound() {
    let project = Project::new();
    let counter = TickingCounter::start(&project);
    let first = killed(&project);
    drop(counter);
    fs::remove_dir_all(project.path("powercap")).expect("removed");
    let finished = fit(&project, &WORDS);
    says(
        &finished.stderr,
        &[
            "energy             at least ",
            " kWh (no counter of a processor's energy is in ",
        ],
    );
    finished.result();
    let summary = training(&project);
    let (before, all) = (
        &first["energy"]["processors"],
        &summary["energy"]["processors"],
    );
    assert_eq!(all["joules"], before["joules"], "none was added");
    let unread = all["unread"].as_object().expect("reasons");
    let seconds: f64 = unread.values().map(number).sum();
    let second = number(&summary["seconds"]) - number(&first["seconds"]);
    assert!((seconds - second).abs() < 0.5, "{seconds} of {second}");
    says(
        &project.read("checkpoints/tiny/training-report.md"),
        &[
            "| at least ",
            "- Not measured for ",
            "no counter of a processor's energy is in ",
        ],
    );
}

#[test]
fn without_a_counter_the_energy_is_unknown_and_a_price_neither_refuses_nor_repeats_a_training() {
    let project = Project::new();
    let first = killed(&project);
    assert_eq!(first["energy"]["processors"]["joules"], Value::Null);
    let priced = [
        &WORDS[..],
        &[
            "--set",
            "costs.price_per_hour=7200",
            "--set",
            "costs.currency=EUR",
        ],
    ]
    .concat();
    fit(&project, &priced).result();
    let summary = training(&project);
    assert_eq!(summary["energy"]["processors"]["joules"], Value::Null);
    let report = project.read("checkpoints/tiny/training-report.md");
    says(
        &report,
        &["| unknown |", "7200\u{a0}EUR for an hour of the machine."],
    );
    assert!(!report.contains(" 0 kWh"), "{report}");
    // Another price writes the report of the finished training again.
    let other = [&WORDS[..], &["--set", "costs.price_per_kwh=0.25"]].concat();
    let again = fit(&project, &other);
    says(&again.stderr, &["already done"]);
    again.result();
    assert_eq!(training(&project), summary);
    let report = project.read("checkpoints/tiny/training-report.md");
    says(
        &report,
        &["| unknown | unknown |", "0.25 for a kilowatt-hour."],
    );
}
