//! `evaluator dataset --to verifier` from the outside: rows with yes and no, and tasks that are held out.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::dataset::{dataset, project, sampled};
use crate::endpoint::{json_of, lines};

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
