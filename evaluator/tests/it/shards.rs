//! Runs in shards: merged, they equal the run without shards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::endpoint::{lines, project};
use crate::support::{Finished, Project, finish, says};

const TASKS: usize = 5;

fn evaluator(project: &Project, words: &[&str]) -> Finished {
    finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), words))
}

/// An experiment with answers of a few tokens, in a separate folder.
fn experiment(project: &Project, command: &[&str], reports: &str, more: &[&str]) -> Finished {
    let settings = [
        "--recipe",
        "tiny.yaml",
        "--device",
        "cpu",
        "--reports",
        reports,
        "--set",
        "evaluate.benchmarks=[{name: custom, path: tasks.jsonl}, embedded]",
        "--set",
        "evaluate.max_tasks=5",
        "--set",
        "evaluate.max_new_tokens=8",
        "--set",
        "evaluate.rounds=1",
        "--set",
        "evaluate.samples=2",
        "--set",
        "evaluate.sweep={temperatures: [0.0, 0.7], top_p: [1.0], samples_per_task: 2}",
    ];
    evaluator(project, &[command, &settings, more].concat())
}

fn runs(project: &Project, reports: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(project.path(reports)).expect("reports");
    let mut runs: Vec<PathBuf> = folders
        .map(|entry| entry.expect("an entry").path())
        .collect();
    runs.sort();
    runs
}

/// Lines without the values that a machine measures, and without the run's name.
fn timeless(run: &Path, file: &str) -> BTreeSet<String> {
    let all = lines(&run.join(file));
    let n = all.len();
    let timeless = |mut line: Value| {
        let object = line.as_object_mut().expect("an object");
        for key in [
            "generation_s",
            "reused_s",
            "cpu_s",
            "seconds_to_program",
            "run",
        ] {
            object.remove(key);
        }
        for kind in ["call", "execution"] {
            if let Some(what) = object
                .get_mut("what")
                .and_then(|what| what[kind].as_object_mut())
            {
                what.remove("measured").expect("measures");
            }
        }
        line.to_string()
    };
    let set: BTreeSet<String> = all.into_iter().map(timeless).collect();
    assert_eq!(set.len(), n, "a line twice");
    set
}

/// A summary without times.
fn summary(run: &Path) -> Value {
    fn forget(value: &mut Value) {
        let timed = [
            "generation_s",
            "samples_per_hour",
            "wall_s_per_passed",
            "reused_s",
            "reused_s_per_passed",
            "cpu_s_of_passed",
            "seconds_to_program",
            "cpu_relative_to_canonical",
            "cost",
        ];
        match value {
            Value::Object(fields) => {
                fields.retain(|key, _| !timed.contains(&key.as_str()));
                fields.values_mut().for_each(forget);
            }
            Value::Array(items) => items.iter_mut().for_each(forget),
            _ => {}
        }
    }
    let text = fs::read(run.join("summary.json")).expect("a summary");
    let mut value = serde_json::from_slice(&text).expect("JSON");
    forget(&mut value);
    value
}

#[test]
fn merged_shards_are_the_run_that_was_made_in_one_piece() {
    for (command, of) in [
        (&["compare", "checkpoints/tiny/adapter"][..], 3),
        (&["sweep"], 2),
        (&["workflows", "checkpoints/tiny/adapter"], 2),
        (&["hypotheses", "checkpoints/tiny/adapter"], 4),
    ] {
        let project = project(TASKS);
        experiment(&project, command, "whole", &[]).result();
        for index in (1..=of).rev() {
            let shard = format!("{index}/{of}");
            let printed = experiment(&project, command, "shards", &["--shard", &shard]).result();
            says(&printed, &[&format!("-shard-{index}-of-{of}/report.md")]);
        }
        let shards: Vec<String> = runs(&project, "shards")
            .iter()
            .map(|run| run.display().to_string())
            .collect();
        assert_eq!(shards.len(), of);
        let named: Vec<&str> = shards.iter().map(String::as_str).collect();
        let merge = [&["report", "--reports", "merged"][..], &named].concat();
        let printed = evaluator(&project, &merge).result();
        let (whole, merged) = (runs(&project, "whole"), runs(&project, "merged"));
        assert_eq!((whole.len(), merged.len()), (1, 1));
        assert_eq!(whole[0].file_name(), merged[0].file_name());
        says(&printed, &["report: merged/tiny-"]);
        for file in ["records.jsonl", "trajectory.jsonl"] {
            assert_eq!(
                timeless(&whole[0], file),
                timeless(&merged[0], file),
                "{command:?} {file}"
            );
        }
        assert_eq!(summary(&whole[0]), summary(&merged[0]), "{command:?}");
        // Merging again changes nothing, and so does the command without a shard.
        let before = fs::read(merged[0].join("records.jsonl")).expect("records");
        assert_eq!(evaluator(&project, &merge).result(), printed);
        let again = experiment(&project, command, "merged", &[]);
        says(&again.stderr, &["all answers exist already"]);
        assert_eq!(again.result(), printed);
        assert_eq!(
            fs::read(merged[0].join("records.jsonl")).expect("records"),
            before
        );
        if of == 4 {
            shards_that_do_not_fit_are_named(&project, &named);
        }
        project.assert_no_parts();
    }
}

fn shards_that_do_not_fit_are_named(project: &Project, shards: &[&str]) {
    let merge = |folders: &[&str]| {
        let words = [&["report", "--reports", "elsewhere"][..], folders].concat();
        evaluator(project, &words).error(2)
    };
    says(
        &merge(&[shards[0], shards[2]]),
        &[
            "shards 2/4, 4/4 are missing",
            "hint: evaluator hypotheses checkpoints/tiny/adapter",
            "--shard 2/4 runs it",
        ],
    );
    says(
        &merge(&[shards[0], shards[1], shards[1], shards[3]]),
        &["shard 2/4 is given twice: ", "hint: name each shard once"],
    );
    let whole = runs(project, "whole")[0].display().to_string();
    says(&merge(&[shards[0], &whole]), &["a whole run, not a shard"]);
    let other = ["--shard", "2/4", "--set", "evaluate.sampling.seed=7"];
    let command = ["hypotheses", "checkpoints/tiny/adapter"];
    experiment(project, &command, "others", &other).result();
    let other = runs(project, "others")[0].display().to_string();
    says(
        &merge(&[shards[0], &other, shards[2], shards[3]]),
        &[
            "are shards of different runs",
            "evaluate.sampling.seed: 42 and 7",
        ],
    );
    // The run without shards is not overwritten.
    let words = [&["report", "--reports", "whole"][..], shards].concat();
    says(
        &evaluator(project, &words).error(2),
        &["not merged from shards", "hint: move it away"],
    );
    for (shard, part) in [
        ("5/4", "expected a shard from 1/4 to 4/4"),
        ("x", "for example 2/4"),
    ] {
        let finished = experiment(project, &command, "never", &["--shard", shard]);
        assert_eq!(finished.code, Some(2));
        says(&finished.stderr, &[part]);
    }
    says(
        &experiment(project, &command, "never", &["--shard", "11/11"]).error(2),
        &["10 tasks cannot be divided among 11 shards"],
    );
    // A name from a file does not decide where is written.
    let files = shards.iter().map(|shard| Path::new(shard).join("run.json"));
    let files: Vec<PathBuf> = files.collect();
    let texts = files
        .iter()
        .map(|file| fs::read_to_string(file).expect("a file"));
    let texts: Vec<String> = texts.collect();
    for (n, (file, text)) in files.iter().zip(&texts).enumerate() {
        let mut info: Value = serde_json::from_str(text).expect("JSON");
        info["name"] = format!("../escaped-shard-{}-of-4", n + 1).into();
        fs::write(file, info.to_string()).expect("written");
    }
    says(
        &merge(shards),
        &[
            "run.json: the run's name `../escaped` is not the name of a folder",
            "hint: ",
        ],
    );
    assert!(!project.path("escaped").exists());
    for (file, text) in files.iter().zip(texts) {
        fs::write(file, text).expect("written");
    }
}

#[test]
fn two_evaluators_do_not_work_in_one_folder() {
    let project = project(TASKS);
    let words = ["compare", "--base-only"];
    experiment(&project, &words, "reports", &[]).result();
    let log = runs(&project, "reports")[0].join("trajectory.jsonl");
    let held = fs::File::open(log).expect("a log");
    held.lock().expect("a lock");
    says(
        &experiment(&project, &words, "reports", &[]).error(2),
        &[
            "another evaluator is using this folder",
            "hint: wait until it has finished",
        ],
    );
    held.unlock().expect("no lock");
    experiment(&project, &words, "reports", &[]).result();
}
