//! Workflows on a tiny model: killed at any point and started again, they write the same log; and `evaluator show`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Project, finish, says};
use crate::trained_project;

const WORDS: [&str; 13] = [
    "compare",
    "--device",
    "cpu",
    "--set",
    "evaluate.max_new_tokens=8",
    "--set",
    "evaluate.workflows=[reflection, best_of_n]",
    "--set",
    "evaluate.rounds=0",
    "--set",
    "evaluate.samples=2",
    "--set",
    "evaluate.batch_size=4",
];

/// Far longer than the whole run takes.
const PATIENCE: Duration = Duration::from_mins(5);

fn log_of(project: &Project) -> Option<PathBuf> {
    let run = fs::read_dir(project.path("reports")).ok()?.next()?.ok()?;
    Some(run.path().join("trajectory.jsonl"))
}

fn lines(project: &Project) -> usize {
    let text = log_of(project).and_then(|log| fs::read_to_string(log).ok());
    text.map_or(0, |text| text.matches('\n').count())
}

/// Every step without the values that a machine measures.
fn steps(project: &Project) -> BTreeSet<String> {
    let text = fs::read_to_string(log_of(project).expect("a run")).expect("a log");
    let timeless = text.lines().map(|line| {
        let mut step: Value = serde_json::from_str(line).expect("a line of JSON");
        for kind in ["call", "execution"] {
            if let Some(what) = step["what"][kind].as_object_mut() {
                what.remove("measured").expect("measures");
            }
        }
        step.to_string()
    });
    let steps: Vec<String> = timeless.collect();
    let set: BTreeSet<String> = steps.iter().cloned().collect();
    assert_eq!(set.len(), steps.len(), "a step twice");
    set
}

/// Starts the run and kills it with SIGKILL as soon as its log has `n_lines` lines.
fn kill_at(project: &Project, n_lines: usize) {
    let mut child = project
        .command(env!("CARGO_BIN_EXE_evaluator"), &WORDS)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let started = Instant::now();
    while lines(project) < n_lines {
        assert!(started.elapsed() < PATIENCE, "no {n_lines} lines");
        assert!(child.try_wait().expect("a state").is_none(), "ended early");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
}

#[test]
fn killed_again_and_again_a_run_leaves_the_log_of_one_that_was_not() {
    let (whole, killed) = (trained_project(), trained_project());
    let run = |project: &Project| {
        finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &WORDS)).result()
    };
    run(&whole);
    let all = lines(&whole);
    for share in [1, 4, 7] {
        kill_at(&killed, all * share / 8);
    }
    run(&killed);
    assert_eq!(steps(&killed), steps(&whole));
    shows_how_an_answer_came_about(&whole);
}

fn shows_how_an_answer_came_about(project: &Project) {
    let run = log_of(project).expect("a run");
    let run = run
        .parent()
        .and_then(|run| run.file_name())
        .expect("a name");
    let run = run.to_string_lossy();
    let show = |words: &[&str]| {
        let words = [&["show", &run, "double_it"], words].concat();
        finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words))
    };
    let page = show(&["--arm", "base", "--workflow", "reflection"]).result();
    says(
        &page,
        &[
            "embedded/double_it · base · reflection · sample 0",
            "stopped: ",
            "step 0 · coder",
            "step 1 · tester",
            "def double_it",
        ],
    );
    assert!(!page.contains('\u{1b}'), "colour in a pipe");
    let all = show(&[]).result();
    for title in ["base · best_of_n", "tiny · reflection", "tiny · best_of_n"] {
        says(&all, &[title]);
    }
    let json: Value = serde_json::from_str(&show(&["--json"]).result()).expect("JSON");
    assert!(json.as_array().is_some_and(|steps| steps.len() > 8));
    says(
        &show(&["--sample", "3"]).error(2),
        &[
            "embedded/double_it: no answer matches the options",
            "hint: there are --arm base --workflow reflection --sample 0",
        ],
    );
}
