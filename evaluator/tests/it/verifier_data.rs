//! `evaluator dataset --to verifier` from the outside: rows with yes and no, and tasks that are held out.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::dataset::{dataset, project, replaced, sampled};
use crate::endpoint::{json_of, lines};
use crate::support::{Project, says};

/// Makes the data set with a seed, and returns its rows and its description.
fn made(seed: &str) -> (Vec<Value>, Value) {
    let project = project();
    let run = sampled(&project);
    let run = run.to_string_lossy();
    let words = [&run, "--to", "verifier", "-o", "judged", "--seed", seed];
    dataset(&project, &words).result();
    let folder = project.path("judged");
    let (rows, info) = (
        lines(&folder.join("rows.jsonl")),
        json_of(&folder.join("dataset.json")),
    );

    let before = fs::read(folder.join("dataset.json")).expect("a file");
    dataset(&project, &words).result();
    let again = fs::read(folder.join("dataset.json")).expect("a file");
    assert_eq!(before, again, "the same run gives the same bytes");
    (rows, info)
}

#[test]
fn programs_that_pass_are_yes_wrong_ones_are_no_and_a_fifth_of_the_tasks_is_held_out() {
    let (rows, info) = made("0");
    assert_eq!(info["kind"], "verifier");
    // Of each task two different programs pass, one passes half of the tests and one none.
    assert_eq!(info["rules"]["answers"], json!({"yes": 4, "no": 4}));
    assert_eq!(
        info["rules"]["held_out"]["answers"],
        json!({"yes": 2, "no": 2})
    );
    assert_eq!(info["left_out"]["of a task that is held out"], 4);
    let held_out = info["rules"]["held_out"]["tasks"]
        .as_array()
        .expect("a list");
    assert_eq!(held_out.len(), 1);
    // The tasks show no example, and the run recorded no log-probability.
    let none = json!({"auc": null, "answers": 0});
    let auc = json!({"visible_tests": none, "log_probability": none});
    assert_eq!(info["rules"]["held_out"]["auc"], auc);

    assert_eq!(rows.len(), 8);
    let mut tasks = BTreeSet::new();
    for row in &rows {
        assert!(!held_out.contains(&row["task_id"]), "{row}");
        tasks.insert(row["task_id"].to_string());
        let question = row["prompt"][0]["content"].as_str().expect("a text");
        let answer = row["completion"][0]["content"].as_str().expect("a text");
        let is_wrong = question.contains("else 0") || question.contains("return None");
        assert_eq!(answer, if is_wrong { "no" } else { "yes" }, "{question}");
        assert!(question.contains("Reply with one word: yes or no."));
        assert_eq!(row["prefill"], "");
        assert_eq!(row.get("label"), None);
    }
    assert_eq!(tasks.len(), 2);
}

#[test]
fn the_seed_draws_the_tasks_that_are_held_out() {
    let drawn: BTreeSet<String> = (0..6)
        .map(|seed| made(&seed.to_string()).1["rules"]["held_out"]["tasks"].to_string())
        .collect();
    assert!(drawn.len() > 1, "{drawn:?}");
}

/// A project with a run that has a program that passes and one that fails for each task.
fn judged_project() -> Project {
    let project = project();
    replaced(&project, |n| {
        [
            (format!("    return x + {n}\n"), true),
            ("    return None\n".to_owned(), false),
        ]
    });
    project
}

#[test]
fn a_verifier_is_measured_on_the_held_out_tasks() {
    let project = judged_project();
    let judged = |judge: &str| {
        let words = [
            "latest", "--to", "verifier", "-o", "judged", "--judge", judge, "--device", "cpu",
        ];
        let printed = dataset(&project, &words).result();
        let info = json_of(&project.path("judged/dataset.json"));
        (printed, info["rules"]["held_out"].clone())
    };
    let adapter = "checkpoints/tiny/adapter";
    for (judge, name) in [("base", "base"), (adapter, "tiny"), ("tiny", "tiny")] {
        let (printed, held_out) = judged(judge);
        assert_eq!(held_out["answers"], json!({"yes": 1, "no": 1}));
        let of = &held_out["auc"]["verifier"];
        assert_eq!((&of["name"], &of["answers"]), (&json!(name), &json!(2)));
        assert_eq!(of["sha256"].is_string(), name != "base");
        let auc = of["auc"].as_f64().expect("both kinds of answers");
        assert!([0.0, 0.5, 1.0].contains(&auc), "one pair: {auc}");
        says(&printed, &[&format!("verifier ({name})")]);
    }
}

#[test]
fn a_verifier_is_not_measured_on_tasks_that_it_learned() {
    let project = judged_project();
    let judged = |seed: &str| {
        let words = [
            "latest", "--to", "verifier", "-o", "judged", "--judge", "tiny", "--device", "cpu",
            "--seed", seed,
        ];
        dataset(&project, &words)
    };
    let held_out = |seed: &str| {
        judged(seed).result();
        let info = json_of(&project.path("judged/dataset.json"));
        (
            info["rules"]["held_out"]["tasks"].clone(),
            info["tasks"].clone(),
        )
    };
    let (own, learned) = held_out("0");
    let others: Vec<String> = (1..8).map(|seed: u32| seed.to_string()).collect();
    let other = others.iter().find(|seed| held_out(seed).0 != own);
    let other = other.expect("a seed that holds out another task");
    project.write(
        "checkpoints/tiny/adapter/training.json",
        json!({
            "steps": 1, "examples": 1, "final_loss": 1.0, "base_validation_loss": null, "best": null,
            "decontamination": null, "seconds": 1.0, "peak_memory_bytes": null,
            "datasets": [{"path": "judged", "sha256": "ab", "tasks": learned}],
        })
        .to_string(),
    );
    assert_eq!(held_out("0").0, own);
    let parts = [
        "the adapter learned from 1 of the tasks to be evaluated",
        "hint: measure an adapter with the runs, the --seed",
    ];
    says(&judged(other).error(2), &parts);
}

#[test]
fn only_a_verifiers_data_have_a_judge() {
    let project = project();
    let run = sampled(&project);
    let run = run.to_string_lossy();
    let refused = |words: &[&str], parts: &[&str]| {
        let words = [&[&*run, "-o", "x"], words].concat();
        says(&dataset(&project, &words).error(2), parts);
    };
    refused(
        &["--to", "sft", "--judge", "base"],
        &["--judge measures a verifier", "hint: remove --judge"],
    );
    refused(
        &["--to", "verifier", "--judge", "base"],
        &["a server answered", "hint: omit --judge"],
    );
    assert!(!project.path("x").exists(), "nothing is written");
}
